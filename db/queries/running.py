"""What the workers do at this moment."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Attempt, BatchJob, Job, Source
from db.queries.predicates import in_state
from db.states import JobState


@dataclass(frozen=True, kw_only=True)
class RunningJob:
    """A job a worker holds, and how far it has come."""

    job_id: int
    fence: int
    worker_id: str
    key: str
    stage: str | None
    progress: float | None
    """Share of the stage done, 0 to 1."""
    started_at: datetime
    asked_at: datetime
    """The database's time of the question: ages are counted from it, whatever the asker's clock says."""

    @property
    def seconds(self) -> float:
        return (self.asked_at - self.started_at).total_seconds()


def running_jobs(
    session: Session, *, batch_id: int | None = None, worker_id: str | None = None, limit: int = 100
) -> list[RunningJob]:
    """Running jobs of a batch, of a worker, or of all; longest running first."""
    query = (
        select(
            Job.id.label("job_id"),
            Job.fence,
            Attempt.worker_id,
            Source.key,
            Attempt.stage,
            Attempt.progress,
            Attempt.started_at,
            now().label("asked_at"),
        )
        .join(Attempt, and_(Attempt.job_id == Job.id, Attempt.fence == Job.fence))
        .join(Source, Source.id == Job.source_id)
        .where(in_state(JobState.RUNNING))
        .order_by(Attempt.started_at, Job.id)
        .limit(limit)
    )
    if batch_id is not None:
        query = query.join(BatchJob, BatchJob.job_id == Job.id).where(BatchJob.batch_id == batch_id)
    if worker_id is not None:
        query = query.where(Job.worker_id == worker_id)
    return [RunningJob(**row._mapping) for row in session.execute(query)]
