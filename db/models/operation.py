from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.columns import BigId, StrangersText
from db.models.base import Base
from db.states import OperationState


class Operation(Base):
    """One act on all jobs of a search, done a few thousand jobs at a time by whatever dashboard runs."""

    __tablename__ = "operation"
    __table_args__ = (
        Index(
            "ix_operation_running",
            "runner_until",
            postgresql_where=text("state = 'running'"),
            sqlite_where=text("state = 'running'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    action: Mapped[str] = mapped_column(Text)
    """`retry` or `cancel`."""
    search: Mapped[str] = mapped_column(Text)
    """The search, as it was asked for; ages in it count from `created_at`."""
    actor: Mapped[str] = mapped_column(StrangersText)
    audit_id: Mapped[int] = mapped_column(ForeignKey("audit.id"))
    """The act that this is, which counts the jobs as they are done."""
    state: Mapped[OperationState] = mapped_column(default=OperationState.RUNNING)
    total: Mapped[int] = mapped_column(BigInteger)
    """How many jobs it was to change when it was asked for."""
    changed: Mapped[int] = mapped_column(BigInteger, default=0)
    requested: Mapped[int] = mapped_column(BigInteger, default=0)
    """Running jobs whose worker was asked to stop."""
    behind: Mapped[int] = mapped_column(BigInteger, default=0)
    """The last job that was looked at: where an interrupted act continues."""
    last_job: Mapped[int] = mapped_column(BigInteger)
    """The newest job there was when it was asked for; later ones are not meant."""
    runner_until: Mapped[datetime | None]
    """Until when the process that runs it has it to itself."""
    error: Mapped[str | None] = mapped_column(StrangersText)
    created_at: Mapped[datetime] = mapped_column(default=now())
    finished_at: Mapped[datetime | None]
