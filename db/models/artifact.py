from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.clock import now
from db.columns import BigId
from db.models.base import Base


class Artifact(Base):
    """A published content, known by its hash; any number of jobs may share it."""

    __tablename__ = "artifact"

    sha256: Mapped[str] = mapped_column(Text, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=now())


class JobArtifact(Base):
    """That a job's bundle holds a content under a name."""

    __tablename__ = "job_artifact"
    __table_args__ = (Index(None, "sha256"),)

    job_id: Mapped[int] = mapped_column(BigId, ForeignKey("job.id"), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    """The file's path in the bundle, such as `model.py`."""
    sha256: Mapped[str] = mapped_column(ForeignKey("artifact.sha256"))
    key: Mapped[str] = mapped_column(Text)
    """Where the destination store keeps the content."""
