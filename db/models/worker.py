from datetime import datetime
from typing import Any

from sqlalchemy import Float, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.models.base import Base
from db.states import WorkerState


class Worker(Base):
    """One supervising process. A restarted worker is a new row: its old leases are not its own."""

    __tablename__ = "worker"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    host: Mapped[str] = mapped_column(Text)
    pid: Mapped[int] = mapped_column(Integer)
    slots: Mapped[int] = mapped_column(Integer)
    """Jobs it runs at once."""
    device: Mapped[str] = mapped_column(Text)
    """`cpu`, or the name and UUID of its GPU."""
    versions: Mapped[dict[str, Any]]
    state: Mapped[WorkerState] = mapped_column(default=WorkerState.ACTIVE)
    drain_requested_at: Mapped[datetime | None]
    """When somebody asked it to take nothing more, finish or hand back what it has, and stop."""
    started_at: Mapped[datetime] = mapped_column(default=now())
    heartbeat_at: Mapped[datetime] = mapped_column(default=now())
    heartbeat_seconds: Mapped[float] = mapped_column(Float, default=15.0)
    """How often it means to be heard."""
