"""The list of jobs. Its address is all of its state: search, columns, place."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from dashboard.pages import columns, searching
from dashboard.pages.rendering import render
from dashboard.security.access import Viewer
from dashboard.services import Reading
from db.queries import jobs as queries
from db.queries.jobs import Page
from db.states import JobState

router = APIRouter()

PAGE = 100


@router.get("/jobs")
def jobs(
    request: Request,
    viewer: Viewer,
    session: Reading,
    q: Annotated[str, Query(max_length=2000)] = "",
    after: Annotated[int | None, Query(ge=0)] = None,
    col: Annotated[list[str] | None, Query()] = None,
) -> HTMLResponse:
    """Jobs that a search means, a page at a time."""
    asked = searching.asked(q)
    found = (
        queries.list_jobs(session, asked.search, after=after, limit=PAGE)
        if asked.is_usable
        else Page([], None)
    )
    shown = columns.chosen(col or [])
    return render(
        request,
        viewer,
        "jobs.html",
        status=HTTPStatus.OK if asked.is_usable else HTTPStatus.BAD_REQUEST,
        asked=asked,
        page=found,
        after=after,
        columns=shown,
        all_columns=columns.COLUMNS,
        col=",".join(column.name for column in shown) if col else None,
        states=[None, *JobState],
        only_state=searching.only_state(asked.text),
        with_state=searching.with_state,
    )
