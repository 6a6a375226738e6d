"""Which classes of layers stand in the way: how many models each blocks, and how many no other does."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from db.models import Job, JobReason
from db.queries.failures import FAILING
from db.queries.matching import matching
from db.search import Search


@dataclass(frozen=True, kw_only=True)
class Blocker:
    """A class of layer, or whatever else reasons were given about, and the models that do not convert for it."""

    subject: str
    kinds: tuple[str, ...]
    """Of the reasons: `unsupported-layer`, `unsupported-option`, ..."""
    jobs: int
    """Models that it blocks, perhaps with others."""
    alone: int
    """Of these, models that nothing else blocks: converting it would unlock them."""
    example_job: int


@dataclass(frozen=True)
class Coverage:
    """What blocks, most models first, and how many models are blocked by anything."""

    blockers: list[Blocker]
    blocked: int


def coverage(session: Session, wanted: Search | None = None) -> Coverage:
    """Of the jobs that have failed, as far as `wanted` means them."""
    what = _class(session)
    failed = (
        select(JobReason.job_id, what.label("subject"), JobReason.kind)
        .join(Job, Job.id == JobReason.job_id)
        .where(Job.state.in_(FAILING), *matching(wanted or Search()))
        .subquery()
    )
    per_job = (
        select(
            failed.c.job_id,
            func.min(failed.c.subject).label("only"),
            func.count(failed.c.subject.distinct()).label("subjects"),
        )
        .group_by(failed.c.job_id)
        .subquery()
    )
    alone: dict[str, int] = dict(
        session.execute(
            select(per_job.c.only, func.count()).where(per_job.c.subjects == 1).group_by(per_job.c.only)
        ).all()
    )
    kinds: dict[str, list[str]] = {}
    for subject, kind in session.execute(select(failed.c.subject, failed.c.kind).distinct()):
        kinds.setdefault(subject, []).append(kind)
    rows = session.execute(
        select(
            failed.c.subject,
            func.count(failed.c.job_id.distinct()).label("jobs"),
            func.max(failed.c.job_id).label("example_job"),
        ).group_by(failed.c.subject)
    ).all()
    blocked = session.scalars(select(func.count(failed.c.job_id.distinct()))).one()
    blockers = [
        Blocker(**row._mapping, kinds=tuple(sorted(kinds[row.subject])), alone=alone.get(row.subject, 0))
        for row in rows
    ]
    return Coverage(sorted(blockers, key=lambda each: (-each.jobs, -each.alone, each.subject)), blocked)


def _class(session: Session) -> ColumnElement[str]:
    """A reason's subject is a class, or a class and one of its options behind a space."""
    subject = JobReason.subject
    position = func.strpos if session.get_bind().dialect.name == "postgresql" else func.instr
    space = position(subject, " ")
    return case((space > 1, func.substr(subject, 1, space - 1)), else_=subject)
