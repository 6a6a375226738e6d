"""Requests to migrate, and how far each has come."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from dashboard import figures
from dashboard.api.parameters import BatchId, Before
from dashboard.pages.rendering import render
from dashboard.problems import not_found
from dashboard.security.access import Viewer
from dashboard.services import Given
from db.queries.batch_pages import batch_row, list_batches

router = APIRouter()


@router.get("/batches")
def batches(request: Request, viewer: Viewer, given: Given, before: Before = None) -> HTMLResponse:
    """The newest batches with their progress."""
    with given.reads() as session:
        page = list_batches(session, before=before, limit=figures.BATCHES)
    rows = list(zip(page.batches, figures.progress_of(given, page.batches), strict=True))
    return render(request, viewer, "batches.html", rows=rows, before=before, following=page.next_before)


@router.get("/batches/{batch}")
def batch(request: Request, viewer: Viewer, given: Given, batch: BatchId) -> HTMLResponse:
    """One batch: states, what went wrong, what was refused."""
    with given.reads() as session:
        row = batch_row(session, batch)
    summary = None if row is None else figures.summary(given, row)
    if row is None or summary is None:
        raise not_found(f"batch {batch}")
    return render(
        request,
        viewer,
        "batch.html",
        batch=summary,
        selection=row.selection,
        eta=figures.progress(given, row).eta,
    )
