from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.columns import BigId
from db.models.base import Base


class Event(Base):
    """Something that happened, written in the transaction that made it happen. Append only.

    On PostgreSQL a partition a month holds the rows (`db.queries.event_months`), which keeps a number unique by itself;
    that no two partitions have the same one is the sequence's doing.
    """

    __tablename__ = "event"
    __table_args__ = (
        Index(None, "job_id", "id"),
        Index(None, "batch_id", "id"),
        # PostgreSQL alone: a few kilobytes, by which a month is searched for days.
        Index(None, "at", postgresql_using="brin"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    """Also the cursor with which a reader follows along."""
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id"))
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("batch.id"))
    at: Mapped[datetime] = mapped_column(default=now())
    type: Mapped[str] = mapped_column(Text)
    """`claimed`, `lost`, `requeued`, ...; for the end of an attempt its outcome."""
    data: Mapped[dict[str, Any]]
