"""One job: where it stands, why, what was tried, and what came of it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.api.parameters import JobId
from dashboard.pages import proof, timeline
from dashboard.pages.advice import advice
from dashboard.pages.rendering import render
from dashboard.problems import not_found
from dashboard.security.access import Viewer
from dashboard.services import Reading
from db.clock import now
from db.queries.job_detail import AttemptRow, JobDetail, ParityRow, job_detail

router = APIRouter()

EVENTS = 200


def found(session: Session, number: int) -> JobDetail:
    """The job; a refusal where there is none."""
    job = job_detail(session, number)
    if job is None:
        raise not_found(f"job {number}")
    return job


@router.get("/jobs/{number}")
def job(request: Request, viewer: Viewer, session: Reading, number: JobId) -> HTMLResponse:
    """The summary."""
    job = found(session, number)
    at = session.scalars(select(now())).one()
    rows = timeline.timeline(job, at)
    return render(
        request,
        viewer,
        "job.html",
        job=job,
        tab="summary",
        at=at,
        rows=rows,
        stages=timeline.stages(rows),
        advice=advice(job.error_kind),
        verdict=_newest(job),
        events=job.events[::-1][:EVENTS],
    )


@router.get("/jobs/{number}/parity")
def parity(
    request: Request,
    viewer: Viewer,
    session: Reading,
    number: JobId,
    attempt: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    """What was measured between Keras and the module, by output and by layer."""
    job = found(session, number)
    row = next((row for row in job.parity if row.fence == attempt), None) if attempt else _newest(job)
    shown = proof.read(row.report) if row else None
    return render(request, viewer, "job_parity.html", job=job, tab="parity", row=row, proof=shown)


@router.get("/jobs/{number}/compare")
def compare(
    request: Request,
    viewer: Viewer,
    session: Reading,
    number: JobId,
    a: Annotated[int, Query(ge=1)],
    b: Annotated[int, Query(ge=1)],
) -> HTMLResponse:
    """Two attempts side by side."""
    job = found(session, number)
    left, right = _attempt(job, a), _attempt(job, b)
    measured = {row.fence: row for row in job.parity}
    stages = timeline.in_order({**(left.stage_seconds or {}), **(right.stage_seconds or {})})
    return render(
        request,
        viewer,
        "job_compare.html",
        job=job,
        tab="summary",
        pair=(left, right),
        measured=measured,
        stages=stages,
    )


def _attempt(job: JobDetail, fence: int) -> AttemptRow:
    attempt = next((attempt for attempt in job.attempts if attempt.fence == fence), None)
    if attempt is None:
        raise not_found(f"attempt {fence} of job {job.id}")
    return attempt


def _newest(job: JobDetail) -> ParityRow | None:
    return job.parity[-1] if job.parity else None
