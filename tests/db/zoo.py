"""Batches and jobs to test with, made the way the scheduler makes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from db.clock import now
from db.errors import LeaseLost
from db.models import Job, Source
from db.queries import inventory, queue
from db.queries.queue import Claim
from db.records import ErrorInfo, ParityInfo
from db.states import AttemptOutcome, JobState

LEASE = 90.0


@dataclass(frozen=True)
class Listed:
    """What a store would list."""

    key: str
    size: int = 100
    etag: str = "e1"
    version_id: str | None = None
    last_modified: datetime | None = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def new_batch(
    sessions: sessionmaker[Session],
    keys: Sequence[str | Listed] = (),
    *,
    source: str = "/models",
    dest: str = "/bundles",
    version: str = "1",
    options: Mapping[str, Any] | None = None,
) -> int:
    with sessions.begin() as session:
        batch_id = inventory.create_batch(
            session, source_url=source, dest_url=dest, converter_version=version, options=options or {}
        )
        found = [Listed(key) if isinstance(key, str) else key for key in keys]
        inventory.plan(session, batch_id, found)
        inventory.end_planning(session, batch_id)
    return batch_id


def job_ids(sessions: sessionmaker[Session]) -> dict[str, int]:
    """Jobs by the key of their source; for several versions of a key, the newest."""
    query = select(Source.key, Job.id).join(Job, Job.source_id == Source.id).order_by(Job.id)
    with sessions() as session:
        return dict(session.execute(query).all())


def new_job(sessions: sessionmaker[Session], key: str = "a.h5") -> int:
    new_batch(sessions, [key])
    return job_ids(sessions)[key]


def state_of(sessions: sessionmaker[Session], job_id: int) -> JobState:
    with sessions() as session:
        return session.scalars(select(Job.state).where(Job.id == job_id)).one()


def claim(sessions: sessionmaker[Session], job_id: int, worker: str = "w1") -> Claim:
    with sessions.begin() as session:
        claim = queue.claim(session, job_id, worker, LEASE)
    assert claim is not None
    return claim


def succeed(
    sessions: sessionmaker[Session],
    claim: Claim,
    *,
    content: str | None = None,
    structure_error: float = 1e-15,
    deployment_error: float = 1e-7,
) -> bool:
    """Finishes a claimed job as a worker would; `content` stands for what the source held."""
    content = content or claim.key
    with sessions.begin() as session:
        queue.set_content(session, claim.job_id, claim.fence, f"sha-{content}", f"key-{content}")
        return queue.finish(
            session,
            claim.job_id,
            claim.fence,
            AttemptOutcome.SUCCEEDED,
            state=JobState.SUCCEEDED,
            manifest_sha256=f"manifest-{content}",
            parity=ParityInfo(
                passed=True,
                structure_error=structure_error,
                deployment_error=deployment_error,
                device="cpu",
                report={"cases": 3},
            ),
        )


def succeed_if_held(sessions: sessionmaker[Session], claim: Claim) -> bool:
    """As `succeed`, for an attempt that may have lost its lease."""
    try:
        return succeed(sessions, claim)
    except LeaseLost:
        return False


def fail(sessions: sessionmaker[Session], claim: Claim, error: ErrorInfo) -> bool:
    with sessions.begin() as session:
        return queue.finish(
            session,
            claim.job_id,
            claim.fence,
            AttemptOutcome.FAILED,
            state=JobState.FAILED,
            error=error,
        )


def expire_lease(sessions: sessionmaker[Session], job_id: int) -> None:
    """Lets a lease run out without waiting for it."""
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job_id).values(lease_until=now(-1)))


def make_due(sessions: sessionmaker[Session], job_id: int) -> None:
    """Ends a back-off without waiting for it."""
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job_id).values(run_at=now(-1)))
