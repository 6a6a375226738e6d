from datetime import datetime
from typing import Any

from sqlalchemy import Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.columns import BigId
from db.models.base import Base


class Recipe(Base):
    """What to do with a source: convert with this version and these options, publish there.

    Two requests with equal recipes are the same work, whoever asks and whenever.
    """

    __tablename__ = "recipe"
    __table_args__ = (UniqueConstraint("dest_url", "converter_version", "options_key"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    dest_url: Mapped[str] = mapped_column(Text)
    converter_version: Mapped[str] = mapped_column(Text)
    options_key: Mapped[str] = mapped_column(Text)
    """`identity.options_key(options)`."""
    options: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now())
