from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.columns import BigId, StrangersText
from db.models.base import Base
from db.states import AttemptOutcome


class Attempt(Base):
    """One try at a job, named by its fence; never updated once `ended_at` is set."""

    __tablename__ = "attempt"
    __table_args__ = (
        Index(None, "ended_at", "outcome"),
        # Rows that were deleted for their age are swept early. A beat changes no column of an index and finds room on
        # the page of its row as it is.
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": 0.02}},
    )

    job_id: Mapped[int] = mapped_column(BigId, ForeignKey("job.id"), primary_key=True)
    fence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    worker_id: Mapped[str] = mapped_column(Text)
    stage: Mapped[str | None] = mapped_column(Text)
    progress: Mapped[float | None] = mapped_column(Float)
    """Share of the stage done, 0 to 1."""
    started_at: Mapped[datetime] = mapped_column(default=now())
    heartbeat_at: Mapped[datetime] = mapped_column(default=now())
    ended_at: Mapped[datetime | None]
    outcome: Mapped[AttemptOutcome | None]
    exit_code: Mapped[int | None] = mapped_column(Integer)
    signal: Mapped[int | None] = mapped_column(Integer)
    max_rss_bytes: Mapped[int | None] = mapped_column(BigInteger)
    stage_seconds: Mapped[dict[str, Any] | None]
    """Wall-clock seconds of each stage that ran."""
    environment: Mapped[dict[str, Any] | None]
    """What it ran on: versions, device, confinement."""
    error_kind: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(StrangersText)
    error_fingerprint: Mapped[str | None] = mapped_column(Text)
    log_key: Mapped[str | None] = mapped_column(Text)
    """Where in the destination store its log is."""
    log_tail: Mapped[str | None] = mapped_column(StrangersText)
    """The end of its log, while that is not stored: as the worker last told it."""
    log_said: Mapped[int | None] = mapped_column(BigInteger)
    """How many characters the log had by then."""
