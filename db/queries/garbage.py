"""Which of the contents in a destination nothing in the database names."""

from collections.abc import Collection

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from db.models import Job, JobArtifact, Recipe
from db.queries.predicates import in_state
from db.states import JobState


def destinations(session: Session) -> list[str]:
    """Every place that jobs were ever published to."""
    return list(session.scalars(select(Recipe.dest_url).distinct().order_by(Recipe.dest_url)))


def running_at(session: Session, dest_url: str) -> int:
    """How many jobs are at work that publish there."""
    query = select(func.count()).select_from(Job)
    return session.scalars(
        query.where(Job.recipe_id.in_(_recipes(dest_url)), in_state(JobState.RUNNING))
    ).one()


def unnamed_contents(session: Session, sha256s: Collection[str]) -> set[str]:
    """Those that belong to no job's bundle and are no architecture that a recipe gives."""
    named = set(session.scalars(select(JobArtifact.sha256).where(JobArtifact.sha256.in_(sha256s)).distinct()))
    return set(sha256s) - named - _architectures(session)


def unnamed_results(session: Session, dest_url: str, content_keys: Collection[str]) -> set[str]:
    """Results, by content key, that no job which succeeded has published there."""
    named = session.scalars(
        select(Job.content_key).where(
            Job.recipe_id.in_(_recipes(dest_url)),
            Job.content_key.in_(content_keys),
            in_state(JobState.SUCCEEDED),
            Job.reused_from.is_(None),
        )
    )
    return set(content_keys) - {key for key in named if key is not None}


def _recipes(dest_url: str) -> Select[int]:
    return select(Recipe.id).where(Recipe.dest_url == dest_url)


def _architectures(session: Session) -> set[str]:
    """Hashes of the texts that recipes name (`workers.recipe`); recipes are few."""
    given = (options.get("architecture") for options in session.scalars(select(Recipe.options)))
    return {each["sha256"] for each in given if isinstance(each, dict) and each.get("sha256")}
