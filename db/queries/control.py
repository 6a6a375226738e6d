"""What a person may ask for: cancel, hold, resume, try again."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Batch, BatchJob, Event, Job
from db.queries import attempts
from db.queries.predicates import chunks, in_state
from db.queries.transition import move, record
from db.states import TERMINAL, BatchState, JobState


@dataclass(frozen=True)
class Cancelled:
    """What a request to cancel did."""

    cancelled: list[int]
    """Jobs that had not started, and never will."""
    requested: list[int]
    """Running jobs; their worker learns of it at its next heartbeat."""


def cancel(session: Session, job_ids: Sequence[int]) -> Cancelled:
    """Cancels these jobs, or asks the workers that run them to; terminal ones stay as they are."""
    cancelled: list[int] = []
    requested: list[int] = []
    for chunk in chunks(job_ids):
        _lock(session, Job.id.in_(chunk))
        cancelled += move(
            session,
            JobState.CANCELLED,
            Job.id.in_(chunk),
            Job.state != JobState.RUNNING,
            event="cancelled",
            finished_at=now(),
            dispatched_at=None,
            **attempts.error_values(None),
        )
        requested += session.scalars(
            update(Job)
            .where(Job.id.in_(chunk), in_state(JobState.RUNNING), Job.cancel_requested_at.is_(None))
            .values(cancel_requested_at=now())
            .returning(Job.id)
            .execution_options(synchronize_session=False)
        )
    record(session, requested, "cancel-requested")
    return Cancelled(cancelled=cancelled, requested=requested)


def batch_state(session: Session, batch_id: int) -> BatchState | None:
    """Where a batch stands, which it stays until the transaction ends; None if there is no such batch."""
    return session.scalars(select(Batch.state).where(Batch.id == batch_id).with_for_update()).one_or_none()


def hold(session: Session, batch_id: int) -> list[int]:
    """Pauses a batch: nothing of it starts any more; what runs may finish. Returns the jobs held."""
    _set_batch(session, batch_id, BatchState.HELD, BatchState.PLANNING, BatchState.RUNNING)
    _lock(session, _of(batch_id), Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
    session.execute(
        update(Job)
        .where(_of(batch_id), in_state(JobState.RUNNING))
        .values(hold_requested_at=now())
        .execution_options(synchronize_session=False)
    )
    return move(session, JobState.HELD, _of(batch_id), in_state(JobState.QUEUED), event="held")


def resume(session: Session, batch_id: int) -> list[int]:
    """Ends the pause of a batch; returns the jobs that are queued again."""
    _set_batch(session, batch_id, BatchState.RUNNING, BatchState.HELD)
    session.execute(
        update(Job)
        .where(_of(batch_id), in_state(JobState.RUNNING))
        .values(hold_requested_at=None)
        .execution_options(synchronize_session=False)
    )
    return move(
        session,
        JobState.QUEUED,
        _of(batch_id),
        in_state(JobState.HELD),
        event="resumed",
        hold_requested_at=None,
        dispatched_at=None,
    )


def requeue(session: Session, job_ids: Sequence[int]) -> list[int]:
    """Lets terminal jobs be tried again with a clean slate; returns those that will be.

    The only way out of a terminal state. Earlier attempts and events stay.
    """
    requeued: list[int] = []
    for chunk in chunks(job_ids):
        requeued += move(
            session,
            JobState.QUEUED,
            Job.id.in_(chunk),
            Job.state.in_(TERMINAL),
            event="requeued",
            run_at=now(),
            retries=0,
            lost_count=0,
            dispatched_at=None,
            cancel_requested_at=None,
            hold_requested_at=None,
            manifest_sha256=None,
            reused_from=None,
            finished_at=None,
            **attempts.error_values(None),
        )
        batches = select(BatchJob.batch_id).where(BatchJob.job_id.in_(chunk))
        session.execute(
            update(Batch)
            .where(Batch.id.in_(batches), Batch.state == BatchState.FINISHED)
            .values(state=BatchState.RUNNING, finished_at=None)
            .execution_options(synchronize_session=False)
        )
    return requeued


def _lock(session: Session, *criteria: ColumnElement[bool]) -> None:
    """Keeps these jobs as they are until the transaction ends.

    Between a statement about waiting jobs and one about running ones, a job could otherwise be claimed
    or given back, and be missed by both. In the order of numbers, so that two requests cannot deadlock.
    """
    session.execute(select(Job.id).where(*criteria).order_by(Job.id).with_for_update()).close()


def _of(batch_id: int) -> ColumnElement[bool]:
    return Job.id.in_(select(BatchJob.job_id).where(BatchJob.batch_id == batch_id))


def _set_batch(session: Session, batch_id: int, target: BatchState, *origins: BatchState) -> None:
    changed = session.scalars(
        update(Batch)
        .where(Batch.id == batch_id, Batch.state.in_(origins))
        .values(state=target)
        .returning(Batch.id)
        .execution_options(synchronize_session=False)
    ).all()
    for moved in changed:
        session.execute(insert(Event).values(batch_id=moved, type=f"batch-{target}", data={}))
