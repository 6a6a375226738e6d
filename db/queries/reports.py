"""How batches go: counts, refusals by reason, the worst parity, how fast."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVarTuple

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Attempt, Batch, BatchJob, Job, JobReason, Parity, Recipe, Source
from db.queries.predicates import in_state
from db.states import TERMINAL, AttemptOutcome, BatchState, JobState

_Columns = TypeVarTuple("_Columns")


@dataclass(frozen=True, kw_only=True)
class ErrorCount:
    """Jobs of a batch that ended with one kind of error."""

    state: JobState
    kind: str
    jobs: int
    example_key: str


@dataclass(frozen=True, kw_only=True)
class ReasonCount:
    """How many jobs of a batch one reason stands against; a job may have several."""

    kind: str
    subject: str
    jobs: int


@dataclass(frozen=True, kw_only=True)
class BatchSummary:
    """The table at the end of a migration."""

    batch_id: int
    state: BatchState
    source_url: str
    dest_url: str
    converter_version: str
    options: Mapping[str, Any]
    created_at: datetime
    finished_at: datetime | None
    jobs_new: int
    """Jobs this batch created; the others were known before."""
    states: dict[JobState, int]
    """Every state, 0 where no job is in it."""
    reused: int
    """Of the succeeded, those whose content had already been converted under another key."""
    errors: tuple[ErrorCount, ...]
    """Most frequent first."""
    reasons: tuple[ReasonCount, ...]
    """Most frequent first."""
    worst_structure_error: float | None
    """Over all that succeeded."""
    worst_deployment_error: float | None

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def terminal(self) -> int:
        return sum(count for state, count in self.states.items() if state in TERMINAL)


def batch_summary(session: Session, batch_id: int) -> BatchSummary | None:
    """How a batch stands; None if there is no such batch."""
    batch = session.execute(
        select(
            Batch.id.label("batch_id"),
            Batch.state,
            Batch.source_url,
            Recipe.dest_url,
            Recipe.converter_version,
            Recipe.options,
            Batch.created_at,
            Batch.finished_at,
            Batch.jobs_new,
        )
        .join(Recipe, Recipe.id == Batch.recipe_id)
        .where(Batch.id == batch_id)
    ).one_or_none()
    if batch is None:
        return None
    worst = session.execute(
        _within(select(func.max(Parity.structure_error), func.max(Parity.deployment_error)), batch_id)
        .join(Parity, and_(Parity.job_id == Job.id, Parity.fence == Job.fence))
        .where(in_state(JobState.SUCCEEDED))
    ).one()
    # One walk through the batch for both: of a million jobs, each takes a second.
    counts = {
        row.state: row
        for row in session.execute(
            _within(
                select(Job.state, func.count().label("jobs"), func.count(Job.reused_from).label("reused")),
                batch_id,
            ).group_by(Job.state)
        )
    }
    succeeded = counts.get(JobState.SUCCEEDED)
    return BatchSummary(
        **batch._mapping,
        states={state: counts[state].jobs if state in counts else 0 for state in JobState},
        reused=succeeded.reused if succeeded is not None else 0,
        errors=_errors(session, batch_id),
        reasons=_reasons(session, batch_id),
        worst_structure_error=worst[0],
        worst_deployment_error=worst[1],
    )


def count_states(session: Session, batch_id: int | None = None) -> dict[JobState, int]:
    """Jobs by state, of one batch or of all; states without jobs count 0."""
    query = select(Job.state, func.count()).group_by(Job.state)
    if batch_id is not None:
        query = query.join(BatchJob, BatchJob.job_id == Job.id).where(BatchJob.batch_id == batch_id)
    counted = dict(session.execute(query).all())
    return {state: counted.get(state, 0) for state in JobState}


def throughput(session: Session, *, seconds: float) -> dict[AttemptOutcome, int]:
    """How many attempts ended in the last `seconds`, by outcome."""
    rows = session.execute(
        select(Attempt.outcome, func.count())
        .where(Attempt.ended_at > now(-seconds))
        .group_by(Attempt.outcome)
    )
    return {outcome: count for outcome, count in rows if outcome is not None}


def latest_outage(session: Session, *, within_s: float) -> str | None:
    """What the newest attempt met, if it was postponed and ended in the last so many seconds: a store was away."""
    newest = session.execute(
        select(Attempt.outcome, Attempt.error_message)
        .where(Attempt.ended_at > now(-within_s))
        .order_by(Attempt.ended_at.desc())
        .limit(1)
    ).one_or_none()
    return newest.error_message if newest and newest.outcome is AttemptOutcome.POSTPONED else None


def latest_batches(session: Session, limit: int = 20) -> list[int]:
    """Numbers of the newest batches, newest first."""
    return list(session.scalars(select(Batch.id).order_by(Batch.id.desc()).limit(limit)))


def _errors(session: Session, batch_id: int) -> tuple[ErrorCount, ...]:
    jobs = func.count().label("jobs")
    rows = session.execute(
        _within(
            select(Job.state, Job.error_kind.label("kind"), jobs, func.min(Source.key).label("example_key")),
            batch_id,
        )
        .join(Source, Source.id == Job.source_id)
        .where(Job.state.in_(TERMINAL), Job.error_kind.is_not(None))
        .group_by(Job.state, Job.error_kind)
        .order_by(jobs.desc(), Job.error_kind)
    )
    return tuple(ErrorCount(**row._mapping) for row in rows)


def _reasons(session: Session, batch_id: int) -> tuple[ReasonCount, ...]:
    jobs = func.count(JobReason.job_id.distinct()).label("jobs")
    rows = session.execute(
        _within(select(JobReason.kind, JobReason.subject, jobs), batch_id)
        .join(JobReason, JobReason.job_id == Job.id)
        .where(Job.state.in_(TERMINAL))
        .group_by(JobReason.kind, JobReason.subject)
        .order_by(jobs.desc(), JobReason.kind, JobReason.subject)
    )
    return tuple(ReasonCount(**row._mapping) for row in rows)


def _within(query: Select[*_Columns], batch_id: int) -> Select[*_Columns]:
    return (
        query.select_from(Job).join(BatchJob, BatchJob.job_id == Job.id).where(BatchJob.batch_id == batch_id)
    )
