"""Which jobs there are and what they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from db.models import Attempt, Job, Parity, Recipe, Source
from db.queries.matching import matching
from db.queries.predicates import in_state
from db.search import Search
from db.states import JobState


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """A job in a list."""

    id: int
    key: str
    size: int
    """Bytes of the source."""
    options: Mapping[str, Any]
    """Of the conversion: one model may be converted in more than one way."""
    state: JobState
    attempts: int
    worker_id: str | None
    reused_from: int | None
    error_kind: str | None
    error_message: str | None
    structure_error: float | None
    deployment_error: float | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Page:
    """Some jobs in the order of their numbers, and how to ask for the next ones."""

    jobs: list[JobRow]
    next_after: int | None
    """Pass it as `after`; None: these were the last."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """What one attempt is doing at the moment."""

    worker_id: str
    job_id: int
    key: str
    fence: int
    stage: str | None
    progress: float | None
    started_at: datetime
    heartbeat_at: datetime


def list_jobs(
    session: Session, wanted: Search | None = None, *, after: int | None = None, limit: int = 100
) -> Page:
    """A page of jobs by number, beginning behind job `after`. As fast on the last page as on the first."""
    query = _ROWS.where(*matching(wanted or Search()))
    if after is not None:
        query = query.where(Job.id > after)
    # One more than asked for tells whether there is a next page.
    rows = session.execute(query.order_by(Job.id).limit(limit + 1)).all()
    jobs = [JobRow(**row._mapping) for row in rows[:limit]]
    return Page(jobs, jobs[-1].id if len(rows) > limit else None)


def rows_of(session: Session, job_ids: Sequence[int]) -> list[JobRow]:
    """These jobs, in no order; those that there are not are left out."""
    return [JobRow(**row._mapping) for row in session.execute(_ROWS.where(Job.id.in_(job_ids)))]


_ROWS = (
    select(
        Job.id,
        Source.key,
        Source.size,
        Recipe.options,
        Job.state,
        Job.fence.label("attempts"),
        Job.worker_id,
        Job.reused_from,
        Job.error_kind,
        Job.error_message,
        Parity.structure_error,
        Parity.deployment_error,
        Job.created_at,
        Job.started_at,
        Job.finished_at,
    )
    .join(Source, Source.id == Job.source_id)
    .join(Recipe, Recipe.id == Job.recipe_id)
    .outerjoin(Parity, and_(Parity.job_id == Job.id, Parity.fence == Job.fence))
)


def running(session: Session) -> list[Running]:
    """What every worker does now, longest running first."""
    rows = session.execute(
        select(
            Attempt.worker_id,
            Attempt.job_id,
            Source.key,
            Attempt.fence,
            Attempt.stage,
            Attempt.progress,
            Attempt.started_at,
            Attempt.heartbeat_at,
        )
        .join(Job, and_(Job.id == Attempt.job_id, Job.fence == Attempt.fence))
        .join(Source, Source.id == Job.source_id)
        .where(in_state(JobState.RUNNING))
        .order_by(Attempt.started_at, Attempt.job_id)
    )
    return [Running(**row._mapping) for row in rows]
