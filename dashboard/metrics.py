"""`/metrics` for Prometheus: gauges as the database has them, counters of what ended since this process began.

Counters begin at zero with the process, as everywhere; what `rate()` makes of them does not depend on it. They are
not the database's own counts, which shrink where old attempts are forgotten: Prometheus would take that for a new
beginning. So what ends while no dashboard runs is in no counter, but in the gauges, which are the database's. Of
several dashboards, each counts everything: scrape one, or take the maximum.
"""

import threading
import time

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from sqlalchemy.orm import Session

from dashboard import figures
from dashboard.security.access import Viewer
from dashboard.services import Given, Services
from db.queries import ended
from db.queries.ended import Ended, Seen
from db.states import AttemptOutcome, WorkerState

router = APIRouter(tags=["metrics"])

_AT_ONCE = 5000
_SETTLED_SECONDS = 5.0
"""Whatever ended longer ago is committed, so that nothing is passed over."""
_KEPT_SECONDS = 2.0
_HERE = " while this process ran"
"""Stands in what Prometheus is told of each counter, so that nobody takes it for all that there ever was."""
_DURATIONS = (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_ERRORS = tuple(float(f"1e{power}") for power in range(-16, 1))


class Metrics:
    """What one application tells Prometheus."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: Seen | None = None
        self._text = b""
        self._made_at = float("-inf")
        self.registry = registry = CollectorRegistry()
        self._jobs = Gauge(
            "fleet_jobs", "Jobs by state; `queued` is the depth of the queue.", ["state"], registry=registry
        )
        self._oldest = Gauge(
            "fleet_queue_oldest_seconds",
            "How long the job has been due that waits longest; 0: none is.",
            registry=registry,
        )
        self._workers = Gauge("fleet_workers", "Worker processes by state.", ["state"], registry=registry)
        self._slots = Gauge(
            "fleet_slots", "Jobs that all active workers could run at once.", registry=registry
        )
        self._attempts = Counter(
            "fleet_attempts", f"Attempts that ended{_HERE}, by outcome.", ["outcome"], registry=registry
        )
        self._lost = Counter(
            "fleet_lease_expiries", f"Attempts whose worker fell silent{_HERE}.", registry=registry
        )
        self._gpu = Counter(
            "fleet_gpu_seconds", f"Seconds on GPUs of attempts that ended{_HERE}.", registry=registry
        )
        self._took = Histogram(
            "fleet_attempt_seconds",
            f"How long attempts took that converted{_HERE}.",
            buckets=_DURATIONS,
            registry=registry,
        )
        self._structure = Histogram(
            "fleet_parity_structure_error",
            f"Largest float64 error of an attempt that ended{_HERE}, relative to scale.",
            buckets=_ERRORS,
            registry=registry,
        )
        self._deployment = Histogram(
            "fleet_parity_deployment_error",
            f"Largest float32 error of an attempt that ended{_HERE}, relative to scale.",
            buckets=_ERRORS,
            registry=registry,
        )
        for outcome in AttemptOutcome:
            self._attempts.labels(outcome)  # so that the first of its kind is an increase

    def text(self, services: Services) -> bytes:
        """The exposition, found anew every two seconds at most."""
        with self._lock:
            if time.monotonic() - self._made_at > _KEPT_SECONDS * services.config.patience:
                self._measure(services)
                self._text = generate_latest(self.registry)
                self._made_at = time.monotonic()
            return self._text

    def _measure(self, services: Services) -> None:
        now = figures.now(services)
        for state, count in now.states.items():
            self._jobs.labels(state).set(count)
        for worker_state in (WorkerState.ACTIVE, WorkerState.DRAINING, WorkerState.LOST):
            here = sum(row.state is worker_state for row in now.workers)
            self._workers.labels(worker_state).set(here)
        self._slots.set(now.slots)
        with services.reads() as session:
            present = ended.moment(session, seconds_ago=0)
            waits = (present - now.waiting_since).total_seconds() if now.waiting_since else 0.0
            self._oldest.set(max(waits, 0.0))
            self._count(session)

    def _count(self, session: Session) -> None:
        up_to = ended.moment(session, seconds_ago=_SETTLED_SECONDS)
        if self._seen is None:
            self._seen = Seen(up_to)
        while True:
            rows = ended.ended_since(session, self._seen, up_to=up_to, limit=_AT_ONCE)
            for row in rows:
                self._observe(row)
            if rows:
                self._seen = Seen(rows[-1].ended_at, rows[-1].job_id, rows[-1].fence)
            if len(rows) < _AT_ONCE:
                return

    def _observe(self, row: Ended) -> None:
        seconds = max((row.ended_at - row.started_at).total_seconds(), 0.0)
        self._attempts.labels(row.outcome).inc()
        if row.outcome is AttemptOutcome.LOST:
            self._lost.inc()
        if row.outcome is AttemptOutcome.SUCCEEDED:
            self._took.observe(seconds)
        if (row.environment or {}).get("gpu"):
            self._gpu.inc(seconds)
        for histogram, error in (
            (self._structure, row.structure_error),
            (self._deployment, row.deployment_error),
        ):
            if error is not None:
                histogram.observe(error)


@router.get("/metrics", summary="For Prometheus", response_class=Response)
def metrics(_who: Viewer, services: Given, request: Request) -> Response:
    """Needs the role viewer: give Prometheus a token."""
    told: Metrics = request.app.state.metrics
    return Response(told.text(services), media_type=CONTENT_TYPE_LATEST)
