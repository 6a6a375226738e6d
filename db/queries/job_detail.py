"""Everything that is known of one job."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.models import (
    Artifact,
    Attempt,
    Base,
    BatchJob,
    Event,
    Job,
    JobArtifact,
    JobReason,
    Parity,
    Recipe,
    Source,
)
from db.records import ArtifactInfo, Reason
from db.states import AttemptOutcome, JobState

_Row = TypeVar("_Row", "AttemptRow", "EventRow", "ParityRow", Reason)


@dataclass(frozen=True, kw_only=True)
class AttemptRow:
    """One try."""

    fence: int
    worker_id: str
    stage: str | None
    progress: float | None
    started_at: datetime
    heartbeat_at: datetime
    ended_at: datetime | None
    outcome: AttemptOutcome | None
    exit_code: int | None
    signal: int | None
    max_rss_bytes: int | None
    stage_seconds: Mapping[str, float] | None
    environment: Mapping[str, Any] | None
    error_kind: str | None
    error_message: str | None
    log_key: str | None
    log_said: int | None = None
    """Characters of its log so far, while that is not stored; None: it said nothing, or it is."""

    @property
    def has_log(self) -> bool:
        """Whether it said anything, or yet may."""
        return bool(self.log_key or self.log_said or self.ended_at is None)


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """Something that happened to the job."""

    id: int
    at: datetime
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ParityRow:
    """What one attempt measured."""

    fence: int
    passed: bool
    structure_error: float | None
    structure_limit: float | None
    deployment_error: float | None
    deployment_limit: float | None
    device: str
    report: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class JobDetail:
    """A job with its whole history, each list in the order in which it happened."""

    id: int
    state: JobState
    store_url: str
    key: str
    size: int
    """Bytes of the source."""
    etag: str
    sha256: str | None
    dest_url: str
    converter_version: str
    options: Mapping[str, Any]
    content_key: str | None
    manifest_sha256: str | None
    reused_from: int | None
    queue: str
    priority: int
    run_at: datetime
    retries: int
    lost_count: int
    cancel_requested_at: datetime | None
    error_kind: str | None
    error_message: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    batches: tuple[int, ...]
    reasons: tuple[Reason, ...]
    attempts: tuple[AttemptRow, ...]
    parity: tuple[ParityRow, ...]
    artifacts: tuple[ArtifactInfo, ...]
    events: tuple[EventRow, ...]


def job_detail(session: Session, job_id: int) -> JobDetail | None:
    """The job and all that hangs on it; None if there is no such job."""
    job = session.execute(
        select(
            *_columns(Job, _FROM_JOB),
            *_columns(Source, _FROM_SOURCE),
            *_columns(Recipe, _FROM_RECIPE),
        )
        .join(Source, Source.id == Job.source_id)
        .join(Recipe, Recipe.id == Job.recipe_id)
        .where(Job.id == job_id)
    ).one_or_none()
    if job is None:
        return None
    batches = select(BatchJob.batch_id).where(BatchJob.job_id == job_id).order_by(BatchJob.batch_id)
    artifacts = (
        select(JobArtifact.name, JobArtifact.sha256, Artifact.size, JobArtifact.key)
        .join(Artifact, Artifact.sha256 == JobArtifact.sha256)
        .where(JobArtifact.job_id == job_id)
        .order_by(JobArtifact.name)
    )
    return JobDetail(
        **job._mapping,
        batches=tuple(session.scalars(batches)),
        artifacts=tuple(ArtifactInfo(**row._mapping) for row in session.execute(artifacts)),
        reasons=_rows(session, job_id, Reason, JobReason, JobReason.position),
        attempts=_rows(session, job_id, AttemptRow, Attempt, Attempt.fence),
        parity=_rows(session, job_id, ParityRow, Parity, Parity.fence),
        events=_rows(session, job_id, EventRow, Event, Event.id, Event.at >= job.created_at - _SET_BACK),
    )


#: A job has no events of before it was made, so that partitions of earlier months need not be searched: as much as
#: this earlier, should the database's clock have been set back.
_SET_BACK = timedelta(days=1)
_FROM_JOB = (
    *("id", "state", "queue", "priority", "run_at", "retries", "lost_count", "cancel_requested_at"),
    *("content_key", "manifest_sha256", "reused_from", "error_kind", "error_message"),
    *("created_at", "started_at", "finished_at"),
)
_FROM_SOURCE = ("store_url", "key", "size", "etag", "sha256")
_FROM_RECIPE = ("dest_url", "converter_version", "options")


def _columns(table: type[Base], names: Iterable[str]) -> list[InstrumentedAttribute[Any]]:
    return [getattr(table, name) for name in names]


def _rows(
    session: Session,
    job_id: int,
    shape: type[_Row],
    table: type[Attempt | Event | JobReason | Parity],
    order: InstrumentedAttribute[int],
    *criteria: ColumnElement[bool],
) -> tuple[_Row, ...]:
    """The rows of `table` about this job, each as a `shape`, whose fields are named as its columns."""
    columns = _columns(table, (column.name for column in fields(shape)))
    found = session.execute(select(*columns).where(table.job_id == job_id, *criteria).order_by(order))
    return tuple(shape(**row._mapping) for row in found)
