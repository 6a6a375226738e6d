"""Lists of jobs: pages, totals, and everything as a file."""

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from dashboard import figures
from dashboard.api.parameters import ApiModel, Cursor, Limit, Q, cursor_of, place_of, problems
from dashboard.problems import Problem
from dashboard.security.access import Viewer
from dashboard.services import Given, Services
from db import search
from db.queries.job_pages import Place, Sort, page_of_jobs
from db.queries.jobs import JobRow
from db.search import Search
from db.states import JobState

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=problems())

_EXPORTED_AT_ONCE = 1000
COLUMNS = (
    *("id", "state", "key", "size", "attempts", "error_kind", "error_message", "structure_error"),
    *("deployment_error", "worker_id", "reused_from", "created_at", "started_at", "finished_at", "options"),
)
"""Of an export."""

Order = Annotated[
    Sort,
    Query(
        description="`-id`: newest first; `id`; `-finished`: last finished first, without what has not; `finished`."
    ),
]


class Job(ApiModel):
    """A job in a list."""

    id: int
    key: str
    """Of the source, in its store."""
    size: int
    """Bytes of the source."""
    options: dict[str, Any]
    """Of the conversion."""
    state: JobState
    attempts: int
    worker_id: str | None
    reused_from: int | None
    """The job whose result this one adopted, its content being the same."""
    error_kind: str | None
    error_message: str | None
    structure_error: float | None
    """Largest error in float64, relative to each tensor's own scale."""
    deployment_error: float | None
    """The same in float32."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Total(ApiModel):
    """How many jobs there are."""

    count: int
    exact: bool
    """False: more than that; a thousand are counted."""


class JobPage(ApiModel):
    """Some jobs in order."""

    jobs: list[Job]
    total: Total
    """Of all that the filter means."""
    next: str | None
    """Pass it as `after`; null: these were the last."""
    previous: str | None
    """Pass it as `before`; null: these were the first."""


@router.get("", summary="A page of jobs", response_model=JobPage)
def list_jobs(
    _who: Viewer,
    services: Given,
    q: Q = "",
    sort: Order = Sort.NEWEST,
    after: Cursor = None,
    before: Cursor = None,
    limit: Limit = 100,
) -> JobPage:
    """As fast on any page as on the first. `after` and `before` are what a page said of its neighbours."""
    if after is not None and before is not None:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "after and before? One of them")
    # In a session that ends before more is asked: who holds one connection must not wait for another.
    with services.reads() as session:
        page = page_of_jobs(
            session,
            search.parse(q),
            sort=sort,
            after=place_of(after, by_end=sort.by_end),
            before=place_of(before, by_end=sort.by_end),
            limit=limit,
        )
    is_first = after is None and before is None
    total = figures.total_beside(services, q, page, is_first=is_first, sort=sort)
    return JobPage.model_validate(
        {
            "jobs": page.jobs,
            "total": total,
            "next": cursor_of(page.after),
            "previous": cursor_of(page.before),
        },
        from_attributes=True,
    )


@router.get(
    "/export",
    summary="All jobs of a filter as a file",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}, "application/x-ndjson": {}}}},
)
def export(
    _who: Viewer,
    services: Given,
    q: Q = "",
    sort: Order = Sort.NEWEST,
    form: Annotated[Literal["csv", "jsonl"], Query(alias="format")] = "csv",
    limit: Annotated[int | None, Query(ge=1, le=100_000_000)] = None,
) -> StreamingResponse:
    """Sent as it is read, however many there are. What a spreadsheet would compute begins with a quote."""
    rows = _all(services, search.parse(q), sort)
    # So that what the database refuses is an answer of its own and not a file that breaks off.
    first = list(itertools.islice(rows, 1))
    every = itertools.islice(itertools.chain(first, rows), limit)
    name = f"jobs-{datetime.now(UTC):%Y%m%d-%H%M%S}.{form}"
    lines, media = (
        (as_csv(every), "text/csv") if form == "csv" else (as_json_lines(every), "application/x-ndjson")
    )
    return StreamingResponse(
        lines, media_type=media, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _all(services: Services, wanted: Search, sort: Sort) -> Iterator[JobRow]:
    after: Place | None = None
    while True:
        with services.reads() as session:
            page = page_of_jobs(session, wanted, sort=sort, after=after, limit=_EXPORTED_AT_ONCE)
        yield from page.jobs
        after = page.after
        if after is None:
            return


def as_json_lines(rows: Iterable[JobRow]) -> Iterator[str]:
    """One object a line."""
    for row in rows:
        yield Job.model_validate(row).model_dump_json() + "\n"


def as_csv(rows: Iterable[JobRow]) -> Iterator[str]:
    """A line of names, then one a job."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(getattr(row, name)) for name in COLUMNS])
        if buffer.tell() > 1 << 16:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True) if value else ""
    # Keys come from strangers, and a spreadsheet runs what looks like a formula.
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
