from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.columns import BigId, StrangersText
from db.models.base import Base
from db.states import JobState

DEFAULT_QUEUE = "default"


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index over few of a million rows, so that the hot queries stay small as history grows."""
    condition = text(where)
    return Index(name, *columns, unique=unique, postgresql_where=condition, sqlite_where=condition)


class Job(Base):
    """One source to be converted by one recipe, for ever: retries and re-plans find this same row.

    The row is narrow and hot; what one try did is in `Attempt`, what happened when is in `Event`.
    """

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("source_id", "recipe_id"),
        _partial("ix_job_dispatch", "priority", "run_at", "id", where="state = 'queued'"),
        _partial(
            "ix_job_dispatched", "dispatched_at", where="state = 'queued' AND dispatched_at IS NOT NULL"
        ),
        _partial("ix_job_lease", "lease_until", where="state = 'running'"),
        # One converted result for one content, enforced where two workers finish it at the same moment.
        _partial(
            "uq_job_result",
            "recipe_id",
            "content_key",
            where="state = 'succeeded' AND reused_from IS NULL",
            unique=True,
        ),
        Index("ix_job_state", "state", "id"),
        # How long the first in line has waited; what finished last; how often each cause of failure was met.
        _partial("ix_job_waiting", "run_at", where="state = 'queued'"),
        _partial("ix_job_finished", "finished_at", "id", where="finished_at IS NOT NULL"),
        _partial(
            "ix_job_failure",
            "error_fingerprint",
            "state",
            "finished_at",
            "id",
            where="error_fingerprint IS NOT NULL",
        ),
        # What a worker had: `worker:` in the filter.
        _partial("ix_job_worker", "worker_id", "id", where="worker_id IS NOT NULL"),
        # Updates of the hot columns then stay on their page; dead rows are swept early.
        {"postgresql_with": {"fillfactor": 80, "autovacuum_vacuum_scale_factor": 0.02}},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"))
    recipe_id: Mapped[int] = mapped_column(ForeignKey("recipe.id"))
    queue: Mapped[str] = mapped_column(Text, default=DEFAULT_QUEUE)
    priority: Mapped[int] = mapped_column(Integer, default=0)
    """Smaller goes first."""
    state: Mapped[JobState] = mapped_column(default=JobState.QUEUED)
    run_at: Mapped[datetime] = mapped_column(default=now())
    """Not before this moment (back-off after a retry)."""
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    """Number of the newest attempt. Every write of a worker names it; an older one is refused."""
    retries: Mapped[int] = mapped_column(Integer, default=0)
    """Transient failures since the job was queued by a person or a plan."""
    lost_count: Mapped[int] = mapped_column(Integer, default=0)
    """Attempts whose process died since then; three make the job quarantined."""
    lease_until: Mapped[datetime | None]
    worker_id: Mapped[str | None] = mapped_column(Text)
    dispatched_at: Mapped[datetime | None]
    """When a message for it was last sent; null when none can be under way."""
    cancel_requested_at: Mapped[datetime | None]
    hold_requested_at: Mapped[datetime | None]
    content_key: Mapped[str | None] = mapped_column(Text)
    """`identity.content_key(...)`, known once the source was downloaded."""
    manifest_sha256: Mapped[str | None] = mapped_column(Text)
    reused_from: Mapped[int | None] = mapped_column(ForeignKey("job.id"))
    """The job whose result this one adopted, its content being the same."""
    error_kind: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(StrangersText)
    error_fingerprint: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now())
    started_at: Mapped[datetime | None]
    """Start of the newest attempt."""
    finished_at: Mapped[datetime | None]


class JobReason(Base):
    """One reason of several why a job's newest attempt was refused ("which layer blocks most models?")."""

    __tablename__ = "job_reason"
    __table_args__ = (Index(None, "kind", "subject"), Index(None, "job_id", "subject"))

    job_id: Mapped[int] = mapped_column(BigId, ForeignKey("job.id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(StrangersText)
    """What it is about, as a person would count it: a layer class, or class and option."""
    layer: Mapped[str | None] = mapped_column(StrangersText)
    message: Mapped[str] = mapped_column(StrangersText)
