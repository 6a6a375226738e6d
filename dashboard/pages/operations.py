"""Acts on many jobs: how far each has come."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse

from dashboard.api.parameters import Before
from dashboard.pages.rendering import render
from dashboard.problems import not_found
from dashboard.security.access import Viewer
from dashboard.services import Reading
from db.queries import operations as queries

router = APIRouter()

PAGE = 50


@router.get("/operations")
def every(request: Request, viewer: Viewer, session: Reading, before: Before = None) -> HTMLResponse:
    """The newest first."""
    rows = queries.list_operations(session, before=before, limit=PAGE + 1)
    following = rows[PAGE - 1].id if len(rows) > PAGE else None
    return render(
        request, viewer, "operations.html", operations=rows[:PAGE], before=before, following=following
    )


@router.get("/operations/{number}")
def one(
    request: Request, viewer: Viewer, session: Reading, number: Annotated[int, Path(ge=1, le=2**63 - 1)]
) -> HTMLResponse:
    """One."""
    row = queries.find(session, number)
    if row is None:
        raise not_found(f"operation {number}")
    return render(request, viewer, "operation.html", operation=row)
