"""Where in its destination what a job left behind is: files of its bundle, logs of its attempts."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Artifact, Attempt, Job, JobArtifact, Recipe, Source
from db.records import LogTail


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """One file of a bundle."""

    job_id: int
    source_key: str
    dest_url: str
    name: str
    """Its path in the bundle."""
    sha256: str
    size: int
    key: str
    """Of its content, in the destination."""


def files_of(session: Session, job_ids: Sequence[int], *, name: str | None = None) -> list[PublishedFile]:
    """The files of these jobs' bundles, by job and name; of some hundreds of jobs at most."""
    query = (
        select(
            JobArtifact.job_id,
            Source.key.label("source_key"),
            Recipe.dest_url,
            JobArtifact.name,
            JobArtifact.sha256,
            Artifact.size,
            JobArtifact.key,
        )
        .join(Artifact, Artifact.sha256 == JobArtifact.sha256)
        .join(Job, Job.id == JobArtifact.job_id)
        .join(Source, Source.id == Job.source_id)
        .join(Recipe, Recipe.id == Job.recipe_id)
        .where(JobArtifact.job_id.in_(job_ids))
        .order_by(JobArtifact.job_id, JobArtifact.name)
    )
    if name is not None:
        query = query.where(JobArtifact.name == name)
    return [PublishedFile(**row._mapping) for row in session.execute(query)]


@dataclass(frozen=True, kw_only=True)
class Log:
    """What the processes of an attempt said."""

    dest_url: str
    key: str | None
    """Null: they said nothing, it was forgotten, or it is not stored yet."""
    tail: LogTail | None
    """The end of what is not stored."""
    ended: bool

    @property
    def state(self) -> str | None:
        """`live`: it grows; `stored`: all of it is; `partial`: the tail is all there will be; None: there is none."""
        if self.key is not None:
            return "stored"
        if self.ended:
            return None if self.tail is None else "partial"
        return "live"


def log_of(session: Session, job_id: int, fence: int) -> Log | None:
    """Of this attempt; None: there is no such attempt."""
    row = session.execute(
        select(Recipe.dest_url, Attempt.log_key, Attempt.log_tail, Attempt.log_said, Attempt.ended_at)
        .join(Job, Job.id == Attempt.job_id)
        .join(Recipe, Recipe.id == Job.recipe_id)
        .where(Attempt.job_id == job_id, Attempt.fence == fence)
    ).one_or_none()
    if row is None:
        return None
    tail = None if row.log_said is None else LogTail(row.log_tail or "", row.log_said)
    return Log(dest_url=row.dest_url, key=row.log_key, tail=tail, ended=row.ended_at is not None)
