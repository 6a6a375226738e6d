from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.columns import BigId
from db.models.base import Base
from db.states import Overlap, RunOutcome


class Schedule(Base):
    """A migration that repeats."""

    __tablename__ = "schedule"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    cron: Mapped[str] = mapped_column(Text)
    """Five cron fields, read in `timezone`."""
    timezone: Mapped[str] = mapped_column(Text, default="UTC")
    source_url: Mapped[str] = mapped_column(Text)
    recipe_id: Mapped[int] = mapped_column(ForeignKey("recipe.id"))
    """Where to and with which options. The version is that of the scheduler on the day, not this recipe's."""
    selection: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """As that of a batch."""
    overlap: Mapped[Overlap] = mapped_column(default=Overlap.SKIP)
    enabled: Mapped[bool] = mapped_column(default=True)
    since: Mapped[datetime | None]
    """Ticks up to here do not count: when it was made, edited, or its pause ended."""
    created_at: Mapped[datetime] = mapped_column(default=now())


class ScheduleRun(Base):
    """One tick of a schedule. The unique pair makes it fire once, however many schedulers run."""

    __tablename__ = "schedule_run"
    __table_args__ = (UniqueConstraint("schedule_id", "scheduled_for"), Index(None, "batch_id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    schedule_id: Mapped[int] = mapped_column(ForeignKey("schedule.id"))
    scheduled_for: Mapped[datetime]
    outcome: Mapped[RunOutcome] = mapped_column(default=RunOutcome.STARTED)
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("batch.id"))
    created_at: Mapped[datetime] = mapped_column(default=now())
