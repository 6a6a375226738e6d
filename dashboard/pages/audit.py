"""Who did what."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from dashboard.pages.rendering import render
from dashboard.security.access import Viewer
from dashboard.services import Reading
from db.queries.audit import list_audit

router = APIRouter()

PAGE = 100


@router.get("/audit")
def audit(
    request: Request,
    viewer: Viewer,
    session: Reading,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    """The newest acts first."""
    rows = list_audit(session, before=before, limit=PAGE + 1)
    shown = rows[:PAGE]
    following = shown[-1].id if len(rows) > PAGE else None
    return render(request, viewer, "audit.html", acts=shown, before=before, following=following)
