"""Requests to migrate, and how far each has come."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse

from dashboard.pages.rendering import render
from dashboard.problems import not_found
from dashboard.security.access import Viewer
from dashboard.services import Reading
from db.queries import reports

router = APIRouter()


@router.get("/batches")
def batches(request: Request, viewer: Viewer, session: Reading) -> HTMLResponse:
    """The newest batches with their progress."""
    found = [reports.batch_summary(session, number) for number in reports.latest_batches(session)]
    return render(request, viewer, "batches.html", batches=found)


@router.get("/batches/{batch_id}")
def batch(
    request: Request, viewer: Viewer, session: Reading, batch_id: Annotated[int, Path(ge=1)]
) -> HTMLResponse:
    """One batch: states, what went wrong, what was refused."""
    found = reports.batch_summary(session, batch_id)
    if found is None:
        raise not_found(f"batch {batch_id}")
    return render(request, viewer, "batch.html", batch=found)
