"""What a worker does with a job: claim, heartbeat, set_content, then finish or release.

Every write names the fence given by `claim` and is refused once another attempt, the reaper or an
operator has moved the job on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ScalarSelect, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from db.clock import now
from db.errors import LeaseLost
from db.models import Attempt, Job, Recipe, Source
from db.queries import attempts, destination_lock, live_log, outbox
from db.queries.predicates import held_by, in_state
from db.queries.transition import move
from db.records import ArtifactInfo, ErrorInfo, LogTail, ParityInfo, Usage
from db.states import TERMINAL, AttemptOutcome, JobState


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A job this worker now holds, with everything needed to do it."""

    job_id: int
    fence: int
    """Number of this attempt, and the key to every later write."""
    queue: str
    retries: int
    """Transient failures so far."""
    lost_count: int
    away_s: float = 0.0
    """Seconds since the first of the attempts right before this one that found a store or the database away."""
    source_id: int
    store_url: str
    key: str
    etag: str
    version_id: str | None
    size: int
    """Bytes."""
    sha256: str | None
    """Of the source, if some job has downloaded it before."""
    dest_url: str
    converter_version: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Beat:
    """Answer to a heartbeat: whether the lease stands, and whether someone wants the job stopped."""

    alive: bool
    cancel: bool


@dataclass(frozen=True)
class Reuse:
    """A job that already published a result for the same content."""

    job_id: int
    content_key: str
    manifest_sha256: str


def claim(session: Session, job_id: int, worker_id: str, lease_seconds: float) -> Claim | None:
    """Takes a due queued job for `lease_seconds`; None if it is taken, done, held or not yet due."""
    taken = move(
        session,
        JobState.RUNNING,
        Job.id == job_id,
        Job.run_at <= now(),
        Job.cancel_requested_at.is_(None),
        event="claimed",
        data={"worker": worker_id},
        fence=Job.fence + 1,
        worker_id=worker_id,
        lease_until=now(lease_seconds),
        started_at=now(),
        dispatched_at=None,
    )
    if not taken:
        return None
    row = session.execute(
        select(
            Job.fence,
            Job.queue,
            Job.retries,
            Job.lost_count,
            Job.source_id,
            Source.store_url,
            Source.key,
            Source.etag,
            Source.version_id,
            Source.size,
            Source.sha256,
            Recipe.dest_url,
            Recipe.converter_version,
            Recipe.options,
            _away_since().label("away_since"),
            now().label("now"),
            destination_lock.shared(session, Recipe.dest_url).label("locked"),
        )
        .join(Source, Source.id == Job.source_id)
        .join(Recipe, Recipe.id == Job.recipe_id)
        .where(Job.id == job_id)
    ).one()
    session.execute(insert(Attempt).values(job_id=job_id, fence=row.fence, worker_id=worker_id))
    fields = dict(row._mapping)
    since, at, _ = (fields.pop(name) for name in ("away_since", "now", "locked"))
    return Claim(job_id=job_id, away_s=(at - since).total_seconds() if since else 0.0, **fields)


def confirm(session: Session, claim: Claim, worker_id: str, lease_seconds: float) -> bool:
    """Whether this worker has this claim, whose COMMIT nobody answered; extends its lease if so."""
    held = session.execute(
        update(Job)
        .where(*held_by(claim.job_id, claim.fence), Job.worker_id == worker_id)
        .values(lease_until=now(lease_seconds))
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    return held.one_or_none() is not None


def heartbeat(
    session: Session,
    job_id: int,
    fence: int,
    lease_seconds: float,
    *,
    stage: str | None = None,
    progress: float | None = None,
    log: LogTail | None = None,
) -> Beat:
    """Extends the lease and says what the attempt is doing (`progress`: share of the stage, 0 to 1; `log`: the end of
    its log, where that has grown).
    """
    renewed = session.execute(
        update(Job)
        .where(*held_by(job_id, fence))
        .values(lease_until=now(lease_seconds))
        .returning(Job.cancel_requested_at)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if renewed is None:
        return Beat(alive=False, cancel=False)
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == job_id, Attempt.fence == fence)
        .values(heartbeat_at=now(), stage=stage, progress=progress, **live_log.values(log))
        .execution_options(synchronize_session=False)
    )
    return Beat(alive=True, cancel=renewed.cancel_requested_at is not None)


def set_content(session: Session, job_id: int, fence: int, sha256: str, content_key: str) -> Reuse | None:
    """Records what the source turned out to hold; returns the job that already converted the same.

    Raises:
        LeaseLost: another attempt may be under way.
    """
    job = session.execute(
        update(Job)
        .where(*held_by(job_id, fence))
        .values(content_key=content_key)
        .returning(Job.source_id, Job.recipe_id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if job is None:
        raise LeaseLost(job_id, fence)
    session.execute(
        update(Source)
        .where(Source.id == job.source_id)
        .values(sha256=sha256)
        .execution_options(synchronize_session=False)
    )
    return _result_of(session, job.recipe_id, content_key)


def finish(
    session: Session,
    job_id: int,
    fence: int,
    outcome: AttemptOutcome,
    *,
    state: JobState,
    error: ErrorInfo | None = None,
    artifacts: Sequence[ArtifactInfo] = (),
    parity: ParityInfo | None = None,
    manifest_sha256: str | None = None,
    reused_from: int | None = None,
    usage: Usage | None = None,
) -> bool:
    """Ends the job in a terminal state with what the attempt found; False: lease lost, nothing written.

    Of two jobs that succeed with the same content, the second is recorded as reusing the first.
    """
    if state not in TERMINAL:
        raise ValueError(f"finish needs a terminal state, not {state}")
    values = {
        **attempts.error_values(error),
        "manifest_sha256": manifest_sha256,
        "lease_until": None,
        "finished_at": now(),
    }

    def end(adopted: int | None) -> bool:
        data = {"attempt": fence, **({"reused_from": adopted} if adopted else {})}
        event = AttemptOutcome.REUSED if adopted and state is JobState.SUCCEEDED else outcome
        held = held_by(job_id, fence)
        return bool(move(session, state, *held, event=event, data=data, reused_from=adopted, **values))

    try:
        with session.begin_nested():
            ended = end(reused_from)
    except IntegrityError:
        # uq_job_result: a job with the same content succeeded since `set_content` looked.
        first = _winner(session, job_id)
        if first is None:
            raise
        ended = end(first)
    if not ended:
        return False
    if error is not None:
        outbox.new_failure(session, job_id, state, error)
    attempts.end(session, job_id, fence, outcome, error=error, usage=usage)
    attempts.publish(session, job_id, fence, artifacts, parity)
    return True


def release(
    session: Session,
    job_id: int,
    fence: int,
    *,
    outcome: AttemptOutcome,
    delay_s: float = 0.0,
    error: ErrorInfo | None = None,
    usage: Usage | None = None,
    queue: str | None = None,
) -> bool:
    """Gives the job back to be tried again after `delay_s` seconds; False: lease lost, nothing written.

    `RETRY` counts as a retry, `CRASHED` as a lost attempt, `DRAINED` and `POSTPONED` as nothing. A job someone asked
    to cancel or hold meanwhile is cancelled or held instead, and one whose processes died
    `attempts.MAX_LOST` times is quarantined. `queue` moves it to another queue.
    """
    job = _lock(session, job_id, fence)
    if job is None:
        return False
    attempts.give_back(
        session,
        job,
        event=outcome,
        delay_s=delay_s,
        error=error,
        retries=job.retries + (outcome is AttemptOutcome.RETRY),
        lost_count=job.lost_count + (outcome is AttemptOutcome.CRASHED),
        **({"queue": queue} if queue else {}),
    )
    attempts.end(session, job_id, fence, outcome, error=error, usage=usage)
    return True


def _away_since() -> ScalarSelect[datetime]:
    """When the attempts of a job began that were postponed one after the other, the newest among them; null: none."""
    earlier = aliased(Attempt)
    otherwise = (
        select(func.coalesce(func.max(earlier.fence), 0))
        .where(earlier.job_id == Job.id, earlier.outcome != AttemptOutcome.POSTPONED)
        .correlate(Job)
        .scalar_subquery()
    )
    return (
        select(func.min(Attempt.started_at))
        .where(Attempt.job_id == Job.id, Attempt.fence > otherwise)
        .correlate(Job)
        .scalar_subquery()
    )


def _lock(session: Session, job_id: int, fence: int) -> attempts.Held | None:
    """Locks the row until the transaction ends, so that a cancel cannot slip in between two statements."""
    row = session.execute(attempts.HELD.where(*held_by(job_id, fence)).with_for_update()).one_or_none()
    return None if row is None else attempts.Held(**row._mapping)


def _result_of(session: Session, recipe_id: int, content_key: str) -> Reuse | None:
    found = session.execute(
        select(Job.id, Job.content_key, Job.manifest_sha256).where(
            Job.recipe_id == recipe_id,
            Job.content_key == content_key,
            in_state(JobState.SUCCEEDED),
            Job.reused_from.is_(None),
        )
    ).one_or_none()
    if found is None or found.manifest_sha256 is None:
        return None
    return Reuse(job_id=found.id, content_key=content_key, manifest_sha256=found.manifest_sha256)


def _winner(session: Session, job_id: int) -> int | None:
    job = session.execute(select(Job.recipe_id, Job.content_key).where(Job.id == job_id)).one()
    reuse = _result_of(session, job.recipe_id, job.content_key)
    return None if reuse is None else reuse.job_id
