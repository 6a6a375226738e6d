"""Which jobs to announce to the workers next. The announcement is a hint: `queue.claim` decides."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Job
from db.models.job import DEFAULT_QUEUE
from db.queries.predicates import chunks, in_state
from db.states import JobState


@dataclass(frozen=True)
class Due:
    """A job a worker should be told of."""

    job_id: int
    queue: str


@dataclass(frozen=True)
class InFlight:
    """How many jobs stand where between plan and end."""

    queued: int
    """Waiting, announced or not, due or not."""
    announced: int
    """Of these, the ones a message was sent for lately."""
    delayed: int
    """Of these, the ones not due yet."""
    running: int


def due_for_dispatch(session: Session, window: int, resend_after_s: float) -> list[Due]:
    """The next jobs to announce, first in line first, so that of each queue at most `window` are announced at once.

    Of each queue, because nobody may be taking the jobs of another, or slowly: a full one is passed over. Only while
    the default queue is full does everybody wait; its workers make room soon, and to pass over a million jobs takes
    long. A job announced more than `resend_after_s` seconds ago counts as never announced: its message may be lost,
    and a second one does no harm.
    """
    counts = session.execute(
        select(Job.queue, func.count())
        .where(in_state(JobState.QUEUED), _announced(resend_after_s))
        .group_by(Job.queue)
    )
    announced: Counter[str] = Counter()
    for queue, count in counts:
        announced[queue] = count
    full = [queue for queue, count in announced.items() if count >= window]
    if DEFAULT_QUEUE in full:
        return []
    found = session.execute(
        select(Job.id, Job.queue)
        .where(
            in_state(JobState.QUEUED),
            Job.queue.not_in(full),
            Job.run_at <= now(),
            or_(Job.dispatched_at.is_(None), Job.dispatched_at <= now(-resend_after_s)),
        )
        .order_by(Job.priority, Job.run_at, Job.id)
        .limit(window)
    )
    due: list[Due] = []
    for job_id, queue in found:
        announced[queue] += 1
        if announced[queue] <= window:
            due.append(Due(job_id=job_id, queue=queue))
    return due


def mark_dispatched(session: Session, job_ids: Sequence[int]) -> None:
    """Records that messages for these jobs have left. Call it only once the broker has taken them."""
    for chunk in chunks(job_ids):
        session.execute(
            update(Job)
            .where(Job.id.in_(chunk), in_state(JobState.QUEUED))
            .values(dispatched_at=now())
            .execution_options(synchronize_session=False)
        )


def in_flight(session: Session, resend_after_s: float) -> InFlight:
    """The counts the dispatcher and its display work with."""
    queued = session.execute(
        select(
            func.count().label("queued"),
            func.count().filter(_announced(resend_after_s)).label("announced"),
            func.count().filter(Job.run_at > now()).label("delayed"),
        ).where(in_state(JobState.QUEUED))
    ).one()
    running = session.scalars(select(func.count()).select_from(Job).where(in_state(JobState.RUNNING))).one()
    return InFlight(queued=queued.queued, announced=queued.announced, delayed=queued.delayed, running=running)


def _announced(resend_after_s: float) -> ColumnElement[bool]:
    return Job.dispatched_at > now(-resend_after_s)
