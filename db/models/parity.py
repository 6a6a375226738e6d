from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, ForeignKeyConstraint, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.columns import BigId
from db.models.base import Base


class Parity(Base):
    """What one attempt measured between Keras and the emitted module."""

    __tablename__ = "parity"
    __table_args__ = (
        ForeignKeyConstraint(["job_id", "fence"], ["attempt.job_id", "attempt.fence"]),
        # A histogram reads this and not the reports.
        Index(None, "structure_error", "deployment_error"),
    )

    job_id: Mapped[int] = mapped_column(BigId, ForeignKey("job.id"), primary_key=True)
    fence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    passed: Mapped[bool]
    structure_error: Mapped[float | None] = mapped_column(Float)
    """Largest float64 error of any layer or output, relative to that tensor's own scale."""
    structure_limit: Mapped[float | None] = mapped_column(Float)
    deployment_error: Mapped[float | None] = mapped_column(Float)
    """The same in float32 on the device that will serve."""
    deployment_limit: Mapped[float | None] = mapped_column(Float)
    device: Mapped[str] = mapped_column(Text)
    report: Mapped[dict[str, Any]]
    """The whole report, as in the bundle's parity.json."""
