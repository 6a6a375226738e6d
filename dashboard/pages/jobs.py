"""The list of jobs. Its address is all of its state: search, order, columns, place."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from dashboard import figures
from dashboard.api.parameters import Cursor, cursor_of, place_of
from dashboard.pages import columns, searching
from dashboard.pages.rendering import address, render
from dashboard.security.access import Viewer
from dashboard.services import Given
from db.queries import saved_views
from db.queries.job_pages import JobPage, Sort, Total, page_of_jobs
from db.states import JobState

router = APIRouter()

PAGE = 100

_SORTS = {
    Sort.NEWEST: "newest first",
    Sort.OLDEST: "oldest first",
    Sort.LAST_FINISHED: "last finished first",
    Sort.FIRST_FINISHED: "first finished first",
}


@router.get("/jobs")
def jobs(
    request: Request,
    viewer: Viewer,
    given: Given,
    q: Annotated[str, Query(max_length=2000)] = "",
    sort: Sort = Sort.NEWEST,
    after: Cursor = None,
    before: Cursor = None,
    col: Annotated[list[str] | None, Query(max_length=40)] = None,
) -> HTMLResponse:
    """Jobs that a search means, a page at a time."""
    asked = searching.asked(q)
    page, total = JobPage([], None, None), Total(0, exact=True)
    is_first = after is None and before is None
    views: list[saved_views.ViewRow] = []
    if asked.is_usable:
        with given.reads() as session:
            views = saved_views.list_views(session, viewer.name)
            page = page_of_jobs(
                session,
                asked.search,
                sort=sort,
                after=place_of(after, by_end=sort.by_end),
                before=None if after else place_of(before, by_end=sort.by_end),
                limit=PAGE,
            )
        total = figures.total_beside(given, asked.text, page, is_first=is_first, sort=sort)
    shown = columns.chosen(col or [])
    return render(
        request,
        viewer,
        "jobs.html",
        status=asked.status,
        asked=asked,
        page=page,
        total=total,
        earlier=cursor_of(page.before),
        later=cursor_of(page.after),
        is_first=is_first,
        sort=_in_address(sort),
        sorts=[(_in_address(each), name) for each, name in _SORTS.items()],
        columns=shown,
        all_columns=columns.COLUMNS,
        col=",".join(column.name for column in shown) if col else None,
        views=views,
        this_view=address(q=asked.text, sort=_in_address(sort), col=",".join(col or []))[1:],
        counts=figures.states_of(given),
        states=[None, *JobState],
        only_state=searching.only_state(asked.text),
        with_state=searching.with_state,
    )


def _in_address(sort: Sort) -> str | None:
    """The word for an order; None: the usual one needs none."""
    return None if sort is Sort.NEWEST else sort.value
