from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.columns import BigId, StrangersText
from db.models.base import Base


class Audit(Base):
    """Something that a person did, written in the transaction that did it."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now())
    actor: Mapped[str] = mapped_column(StrangersText)
    """Who: `user@host` for the command."""
    via: Mapped[str] = mapped_column(Text)
    """By what: `command`, `api`."""
    action: Mapped[str] = mapped_column(Text)
    """`retry`, `cancel`, `hold`, `release`, `drain`, ..."""
    subject: Mapped[str] = mapped_column(StrangersText)
    """What it was done to: a search, a batch, a worker."""
    jobs: Mapped[int] = mapped_column(BigInteger, default=0)
    """How many jobs it changed."""
    data: Mapped[dict[str, Any]]
