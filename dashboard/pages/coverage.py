"""Which classes of layers stand in the way, and what converting each would unlock."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from dashboard import figures, layers
from dashboard.pages import searching
from dashboard.pages.rendering import render
from dashboard.security.access import Viewer
from dashboard.services import Given
from db.queries.coverage import Coverage

router = APIRouter()

_SHOWN = 200


@router.get("/coverage")
def coverage(
    request: Request, viewer: Viewer, given: Given, q: Annotated[str, Query(max_length=2000)] = ""
) -> HTMLResponse:
    """What blocks, most models first."""
    asked = searching.asked(q)
    found = figures.layer_coverage(given, asked.text) if asked.is_usable else Coverage([], 0)
    states = figures.states_of(given)
    return render(
        request,
        viewer,
        "coverage.html",
        status=asked.status,
        asked=asked,
        coverage=found,
        shown=found.blockers[:_SHOWN],
        standing=layers.standing,
        states=states,
    )
