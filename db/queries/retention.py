"""Forgetting what is old, a few rows at a time, so that no lock is held for long.

Jobs stay for ever: they are what makes asking again cost nothing. Of each, the newest attempt stays as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Table, delete, select, tuple_, update
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Attempt, Base, Job, Outbox, Parity, Recipe, Worker
from db.queries import event_months

_TABLES = Base.metadata.tables


@dataclass(frozen=True)
class OldLog:
    """A log that may go."""

    job_id: int
    fence: int
    dest_url: str
    key: str


def delete_events(session: Session, *, older_than_s: float, limit: int) -> int:
    """Deletes the oldest events, as far as they are older; returns how many.

    Not those that lie in months (PostgreSQL): these go whole, by `event_months.drop_old`.
    """
    gone = 0
    for event in event_months.without_months(session):
        # Numbers follow time closely, and SQLite has no index by time: the first rows tell whether there is anything.
        first = select(event.c.id, event.c.at).order_by(event.c.id).limit(limit - gone).subquery()
        gone += _delete(session, event, select(first.c.id).where(first.c.at < now(-older_than_s)))
    return gone


def delete_notifications(session: Session, *, older_than_s: float, limit: int) -> int:
    """Deletes notifications that are done with; the same cause of failure is then told again."""
    old = select(Outbox.id).where(Outbox.sent_at < now(-older_than_s)).order_by(Outbox.id).limit(limit)
    return _delete(session, _TABLES[Outbox.__tablename__], old)


def delete_workers(session: Session, *, older_than_s: float, limit: int) -> int:
    """Deletes workers that were last heard of so long ago; what they did stays with its jobs."""
    old = select(Worker.id).where(Worker.heartbeat_at < now(-older_than_s)).limit(limit)
    return _delete(session, _TABLES[Worker.__tablename__], old)


def delete_attempts(session: Session, *, older_than_s: float, limit: int) -> int:
    """Deletes attempts that ended so long ago, with what they measured; not those whose log is still kept."""
    old = [
        (row.job_id, row.fence)
        for row in session.execute(
            select(Attempt.job_id, Attempt.fence)
            .join(Job, Job.id == Attempt.job_id)
            .where(
                Attempt.ended_at < now(-older_than_s),
                Attempt.fence < Job.fence,
                Attempt.log_key.is_(None),
            )
            .order_by(Attempt.ended_at)
            .limit(limit)
        )
    ]
    for table in (Parity, Attempt):
        session.execute(
            delete(table)
            .where(tuple_(table.job_id, table.fence).in_(old))
            .execution_options(synchronize_session=False)
        )
    return len(old)


def old_logs(session: Session, *, older_than_s: float, limit: int) -> list[OldLog]:
    """Logs of attempts that ended so long ago, the oldest first."""
    rows = session.execute(
        select(Attempt.job_id, Attempt.fence, Recipe.dest_url, Attempt.log_key.label("key"))
        .join(Job, Job.id == Attempt.job_id)
        .join(Recipe, Recipe.id == Job.recipe_id)
        .where(Attempt.ended_at < now(-older_than_s), Attempt.log_key.is_not(None))
        .order_by(Attempt.ended_at)
        .limit(limit)
    )
    return [OldLog(**row._mapping) for row in rows]


def forget_logs(session: Session, logs: Sequence[OldLog]) -> None:
    """Records that these logs are no longer there."""
    session.execute(
        update(Attempt)
        .where(tuple_(Attempt.job_id, Attempt.fence).in_([(log.job_id, log.fence) for log in logs]))
        .values(log_key=None)
        .execution_options(synchronize_session=False)
    )


def forget_tails(session: Session, *, older_than_s: float, limit: int) -> int:
    """Forgets what was told of logs that were never stored, of attempts that ended so long ago; returns how many."""
    old = [
        (row.job_id, row.fence)
        for row in session.execute(
            select(Attempt.job_id, Attempt.fence)
            .where(Attempt.ended_at < now(-older_than_s), Attempt.log_said.is_not(None))
            .order_by(Attempt.ended_at)
            .limit(limit)
        )
    ]
    session.execute(
        update(Attempt)
        .where(tuple_(Attempt.job_id, Attempt.fence).in_(old))
        .values(log_tail=None, log_said=None)
        .execution_options(synchronize_session=False)
    )
    return len(old)


def _delete(session: Session, table: Table, old: Select[Any]) -> int:
    """Deletes the rows with these ids; returns how many there were."""
    return len(session.scalars(delete(table).where(table.c.id.in_(old)).returning(table.c.id)).all())
