"""Acts on many jobs that somebody follows: done step by step, by one process at a time, and finished after any crash.

Each step changes some thousand jobs and notes in the same transaction how far it came.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Job, Operation
from db.queries import audit, bulk
from db.queries.audit import Actor
from db.search import parse
from db.states import OperationState


@dataclass(frozen=True, kw_only=True)
class OperationRow:
    """An act, and how far it has come."""

    id: int
    action: str
    search: str
    actor: str
    state: OperationState
    total: int
    changed: int
    requested: int
    error: str | None
    created_at: datetime
    finished_at: datetime | None


def begin(session: Session, act: bulk.Act, actor: Actor) -> int:
    """Notes that this is to be done to the jobs there are now; returns the operation's number."""
    audit_id = audit.write(session, actor, act.name, act.subject or "all")
    row = {
        "action": act.name,
        "search": act.subject,
        "actor": actor.name,
        "audit_id": audit_id,
        "total": act.count(session),
        "last_job": session.scalars(select(func.coalesce(func.max(Job.id), 0))).one(),
    }
    return session.scalars(insert(Operation).values(row).returning(Operation.id)).one()


def any_free(session: Session) -> bool:
    """Whether there is one that nobody is doing."""
    return session.scalars(select(Operation.id).where(*_free()).limit(1)).one_or_none() is not None


def claim(session: Session, seconds: float) -> int | None:
    """The oldest operation that nobody is doing, kept for this caller for so long; None: there is none."""
    operation_id = session.scalars(
        select(Operation.id).where(*_free()).order_by(Operation.id).limit(1)
    ).one_or_none()
    if operation_id is None:
        return None
    return session.scalars(
        update(Operation)
        .where(Operation.id == operation_id, *_free())
        .values(runner_until=now(seconds))
        .returning(Operation.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()


def step(session: Session, operation_id: int, seconds: float) -> bool:
    """Does the next few thousand jobs and keeps the operation for so long again; False: it is finished."""
    row = session.execute(
        select(
            Operation.action,
            Operation.search,
            Operation.behind,
            Operation.last_job,
            Operation.audit_id,
            Operation.created_at,
        )
        .where(Operation.id == operation_id, Operation.state == OperationState.RUNNING)
        .with_for_update()
    ).one_or_none()
    if row is None:
        return False
    # Ages in the search count from when it was asked for.
    act = bulk.Act(row.action, parse(row.search, at=row.created_at), row.search)
    done, behind = act.step(session, behind=row.behind, up_to=row.last_job)
    audit.add_jobs(session, row.audit_id, done.changed + done.requested)
    finished = behind is None
    session.execute(
        update(Operation)
        .where(Operation.id == operation_id)
        .values(
            changed=Operation.changed + done.changed,
            requested=Operation.requested + done.requested,
            behind=row.last_job if behind is None else behind,
            runner_until=None if finished else now(seconds),
            state=OperationState.FINISHED if finished else OperationState.RUNNING,
            finished_at=now() if finished else None,
        )
        .execution_options(synchronize_session=False)
    )
    return not finished


def give_up(session: Session, operation_id: int, error: str) -> None:
    """It cannot go on; what it did stays done."""
    session.execute(
        update(Operation)
        .where(Operation.id == operation_id, Operation.state == OperationState.RUNNING)
        .values(state=OperationState.FAILED, error=error, finished_at=now(), runner_until=None)
        .execution_options(synchronize_session=False)
    )


def find(session: Session, operation_id: int) -> OperationRow | None:
    """One operation; None: there is none of that number."""
    row = session.execute(_ROWS.where(Operation.id == operation_id)).one_or_none()
    return None if row is None else OperationRow(**row._mapping)


def list_operations(session: Session, *, before: int | None = None, limit: int = 50) -> list[OperationRow]:
    """The newest first, beginning below number `before`."""
    query = _ROWS.order_by(Operation.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Operation.id < before)
    return [OperationRow(**row._mapping) for row in session.execute(query)]


def _free() -> tuple[ColumnElement[bool], ...]:
    # Written into the text of the statement, where the index is found by it.
    state = bindparam(None, OperationState.RUNNING, type_=Operation.state.type, literal_execute=True)
    return Operation.state == state, or_(Operation.runner_until.is_(None), Operation.runner_until <= now())


_ROWS = select(
    Operation.id,
    Operation.action,
    Operation.search,
    Operation.actor,
    Operation.state,
    Operation.total,
    Operation.changed,
    Operation.requested,
    Operation.error,
    Operation.created_at,
    Operation.finished_at,
)
