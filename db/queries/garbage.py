"""What lies in a destination and nothing in the database names, or needs, any more."""

from collections.abc import Collection

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Job, JobArtifact, Recipe, Source
from db.queries.predicates import in_state
from db.states import TERMINAL, JobState


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


def unneeded_sources(
    session: Session, store_url: str, keys: Collection[str], *, ended_before_s: float
) -> set[str]:
    """Objects, by key, that no job reads which is unfinished or ended within so many seconds, whatever its recipe."""
    needed = session.scalars(
        select(Source.key)
        .join(Job, Job.source_id == Source.id)
        .where(
            Source.store_url == store_url,
            Source.key.in_(keys),
            or_(Job.state.not_in(TERMINAL), Job.finished_at > now(-ended_before_s)),
        )
    )
    return set(keys) - set(needed)


def _recipes(dest_url: str) -> Select[int]:
    return select(Recipe.id).where(Recipe.dest_url == dest_url)


def _architectures(session: Session) -> set[str]:
    """Hashes of the texts that recipes name (`workers.recipe`); recipes are few."""
    given = (options.get("architecture") for options in session.scalars(select(Recipe.options)))
    return {each["sha256"] for each in given if isinstance(each, dict) and each.get("sha256")}
