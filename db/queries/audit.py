"""Who did what. Each row is written in the transaction that does it, so neither is there without the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from db.models import Audit


@dataclass(frozen=True)
class Actor:
    """Whoever asks for something to be done."""

    name: str
    via: str


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    """One act."""

    id: int
    at: datetime
    actor: str
    via: str
    action: str
    subject: str
    jobs: int
    data: Mapping[str, Any]


def write(
    session: Session,
    actor: Actor,
    action: str,
    subject: str,
    *,
    jobs: int = 0,
    data: Mapping[str, Any] | None = None,
) -> int:
    """Records an act; returns its number."""
    row = {"actor": actor.name, "via": actor.via, "action": action, "subject": subject, "jobs": jobs}
    return session.scalars(insert(Audit).values(**row, data=dict(data or {})).returning(Audit.id)).one()


def add_jobs(session: Session, audit_id: int, jobs: int) -> None:
    """Counts more jobs to an act that takes several transactions."""
    session.execute(
        update(Audit)
        .where(Audit.id == audit_id)
        .values(jobs=Audit.jobs + jobs)
        .execution_options(synchronize_session=False)
    )


def list_audit(session: Session, *, before: int | None = None, limit: int = 100) -> list[AuditRow]:
    """The newest acts first, beginning below number `before`."""
    query = select(*Audit.__table__.columns).order_by(Audit.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Audit.id < before)
    return [AuditRow(**row._mapping) for row in session.execute(query)]
