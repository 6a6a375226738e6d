"""What a worker asks of a job before it claims it: whether it has room for it."""

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Job, Recipe, Source
from db.queries.predicates import in_state
from db.queries.transition import record
from db.states import JobState


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A job that could be claimed at this moment."""

    queue: str
    size: int
    """Bytes of its source."""
    store_url: str
    dest_url: str


def look(session: Session, job_id: int) -> Waiting | None:
    """The job, if it is queued and due; whether it may be claimed only `queue.claim` decides."""
    row = session.execute(
        select(Job.queue, Source.size, Source.store_url, Recipe.dest_url)
        .join(Source, Source.id == Job.source_id)
        .join(Recipe, Recipe.id == Job.recipe_id)
        .where(Job.id == job_id, in_state(JobState.QUEUED), Job.run_at <= now())
    ).one_or_none()
    return None if row is None else Waiting(**row._mapping)


def send_to(session: Session, job_id: int, queue: str, *, needs_bytes: int) -> bool:
    """Moves a waiting job to another queue, to be rung for there; counts against nothing. False: it waits no more."""
    moved = session.scalars(
        update(Job)
        .where(Job.id == job_id, in_state(JobState.QUEUED))
        .values(queue=queue, dispatched_at=None)
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    ).all()
    record(session, list(moved), "sent-to-queue", {"queue": queue, "needs_bytes": needs_bytes})
    return bool(moved)
