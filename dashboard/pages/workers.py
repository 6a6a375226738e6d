"""Worker processes: what each runs on, what it does now, and asking it to stop."""

from collections import defaultdict

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from dashboard.pages.rendering import render
from dashboard.security.access import Viewer
from dashboard.services import Reading
from db.queries import jobs
from db.queries import workers as queries

router = APIRouter()


@router.get("/workers")
def workers(request: Request, viewer: Viewer, session: Reading, gone: bool = False) -> HTMLResponse:
    """Every worker that is there; with `gone`, those of the past too."""
    running = defaultdict(list)
    for job in jobs.running(session):
        running[job.worker_id].append(job)
    found = queries.list_workers(session, gone=gone)
    return render(request, viewer, "workers.html", workers=found, running=running, gone=gone)
