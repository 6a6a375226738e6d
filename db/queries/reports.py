"""How batches go: counts, refusals by reason, the worst parity, how fast."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVarTuple

from sqlalchemy import ColumnElement, Select, and_, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

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
    members = _members(session, batch_id)
    worst = session.execute(
        members.of(select(func.max(Parity.structure_error), func.max(Parity.deployment_error)))
        .join(Parity, and_(Parity.job_id == Job.id, Parity.fence == Job.fence))
        .where(in_state(JobState.SUCCEEDED), members.may_be(Parity.job_id))
    ).one()
    # One walk through the batch for both: of a million jobs, each takes a second.
    counts = {
        row.state: row
        for row in session.execute(
            members.of(
                select(Job.state, func.count().label("jobs"), func.count(Job.reused_from).label("reused"))
            ).group_by(Job.state)
        )
    }
    succeeded = counts.get(JobState.SUCCEEDED)
    return BatchSummary(
        **batch._mapping,
        states={state: counts[state].jobs if state in counts else 0 for state in JobState},
        reused=succeeded.reused if succeeded is not None else 0,
        errors=_errors(session, members),
        reasons=_reasons(session, members),
        worst_structure_error=worst[0],
        worst_deployment_error=worst[1],
    )


def count_states(session: Session, batch_id: int | None = None) -> dict[JobState, int]:
    """Jobs by state, of one batch or of all; states without jobs count 0."""
    query = select(Job.state, func.count()).group_by(Job.state)
    if batch_id is not None:
        query = _members(session, batch_id).of(query)
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


def _errors(session: Session, members: "_Members") -> tuple[ErrorCount, ...]:
    jobs = func.count().label("jobs")
    # Keys are looked up for the examples alone: there are a handful of kinds, and perhaps a million jobs.
    kinds = (
        members.of(select(Job.state, Job.error_kind.label("kind"), jobs, func.min(Job.id).label("example")))
        .where(Job.state.in_(TERMINAL), Job.error_kind.is_not(None))
        .group_by(Job.state, Job.error_kind)
        .subquery()
    )
    rows = session.execute(
        select(kinds.c.state, kinds.c.kind, kinds.c.jobs, Source.key.label("example_key"))
        .join(Job, Job.id == kinds.c.example)
        .join(Source, Source.id == Job.source_id)
        .order_by(kinds.c.jobs.desc(), kinds.c.kind)
    )
    return tuple(ErrorCount(**row._mapping) for row in rows)


def _reasons(session: Session, members: "_Members") -> tuple[ReasonCount, ...]:
    jobs = func.count(JobReason.job_id.distinct()).label("jobs")
    rows = session.execute(
        members.of(select(JobReason.kind, JobReason.subject, jobs))
        .join(JobReason, JobReason.job_id == Job.id)
        .where(Job.state.in_(TERMINAL), members.may_be(JobReason.job_id))
        .group_by(JobReason.kind, JobReason.subject)
        .order_by(jobs.desc(), JobReason.kind, JobReason.subject)
    )
    return tuple(ReasonCount(**row._mapping) for row in rows)


@dataclass(frozen=True)
class _Members:
    """The jobs of a batch, and the numbers of the first and the last of them.

    A batch's jobs are mostly numbered one after the other: told so, the database reads that stretch of its indexes in
    order, where it would look up job by job, or read all jobs that there are.
    """

    batch_id: int
    first: int
    last: int

    def of(self, query: Select[*_Columns]) -> Select[*_Columns]:
        """`query` over `job`, for these jobs alone."""
        return (
            query.select_from(Job)
            .join(BatchJob, BatchJob.job_id == Job.id)
            .where(BatchJob.batch_id == self.batch_id, self.may_be(Job.id))
        )

    def may_be(self, job_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
        """That a job's number is one of that stretch; in the SQL's text, so that its length is known to the planner."""
        first, last = (literal(end, job_id.type, literal_execute=True) for end in (self.first, self.last))
        return job_id.between(first, last)


def _members(session: Session, batch_id: int) -> _Members:
    ends = select(func.min(BatchJob.job_id), func.max(BatchJob.job_id)).where(BatchJob.batch_id == batch_id)
    first, last = session.execute(ends).one()
    return _Members(batch_id, first or 0, last or 0)
