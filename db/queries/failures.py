"""What went wrong, each cause once: thousands of failures are a handful of errors."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, and_, func, or_, select
from sqlalchemy.orm import Session

from db.models import Job, Source
from db.queries.matching import matching
from db.records import normalised
from db.search import Search
from db.states import JobState

FAILING = (JobState.FAILED, JobState.QUARANTINED)
"""States that wait for somebody."""


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """Jobs that failed of one cause, and have not succeeded since."""

    fingerprint: str
    kind: str
    message: str
    """With `*` for what differs between them."""
    example_message: str
    example_job: int
    """The newest."""
    example_key: str
    jobs: int
    quarantined: int
    """Of these."""
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class Behind:
    """The last group of a page."""

    jobs: int
    fingerprint: str


@dataclass(frozen=True)
class FailurePage:
    """Some groups, the largest first."""

    groups: list[FailureGroup]
    next: Behind | None
    """None: these were the last."""


def list_failures(
    session: Session, wanted: Search | None = None, *, behind: Behind | None = None, limit: int = 50
) -> FailurePage:
    """The causes for which jobs are failed or quarantined now, of those jobs that `wanted` means."""
    # As PostgreSQL counts, so that it compares with any place that an address may hold.
    jobs = func.count(type_=BigInteger()).label("jobs")
    grouped = (
        select(
            Job.error_fingerprint.label("fingerprint"),
            jobs,
            func.count().filter(Job.state == JobState.QUARANTINED).label("quarantined"),
            func.min(Job.finished_at).label("first_seen"),
            func.max(Job.finished_at).label("last_seen"),
            func.max(Job.id).label("example_job"),
        )
        .where(Job.error_fingerprint.is_not(None), Job.state.in_(FAILING), *matching(wanted or Search()))
        .group_by(Job.error_fingerprint)
    )
    if behind is not None:
        grouped = grouped.having(
            or_(jobs < behind.jobs, and_(jobs == behind.jobs, Job.error_fingerprint > behind.fingerprint))
        )
    page = grouped.order_by(jobs.desc(), Job.error_fingerprint).limit(limit + 1).subquery()
    rows = session.execute(
        select(*page.c, Job.error_kind, Job.error_message, Source.key.label("example_key"))
        .join(Job, Job.id == page.c.example_job)
        .join(Source, Source.id == Job.source_id)
        .order_by(page.c.jobs.desc(), page.c.fingerprint)
    ).all()
    groups = [
        FailureGroup(
            **{name: value for name, value in row._mapping.items() if not name.startswith("error_")},
            kind=row.error_kind or "",
            message=normalised(row.error_message or ""),
            example_message=row.error_message or "",
        )
        for row in rows[:limit]
    ]
    last = Behind(groups[-1].jobs, groups[-1].fingerprint) if len(rows) > limit else None
    return FailurePage(groups, last)
