from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.columns import BigId
from db.models.base import Base
from db.states import BatchState


class Batch(Base):
    """One request to migrate a store. Asking again makes another batch over the same jobs."""

    __tablename__ = "batch"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    recipe_id: Mapped[int] = mapped_column(ForeignKey("recipe.id"))
    source_url: Mapped[str] = mapped_column(Text)
    state: Mapped[BatchState] = mapped_column(default=BatchState.PLANNING)
    listed_after: Mapped[str | None] = mapped_column(Text)
    """The last key listed: where an interrupted listing continues."""
    selection: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Which objects of the listing it takes: `scheduler.selection.Selection`, as JSON."""
    planner_until: Mapped[datetime | None]
    """Until when the scheduler that lists it has it to itself. Two at once would only spend effort."""
    jobs_new: Mapped[int] = mapped_column(BigInteger, default=0)
    """Jobs this batch created; the others it found already known."""
    created_at: Mapped[datetime] = mapped_column(default=now())
    finished_at: Mapped[datetime | None]


class BatchJob(Base):
    """That a batch's listing contained a job's source."""

    __tablename__ = "batch_job"
    __table_args__ = (Index(None, "job_id"),)

    batch_id: Mapped[int] = mapped_column(BigId, ForeignKey("batch.id"), primary_key=True)
    job_id: Mapped[int] = mapped_column(BigId, ForeignKey("job.id"), primary_key=True)
