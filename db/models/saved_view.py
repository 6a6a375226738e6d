from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.columns import BigId, StrangersText
from db.models.base import Base


class SavedView(Base):
    """A list of jobs that somebody wants to see again."""

    __tablename__ = "saved_view"
    __table_args__ = (UniqueConstraint("owner", "name"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    owner: Mapped[str] = mapped_column(StrangersText)
    """Whose it is: the name of a principal."""
    name: Mapped[str] = mapped_column(StrangersText)
    query: Mapped[str] = mapped_column(StrangersText)
    """What stands behind the question mark: `q=state:failed&sort=-finished`."""
    created_at: Mapped[datetime] = mapped_column(default=now())
