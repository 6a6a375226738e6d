"""Bringing back the jobs of workers that fell silent."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import or_
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Job
from db.queries import attempts
from db.queries.predicates import in_state
from db.records import ErrorInfo
from db.states import AttemptOutcome, JobState

_AT_ONCE = 500
_BACKOFF_SECONDS = 5.0


@dataclass(frozen=True)
class Reaped:
    """A job taken from a silent worker, and where it went."""

    job_id: int
    fence: int
    """The attempt that was lost; its writes are refused from now on."""
    worker_id: str | None
    state: JobState


def reap(session: Session, *, dead_workers: Collection[str] = (), counted: bool = True) -> list[Reaped]:
    """Ends up to 500 attempts whose lease has run out, or whose worker is known to be dead.

    Each job goes back to the queue, later the more often it was lost; the third time it is quarantined, where it is
    `counted`: leases that nobody could renew say nothing of their jobs. Any number of reapers may run at once.
    """
    over = Job.lease_until < now()
    if dead_workers:
        over = or_(over, Job.worker_id.in_(dead_workers))
    rows = session.execute(
        attempts.HELD.where(in_state(JobState.RUNNING), over)
        .order_by(Job.lease_until)
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    return [_reap(session, attempts.Held(**row._mapping), counted=counted) for row in rows]


def _reap(session: Session, job: attempts.Held, *, counted: bool) -> Reaped:
    error = ErrorInfo(
        kind="worker-lost", message=f"worker {job.worker_id} stopped answering during attempt {job.fence}"
    )
    lost = job.lost_count + counted
    state = attempts.give_back(
        session,
        job,
        event=AttemptOutcome.LOST,
        delay_s=_BACKOFF_SECONDS * 2 ** max(lost - 1, 0),
        error=error,
        retries=job.retries,
        lost_count=lost,
    )
    attempts.end(session, job.id, job.fence, AttemptOutcome.LOST, error=error)
    return Reaped(job_id=job.id, fence=job.fence, worker_id=job.worker_id, state=state)
