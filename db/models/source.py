from datetime import datetime

from sqlalchemy import BigInteger, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.columns import BigId
from db.models.base import Base


class Source(Base):
    """One version of one object in a store. A changed file is a new row, never an update."""

    __tablename__ = "source"
    __table_args__ = (UniqueConstraint("store_url", "key", "version"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    store_url: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    version: Mapped[str] = mapped_column(Text)
    """What tells two versions of a key apart: see `identity.source_version`."""
    size: Mapped[int] = mapped_column(BigInteger)
    etag: Mapped[str] = mapped_column(Text)
    version_id: Mapped[str | None] = mapped_column(Text)
    last_modified: Mapped[datetime | None]
    sha256: Mapped[str | None] = mapped_column(Text)
    """Hex digest of the content; unknown until a worker has downloaded it."""
    first_seen_at: Mapped[datetime] = mapped_column(default=now())
