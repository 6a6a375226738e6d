"""The first page: what waits, how fast it goes, when it will be done, what fails, and what runs now."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from dashboard import figures
from dashboard.pages.rendering import render
from dashboard.pages.timeline import in_order
from dashboard.security.access import Viewer
from dashboard.services import Given
from db.queries import reports
from db.states import AttemptOutcome

router = APIRouter()

_RECENT_SECONDS = 900.0
_DEFAULT = "6h"


@router.get("/")
def overview(
    request: Request, viewer: Viewer, given: Given, over: Annotated[str, Query(max_length=8)] = _DEFAULT
) -> HTMLResponse:
    """The fleet at this moment."""
    over = over if over in figures.RANGES else _DEFAULT
    now = figures.now(given)
    series = figures.series(given, over)
    durations = figures.durations(given)
    with given.reads() as session:
        outage = reports.latest_outage(session, within_s=_RECENT_SECONDS)
    return render(
        request,
        viewer,
        "overview.html",
        outage=outage,
        now=now,
        series=series,
        over=over,
        ranges=tuple(figures.RANGES),
        bucket_seconds=figures.RANGES[over][1],
        succeeded=[
            bucket.outcomes.get(AttemptOutcome.SUCCEEDED, 0) + bucket.outcomes.get(AttemptOutcome.REUSED, 0)
            for bucket in series
        ],
        failed=[bucket.outcomes.get(AttemptOutcome.FAILED, 0) for bucket in series],
        unlucky=[sum(bucket.outcomes.get(outcome, 0) for outcome in _UNLUCKY) for bucket in series],
        decades=figures.parity_histogram(given),
        durations=durations,
        stages=in_order(durations.stages),
        causes=figures.failure_page(given, "", None, figures.CAUSES).groups,
    )


_UNLUCKY = (AttemptOutcome.RETRY, AttemptOutcome.POSTPONED, AttemptOutcome.CRASHED, AttemptOutcome.LOST)
"""Ends of attempts that did not end their job."""
