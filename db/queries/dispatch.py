"""Which jobs to announce to the workers next. The announcement is a hint: `queue.claim` decides."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Job
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
    """The next jobs to announce, first in line first, so that at most `window` are announced at once.

    A job announced more than `resend_after_s` seconds ago counts as never announced: its message may
    be lost, and a second one does no harm.
    """
    room = (
        window
        - session.scalars(
            select(func.count()).select_from(Job).where(in_state(JobState.QUEUED), _announced(resend_after_s))
        ).one()
    )
    if room <= 0:
        return []
    rows = session.execute(
        select(Job.id, Job.queue)
        .where(
            in_state(JobState.QUEUED),
            Job.run_at <= now(),
            or_(Job.dispatched_at.is_(None), Job.dispatched_at <= now(-resend_after_s)),
        )
        .order_by(Job.priority, Job.run_at, Job.id)
        .limit(room)
    )
    return [Due(job_id=row.id, queue=row.queue) for row in rows]


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
