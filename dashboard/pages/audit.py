"""Who did what."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from dashboard.api.parameters import Before
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
    before: Before = None,
) -> HTMLResponse:
    """The newest acts first."""
    rows = list_audit(session, before=before, limit=PAGE + 1)
    shown = rows[:PAGE]
    following = shown[-1].id if len(rows) > PAGE else None
    return render(request, viewer, "audit.html", acts=shown, before=before, following=following)
