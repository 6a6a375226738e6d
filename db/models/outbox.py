from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.columns import BigId, StrangersText
from db.models.base import Base


class Outbox(Base):
    """A notification to be sent: written with the change it tells of, delivered afterwards."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_unsent",
            "run_at",
            postgresql_where=text("sent_at IS NULL"),
            sqlite_where=text("sent_at IS NULL"),
        ),
        Index("uq_outbox_key", "key", unique=True),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(Text, server_default="")
    """What is told: nothing is told twice, and whoever hears it twice knows it by this."""
    topic: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, Any]]
    tries: Mapped[int] = mapped_column(Integer, default=0)
    run_at: Mapped[datetime] = mapped_column(default=now())
    sent_at: Mapped[datetime | None]
    """When it was done with: everybody has it, or it was given up, which `error` then says."""
    delivered: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    """The channels that have it."""
    error: Mapped[str | None] = mapped_column(StrangersText)
    """Why the last try did not reach everybody."""
    created_at: Mapped[datetime] = mapped_column(default=now())
