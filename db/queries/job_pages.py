"""Pages of jobs for people: newest or oldest first, by number or by when they ended, forwards and backwards.

As fast on any page as on the first: a page begins behind a job, and no rows are counted off.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, tuple_, union_all
from sqlalchemy.orm import Session

from db.models import Job
from db.queries.jobs import JobRow, rows_of
from db.queries.matching import matching
from db.queries.predicates import in_state
from db.search import Search

COUNTED = 1000
"""So many jobs are counted exactly; beyond, a total is only known to be larger: whoever typed a filter waits for it."""


class Sort(StrEnum):
    """In which order; the minus means descending."""

    NEWEST = "-id"
    OLDEST = "id"
    LAST_FINISHED = "-finished"
    """Only jobs that have ended."""
    FIRST_FINISHED = "finished"

    @property
    def descending(self) -> bool:
        return self.value.startswith("-")

    @property
    def by_end(self) -> bool:
        return self.value.endswith("finished")


@dataclass(frozen=True)
class Place:
    """A job's place in an order."""

    id: int
    finished_at: datetime | None = None
    """Where the order is by that."""


@dataclass(frozen=True)
class JobPage:
    """Some jobs in order, and where the pages before and after them are."""

    jobs: list[JobRow]
    before: Place | None
    """Pass it as `before`; None: these were the first."""
    after: Place | None
    """Pass it as `after`; None: these were the last."""


def page_of_jobs(
    session: Session,
    wanted: Search | None = None,
    *,
    sort: Sort = Sort.NEWEST,
    after: Place | None = None,
    before: Place | None = None,
    limit: int = 100,
) -> JobPage:
    """The jobs that follow `after`, or that precede `before`, or the first ones."""
    backwards = before is not None
    descending = sort.descending is not backwards
    start = before if backwards else after
    ids = _ids(session, wanted or Search(), sort.by_end, descending, start, limit + 1)
    more, ids = len(ids) > limit, ids[:limit]
    if backwards:
        ids.reverse()
    by_id = {row.id: row for row in rows_of(session, ids)}
    # One that was deleted meanwhile is not there; no job ever is, but a page must not fail for it.
    rows = [by_id[job_id] for job_id in ids if job_id in by_id]
    if not rows:
        return JobPage([], None, None)

    def place(row: JobRow) -> Place:
        return Place(row.id, row.finished_at if sort.by_end else None)

    earlier = more if backwards else after is not None
    later = True if backwards else more
    return JobPage(rows, place(rows[0]) if earlier else None, place(rows[-1]) if later else None)


@dataclass(frozen=True)
class Total:
    """How many jobs there are."""

    count: int
    exact: bool
    """False: at least so many."""


def total_of(session: Session, wanted: Search) -> Total:
    """How many jobs a search means, counted up to a thousand."""
    some = select(Job.id).where(*matching(wanted)).limit(COUNTED + 1).subquery()
    count = session.scalars(select(func.count()).select_from(some)).one()
    return Total(min(count, COUNTED), count <= COUNTED)


def _ids(
    session: Session, wanted: Search, by_end: bool, descending: bool, start: Place | None, limit: int
) -> list[int]:
    keys: tuple[Any, ...] = (Job.finished_at, Job.id) if by_end else (Job.id,)
    order = [key.desc() if descending else key.asc() for key in keys]
    criteria: list[ColumnElement[bool]] = [Job.finished_at.is_not(None)] if by_end else []
    if start is not None:
        criteria.append(_beyond(start, by_end, descending))
    states, others = wanted.split_states()
    if len(states) < 2 or by_end:
        query: Select[Any] = select(Job.id).where(*criteria, *matching(wanted)).order_by(*order).limit(limit)
        return list(session.scalars(query))
    # One walk through an index for each state, of which the first few of all are taken: a single walk over rare
    # states would read the whole table.
    walks = [
        select(
            select(Job.id)
            .where(in_state(state), *criteria, *matching(others))
            .order_by(*order)
            .limit(limit)
            .subquery()
        )
        for state in states
    ]
    found = union_all(*walks).subquery()
    column = found.c.id
    return list(
        session.scalars(select(column).order_by(column.desc() if descending else column).limit(limit))
    )


def _beyond(start: Place, by_end: bool, descending: bool) -> ColumnElement[bool]:
    if not by_end:
        return Job.id < start.id if descending else Job.id > start.id
    here = tuple_(Job.finished_at, Job.id)
    there = tuple_(start.finished_at, start.id)
    return here < there if descending else here > there
