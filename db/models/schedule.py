from datetime import datetime

from sqlalchemy import ForeignKey, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.columns import BigId
from db.models.base import Base


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
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=now())


class ScheduleRun(Base):
    """One tick of a schedule. The unique pair makes it fire once, however many schedulers run."""

    __tablename__ = "schedule_run"
    __table_args__ = (UniqueConstraint("schedule_id", "scheduled_for"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    schedule_id: Mapped[int] = mapped_column(ForeignKey("schedule.id"))
    scheduled_for: Mapped[datetime]
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("batch.id"))
    created_at: Mapped[datetime] = mapped_column(default=now())
