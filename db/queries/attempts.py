"""What worker and reaper share: ending an attempt, and giving its job back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Artifact, Attempt, Job, JobArtifact, JobReason, Parity
from db.queries import outbox
from db.queries.insert_new import insert_new
from db.queries.predicates import held_by
from db.queries.transition import move
from db.records import ArtifactInfo, ErrorInfo, ParityInfo, Usage
from db.states import TERMINAL, AttemptOutcome, JobState

MAX_LOST = 3
"""So many attempts may die under a job before it is quarantined: the job, then, is what kills them."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A running job whose row this transaction has locked."""

    id: int
    fence: int
    retries: int
    lost_count: int
    worker_id: str | None
    cancel_requested_at: datetime | None
    hold_requested_at: datetime | None


HELD = select(
    Job.id,
    Job.fence,
    Job.retries,
    Job.lost_count,
    Job.worker_id,
    Job.cancel_requested_at,
    Job.hold_requested_at,
)


def error_values(error: ErrorInfo | None) -> dict[str, Any]:
    """The error columns, which jobs and attempts have alike."""
    return {
        "error_kind": error.kind if error else None,
        "error_message": error.stored_message if error else None,
        "error_fingerprint": error.fingerprint if error else None,
    }


def end(
    session: Session,
    job_id: int,
    fence: int,
    outcome: AttemptOutcome,
    *,
    error: ErrorInfo | None = None,
    usage: Usage | None = None,
) -> None:
    """Closes the attempt and replaces the job's reasons with those of this error.

    Where its log was stored, the end of it that was told meanwhile goes; where not, that is all there will be.
    """
    usage = usage or Usage()
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == job_id, Attempt.fence == fence, Attempt.ended_at.is_(None))
        .values(
            outcome=outcome,
            ended_at=now(),
            exit_code=usage.exit_code,
            signal=usage.signal,
            max_rss_bytes=usage.max_rss_bytes,
            stage_seconds=dict(usage.stage_seconds),
            environment=dict(usage.environment),
            log_key=usage.log_key,
            **({"log_tail": None, "log_said": None} if usage.log_key else {}),
            **error_values(error),
        )
        .execution_options(synchronize_session=False)
    )
    if fence > 1:  # a first attempt finds nothing to replace
        session.execute(delete(JobReason).where(JobReason.job_id == job_id))
    if error and error.reasons:
        rows = [
            {
                "job_id": job_id,
                "position": position,
                "kind": reason.kind,
                "subject": reason.subject,
                "layer": reason.layer,
                "message": reason.message,
            }
            for position, reason in enumerate(error.reasons)
        ]
        session.execute(insert(JobReason), rows)


def give_back(
    session: Session,
    job: Held,
    *,
    event: str,
    delay_s: float,
    error: ErrorInfo | None = None,
    retries: int,
    lost_count: int,
    **values: Any,
) -> JobState:
    """Moves a job this transaction has locked to where it rests when nobody runs it; returns that state."""
    target = JobState.QUEUED
    if job.cancel_requested_at is not None:
        target = JobState.CANCELLED
    elif lost_count > job.lost_count and lost_count >= MAX_LOST:
        target = JobState.QUARANTINED
    elif job.hold_requested_at is not None:
        target = JobState.HELD
    move(
        session,
        target,
        *held_by(job.id, job.fence),
        event=event,
        data={"attempt": job.fence, "state": target},
        lease_until=None,
        dispatched_at=None,
        run_at=now(delay_s),
        finished_at=now() if target in TERMINAL else None,
        retries=retries,
        lost_count=lost_count,
        **error_values(error),
        **values,
    )
    if target is JobState.QUARANTINED and error is not None:
        outbox.new_failure(session, job.id, target, error)
    return target


def publish(
    session: Session,
    job_id: int,
    fence: int,
    artifacts: Sequence[ArtifactInfo],
    parity: ParityInfo | None,
) -> None:
    """Records what the attempt published and measured, replacing what an earlier success left."""
    if fence > 1:
        session.execute(delete(JobArtifact).where(JobArtifact.job_id == job_id))
    if artifacts:
        # In one order everywhere: two bundles that share files would else wait for each other.
        contents = sorted({(item.sha256, item.size) for item in artifacts})
        insert_new(session, Artifact, [{"sha256": sha256, "size": size} for sha256, size in contents])
        rows = [
            {"job_id": job_id, "name": item.name, "sha256": item.sha256, "key": item.key}
            for item in artifacts
        ]
        session.execute(insert(JobArtifact), rows)
    if parity:
        session.execute(
            insert(Parity).values(
                job_id=job_id,
                fence=fence,
                passed=parity.passed,
                structure_error=parity.structure_error,
                structure_limit=parity.structure_limit,
                deployment_error=parity.deployment_error,
                deployment_limit=parity.deployment_limit,
                device=parity.device,
                report=dict(parity.report),
            )
        )
