"""What went wrong, each cause once, with acts on all jobs of a cause."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from dashboard import figures
from dashboard.api.parameters import Line
from dashboard.pages import searching
from dashboard.pages.advice import advice
from dashboard.pages.rendering import render
from dashboard.security.access import Viewer
from dashboard.services import Given
from db.queries.failures import Behind, FailurePage

router = APIRouter()


@router.get("/failures")
def failures(
    request: Request,
    viewer: Viewer,
    given: Given,
    q: Annotated[str, Query(max_length=2000)] = "",
    jobs: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    behind: Annotated[Line, Query(max_length=64)] = "",
) -> HTMLResponse:
    """Causes, the most frequent first; `jobs` and `behind` name the last one of the page before."""
    asked = searching.asked(q)
    place = Behind(jobs, behind) if jobs is not None and behind else None
    page = (
        figures.failure_page(given, asked.text, place, figures.FAILURES)
        if asked.is_usable
        else FailurePage([], None)
    )
    return render(
        request,
        viewer,
        "failures.html",
        status=asked.status,
        asked=asked,
        page=page,
        place=place,
        advice=advice,
    )
