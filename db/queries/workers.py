"""Which worker processes there are, and which of them are still heard of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select, update
from sqlalchemy.orm import Session

from db.clock import epoch, now
from db.models import Job, Worker
from db.queries.insert_new import insert_new
from db.queries.predicates import in_state
from db.states import JobState, WorkerState

SILENT_BEATS = 6
"""A worker that let so many heartbeats pass is lost: by default 90 s, when its leases have run out as well."""
_RECENT_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class WorkerRow:
    """A worker as a person wants to see it."""

    id: str
    host: str
    pid: int
    slots: int
    device: str
    versions: Mapping[str, Any]
    state: WorkerState
    drain_requested_at: datetime | None
    started_at: datetime
    heartbeat_at: datetime
    running: int
    """Jobs it holds a lease on."""


def register(
    session: Session,
    worker_id: str,
    *,
    host: str,
    pid: int,
    slots: int,
    device: str,
    versions: Mapping[str, Any],
    heartbeat_seconds: float = 15.0,
) -> None:
    """Announces a new worker; to be repeated where the first time was not answered. No other may have `worker_id`.

    It is to be heard every `heartbeat_seconds`.
    """
    row = {
        "id": worker_id,
        "host": host,
        "pid": pid,
        "slots": slots,
        "device": device,
        "versions": dict(versions),
        "heartbeat_seconds": heartbeat_seconds,
    }
    insert_new(session, Worker, [row])


@dataclass(frozen=True)
class Heard:
    """Answer to a worker that said that it lives."""

    known: bool
    """False: there is no such worker."""
    drain: bool
    """Somebody wants it to stop."""


def beat(session: Session, worker_id: str, state: WorkerState = WorkerState.ACTIVE) -> Heard:
    """Says that the worker lives."""
    row = session.execute(
        update(Worker)
        .where(Worker.id == worker_id)
        .values(heartbeat_at=now(), state=state)
        .returning(Worker.drain_requested_at)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return Heard(known=row is not None, drain=row is not None and row.drain_requested_at is not None)


def request_drain(session: Session, worker_id: str) -> bool:
    """Asks a worker to stop, which it hears at its next heartbeat; False if it is not there, lost or gone."""
    asked = session.scalars(
        update(Worker)
        .where(Worker.id == worker_id, Worker.state != WorkerState.GONE, ~_silent())
        .values(drain_requested_at=now())
        .returning(Worker.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return asked is not None


def mark_gone(session: Session, *, silent_for_s: float) -> list[str]:
    """Marks workers that have said nothing for so many seconds; returns them."""
    return list(
        session.scalars(
            update(Worker)
            .where(Worker.state != WorkerState.GONE, Worker.heartbeat_at < now(-silent_for_s))
            .values(state=WorkerState.GONE)
            .returning(Worker.id)
            .execution_options(synchronize_session=False)
        )
    )


def list_workers(session: Session, *, gone: bool = False) -> list[WorkerRow]:
    """Workers, oldest first, and those lost within a day; with `gone`, also the others that are gone or lost."""
    running = (
        select(func.count())
        .select_from(Job)
        .where(Job.worker_id == Worker.id, in_state(JobState.RUNNING))
        .scalar_subquery()
    )
    stopped = Worker.state == WorkerState.GONE
    lost = and_(~stopped, _silent())
    state = case((lost, literal(WorkerState.LOST, Worker.state.type)), else_=Worker.state)
    told = [
        column for column in Worker.__table__.columns if column.name not in {"state", "heartbeat_seconds"}
    ]
    query = select(*told, state.label("state"), running.label("running"))
    if not gone:
        query = query.where(~stopped, or_(~_silent(), Worker.heartbeat_at > now(-_RECENT_SECONDS)))
    rows = session.execute(query.order_by(Worker.started_at, Worker.id))
    return [WorkerRow(**row._mapping) for row in rows]


def _silent() -> ColumnElement[bool]:
    """Whether a worker has not been heard of for so long that nobody waits for it."""
    return epoch(now()) - epoch(Worker.heartbeat_at) > SILENT_BEATS * Worker.heartbeat_seconds
