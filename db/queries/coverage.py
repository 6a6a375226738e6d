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
    reasons = (
        select(JobReason.job_id, _class(session).label("subject"), JobReason.kind)
        .join(Job, Job.id == JobReason.job_id)
        .where(Job.state.in_(FAILING), *matching(wanted or Search()))
        .subquery()
    )
    # Each job's classes once, beside how many it has and the first of them: all counts in one walk.
    classes = select(reasons.c.job_id, reasons.c.subject).distinct().subquery()
    counted = select(
        classes,
        func.count().over(partition_by=classes.c.job_id).label("classes"),
        func.min(classes.c.subject).over(partition_by=classes.c.job_id).label("first"),
    ).subquery()
    rows = session.execute(
        select(
            counted.c.subject,
            func.count().label("jobs"),
            func.count().filter(counted.c.classes == 1).label("alone"),
            func.max(counted.c.job_id).label("example_job"),
            func.count().filter(counted.c.subject == counted.c.first).label("firsts"),
        ).group_by(counted.c.subject)
    ).all()
    kinds: dict[str, list[str]] = {}
    for subject, kind in session.execute(select(reasons.c.subject, reasons.c.kind).distinct()):
        kinds.setdefault(subject, []).append(kind)
    blockers = [
        Blocker(
            subject=row.subject,
            kinds=tuple(sorted(kinds.get(row.subject, ()))),
            jobs=row.jobs,
            alone=row.alone,
            example_job=row.example_job,
        )
        for row in rows
    ]
    blockers.sort(key=lambda each: (-each.jobs, -each.alone, each.subject))
    return Coverage(blockers, sum(row.firsts for row in rows))


def _class(session: Session) -> ColumnElement[str]:
    """A reason's subject is a class, or a class and one of its options behind a space."""
    subject = JobReason.subject
    position = func.strpos if session.get_bind().dialect.name == "postgresql" else func.instr
    space = position(subject, " ")
    return case((space > 1, func.substr(subject, 1, space - 1)), else_=subject)
