"""Notifications: written in the transaction of what they tell of, delivered afterwards, each at least once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Job, Outbox, Source
from db.queries.insert_new import insert_new
from db.records import ErrorInfo
from db.states import JobState

BATCH_FINISHED = "batch-finished"
NEW_FAILURE = "new-failure"


@dataclass(frozen=True, kw_only=True)
class Message:
    """One notification that is due, and what has become of it so far."""

    id: int
    key: str
    """The same at every try, for whoever receives it twice."""
    topic: str
    payload: Mapping[str, Any]
    created_at: datetime
    tries: int
    """With this one."""
    delivered: tuple[str, ...]
    """Names of the channels that have it."""


def add(session: Session, topic: str, key: str, payload: Mapping[str, Any]) -> None:
    """Has something told, once: a second notification of the same `key` is none."""
    insert_new(session, Outbox, [{"topic": topic, "key": key, "payload": dict(payload), "delivered": {}}])


def new_failure(session: Session, job_id: int, state: JobState, error: ErrorInfo) -> None:
    """Has a job's end told, if no job ended of this cause before."""
    source = session.execute(
        select(Source.store_url, Source.key).join(Job, Job.source_id == Source.id).where(Job.id == job_id)
    ).one()
    payload = {
        "fingerprint": error.fingerprint,
        "kind": error.kind,
        "message": error.stored_message,
        "job": job_id,
        "state": state.value,
        "source": source.store_url,
        "key": source.key,
    }
    add(session, NEW_FAILURE, f"{NEW_FAILURE}:{error.fingerprint}", payload)


def take(session: Session, *, limit: int, for_seconds: float) -> list[Message]:
    """Messages that are due, oldest first; for so many seconds, nobody else takes them."""
    due = list(
        session.scalars(
            select(Outbox.id)
            .where(Outbox.sent_at.is_(None), Outbox.run_at <= now())
            .order_by(Outbox.run_at, Outbox.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    )
    rows = session.execute(
        update(Outbox)
        .where(Outbox.id.in_(due), Outbox.sent_at.is_(None))
        .values(tries=Outbox.tries + 1, run_at=now(for_seconds))
        .returning(
            Outbox.id,
            Outbox.key,
            Outbox.topic,
            Outbox.payload,
            Outbox.created_at,
            Outbox.tries,
            Outbox.delivered,
        )
        .execution_options(synchronize_session=False)
    )
    taken = [Message(**{**row._mapping, "delivered": tuple(row.delivered)}) for row in rows]
    return sorted(taken, key=lambda message: message.id)


def settle(
    session: Session,
    message: Message,
    delivered: Collection[str],
    *,
    again_in_s: float | None = None,
    error: str | None = None,
) -> None:
    """Records what became of a message; `again_in_s`: when to try again (None: never, it is done with)."""
    values = {"run_at": now(again_in_s)} if again_in_s is not None else {"sent_at": now()}
    session.execute(
        update(Outbox)
        # Whoever took it after us counts on: what it records stands.
        .where(Outbox.id == message.id, Outbox.tries == message.tries)
        .values(delivered=dict.fromkeys(delivered, True), error=error, **values)
        .execution_options(synchronize_session=False)
    )
