"""Attempts in the order in which they ended, for whoever counts them as they come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select, tuple_
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Attempt, Parity
from db.states import AttemptOutcome


@dataclass(frozen=True, kw_only=True)
class Ended:
    """An attempt that is over."""

    job_id: int
    fence: int
    outcome: AttemptOutcome
    started_at: datetime
    ended_at: datetime
    environment: Mapping[str, Any] | None
    structure_error: float | None
    deployment_error: float | None


@dataclass(frozen=True)
class Seen:
    """How far somebody has counted."""

    ended_at: datetime
    job_id: int = 0
    fence: int = 0


def moment(session: Session, *, seconds_ago: float) -> datetime:
    """By the database's clock."""
    found: datetime = session.scalars(select(now(-seconds_ago))).one()
    return found


def ended_since(session: Session, seen: Seen, *, up_to: datetime, limit: int) -> list[Ended]:
    """The attempts behind `seen` that ended before `up_to`, first to last."""
    rows = session.execute(
        select(
            Attempt.job_id,
            Attempt.fence,
            Attempt.outcome,
            Attempt.started_at,
            Attempt.ended_at,
            Attempt.environment,
            Parity.structure_error,
            Parity.deployment_error,
        )
        .outerjoin(Parity, and_(Parity.job_id == Attempt.job_id, Parity.fence == Attempt.fence))
        .where(
            Attempt.ended_at >= seen.ended_at,
            tuple_(Attempt.ended_at, Attempt.job_id, Attempt.fence)
            > tuple_(seen.ended_at, seen.job_id, seen.fence),
            Attempt.ended_at < up_to,
            Attempt.outcome.is_not(None),
        )
        .order_by(Attempt.ended_at, Attempt.job_id, Attempt.fence)
        .limit(limit)
    )
    return [Ended(**row._mapping) for row in rows]
