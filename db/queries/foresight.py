"""What planning a listing would come to, without planning it; and how long such work has taken. Reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, case, literal, select
from sqlalchemy.orm import Session, aliased

from db.models import Attempt, Job, Recipe, Source
from db.queries import listing
from db.queries.listing import Found
from db.queries.predicates import is_recipe
from db.states import AttemptOutcome

_ATTEMPTS = 2000


class Outlook(StrEnum):
    """What planning would make of one object."""

    NEW = "new"
    """Nothing of that name was there before."""
    CHANGED = "changed"
    """Another version of it is known: this one gets a job of its own."""
    KNOWN = "known"
    """Its job is there already, done or not."""
    OTHER = "other-recipe"
    """It was converted otherwise before: with other options, another converter, or to another place."""

    @property
    def is_work(self) -> bool:
        """Whether it gets a new job."""
        return self is not Outlook.KNOWN


def outlook(
    session: Session,
    found: Sequence[Found],
    *,
    source_url: str,
    dest_url: str,
    converter_version: str,
    options: Mapping[str, Any],
) -> list[Outlook]:
    """What would become of each object, in order; of at most some thousands."""
    listed = listing.as_table(session, found)
    other = aliased(Source)
    same_key = and_(other.store_url == source_url, other.key == listed.c.key)
    exact = select(other.id).where(same_key, other.version == listed.c.version).exists()
    any_version = select(other.id).where(same_key).exists()
    has_job = (
        select(Job.id)
        .join(other, other.id == Job.source_id)
        .join(Recipe, Recipe.id == Job.recipe_id)
        .where(
            same_key,
            other.version == listed.c.version,
            *is_recipe(dest_url=dest_url, converter_version=converter_version, options=options),
        )
        .exists()
    )
    what = case(
        (has_job, literal(Outlook.KNOWN.value)),
        (exact, literal(Outlook.OTHER.value)),
        (any_version, literal(Outlook.CHANGED.value)),
        else_=literal(Outlook.NEW.value),
    )
    by_key = {row.key: Outlook(row.what) for row in session.execute(select(listed.c.key, what.label("what")))}
    return [by_key[each.key] for each in found]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long attempts that converted took, of late."""

    attempts: int
    seconds: float
    """In all, from claim to end."""
    bytes: int
    """Of their sources."""

    @property
    def seconds_per_megabyte(self) -> float:
        return self.seconds / max(self.bytes / 1e6, 1e-3)


def pace(session: Session) -> Pace | None:
    """Of the newest two thousand; None: nothing was converted yet."""
    rows = session.execute(
        select(Attempt.started_at, Attempt.ended_at, Source.size)
        .join(Job, Job.id == Attempt.job_id)
        .join(Source, Source.id == Job.source_id)
        .where(Attempt.outcome == AttemptOutcome.SUCCEEDED, Attempt.ended_at.is_not(None))
        .order_by(Attempt.ended_at.desc())
        .limit(_ATTEMPTS)
    ).all()
    if not rows:
        return None
    seconds = sum((row.ended_at - row.started_at).total_seconds() for row in rows)
    return Pace(attempts=len(rows), seconds=seconds, bytes=sum(row.size for row in rows))
