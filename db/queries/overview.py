"""What the whole fleet does: what waits, how fast it goes, how exact and how long conversions are. Reads only.

None of this is cheap on a million rows, though each reads an index alone: callers keep the answers for a while.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, Label, case, func, literal, null, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.clock import epoch, now
from db.models import Attempt, BatchJob, Job, Parity
from db.queries.predicates import in_state
from db.states import AttemptOutcome, JobState

_SAMPLE = 2000
_DECADES = range(-16, 1)
ENDS_OF_JOBS = (
    AttemptOutcome.SUCCEEDED,
    AttemptOutcome.REUSED,
    AttemptOutcome.FAILED,
    AttemptOutcome.CANCELLED,
)
"""Outcomes of attempts after which a job is done with (but for the few that are quarantined)."""


def waiting_since(session: Session) -> datetime | None:
    """Since when the job has been due that waits longest; None: none is due."""
    return session.scalars(
        select(func.min(Job.run_at)).where(in_state(JobState.QUEUED), Job.run_at <= now())
    ).one()


@dataclass(frozen=True)
class Bucket:
    """The attempts that ended in one stretch of time."""

    start: datetime
    outcomes: dict[AttemptOutcome, int]
    """Those that there were."""

    @property
    def ended(self) -> int:
        """Jobs that were done with."""
        return sum(self.outcomes.get(outcome, 0) for outcome in ENDS_OF_JOBS)


def throughput_series(session: Session, *, buckets: int, bucket_seconds: int) -> list[Bucket]:
    """How attempts ended in the last `buckets` stretches of `bucket_seconds`, oldest first, none left out.

    They begin at multiples of their length since 1970; the last is the one that is not over.
    """
    number = _stretch(Attempt.ended_at, bucket_seconds)
    present = session.scalars(select(epoch(now()))).one() // bucket_seconds
    first = present - buckets + 1
    rows = session.execute(
        select(number, Attempt.outcome, func.count())
        .where(
            Attempt.ended_at >= datetime.fromtimestamp(first * bucket_seconds, UTC),
            Attempt.outcome.is_not(None),
        )
        .group_by(number, Attempt.outcome)
    )
    found: dict[int, dict[AttemptOutcome, int]] = {}
    for which, outcome, count in rows:
        if outcome is not None:
            found.setdefault(which, {})[outcome] = count
    return [
        Bucket(datetime.fromtimestamp(which * bucket_seconds, UTC), found.get(which, {}))
        for which in range(first, present + 1)
    ]


def ends_per_minute(session: Session, *, minutes: int, batch_id: int | None = None) -> list[int]:
    """How many jobs (of a batch) ended in each of the last whole minutes, oldest first."""
    minute = _stretch(Job.finished_at, 60)
    present = session.scalars(select(epoch(now()))).one() // 60
    since = datetime.fromtimestamp((present - minutes) * 60, UTC)
    query = select(minute, func.count()).where(
        Job.finished_at >= since, Job.finished_at < since + timedelta(minutes=minutes)
    )
    if batch_id is not None:
        within = select(BatchJob.job_id).where(BatchJob.batch_id == batch_id, BatchJob.job_id == Job.id)
        query = query.where(within.exists())
    found = dict(session.execute(query.group_by(minute)).all())
    return [found.get(present - minutes + number, 0) for number in range(minutes)]


@dataclass(frozen=True)
class Decade:
    """How many conversions were off by so much, relative to each tensor's own scale."""

    up_to: float | None
    """The largest error that counts here; the one before is where it begins. None: larger than all."""
    structure: int
    """In float64."""
    deployment: int
    """In float32."""


def parity_histogram(session: Session) -> list[Decade]:
    """How exact every measured attempt was, by powers of ten up to 1e-16 .. 1, and above."""
    structure = _by_decade(session, Parity.structure_error)
    deployment = _by_decade(session, Parity.deployment_error)
    return [
        Decade(
            None if power is None else float(f"1e{power}"), structure.get(power, 0), deployment.get(power, 0)
        )
        for power in (*_DECADES, None)
    ]


def _stretch(moment: InstrumentedAttribute[datetime | None], seconds: int) -> Label[int]:
    """Of these lengths since 1970, the one that a moment is in."""
    return (epoch(moment) // literal(seconds, Integer(), literal_execute=True)).label("stretch")


def _by_decade(session: Session, error: InstrumentedAttribute[float | None]) -> dict[int | None, int]:
    # Compared, not taken the logarithm of: not every SQLite has one.
    steps: list[tuple[ColumnElement[bool], Any]] = [
        (error <= float(f"1e{power}"), literal(power, Integer(), literal_execute=True)) for power in _DECADES
    ]
    decade = case(*steps, else_=null()).label("decade")
    inner = select(decade).where(error.is_not(None)).subquery()
    return dict(session.execute(select(inner.c.decade, func.count()).group_by(inner.c.decade)).all())


@dataclass(frozen=True)
class Durations:
    """How long conversions took of late, in seconds."""

    attempts: int
    """How many were looked at: the newest that succeeded, two thousand at most."""
    quantiles: dict[str, float]
    """By name: `p50`, `p90`, `p99`, `max`."""
    stages: dict[str, float]
    """The median of each stage that ran."""


def durations(session: Session) -> Durations:
    """Of the newest attempts that converted something."""
    rows = session.execute(
        select(Attempt.started_at, Attempt.ended_at, Attempt.stage_seconds)
        .where(Attempt.ended_at.is_not(None), Attempt.outcome == AttemptOutcome.SUCCEEDED)
        .order_by(Attempt.ended_at.desc())
        .limit(_SAMPLE)
    ).all()
    took = sorted((row.ended_at - row.started_at).total_seconds() for row in rows)
    stages: dict[str, list[float]] = {}
    for row in rows:
        for stage, seconds in (row.stage_seconds or {}).items():
            stages.setdefault(stage, []).append(seconds)
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return Durations(
        attempts=len(took),
        quantiles={name: quantile(took, share) for name, share in shares.items()} if took else {},
        stages={stage: quantile(sorted(each), 0.5) for stage, each in stages.items()},
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed; of at least one."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
