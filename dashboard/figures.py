"""The counts and rates that pages and API show alike, a moment old at most: a million rows are counted once for all."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from sqlalchemy.orm import Session

from dashboard.services import Services
from db import search
from db.estimate import Estimate, time_left
from db.queries import coverage, failures, jobs, overview, reports, workers
from db.queries.batch_pages import BatchRow, list_batches
from db.queries.job_pages import JobPage, Sort, Total, total_of
from db.queries.workers import WorkerRow
from db.states import TERMINAL, AttemptOutcome, JobState, WorkerState

_T = TypeVar("_T")

_RATE_MINUTES = 30
"""What is left is reckoned from so many minutes."""
_FINISHED_SECONDS = 3600.0
"""Whatever changes a job of a finished batch makes the batch an unfinished one."""
CAUSES = 5
"""Of failure, on the first page."""
FAILURES = 50
"""Causes of failure, on their own page."""
BATCHES = 25
"""On a page."""
BATCHES_IN_API = 20
"""In an answer that is asked for without a limit."""

RANGES: dict[str, tuple[int, int]] = {
    "1h": (60, 60),
    "6h": (72, 300),
    "24h": (96, 900),
    "7d": (84, 7200),
    "30d": (90, 28800),
}
"""The stretches of time that a chart may show: how many buckets, and of how many seconds."""


@dataclass(frozen=True, kw_only=True)
class Now:
    """The fleet at this moment."""

    states: dict[JobState, int]
    waiting_since: datetime | None
    """Since when the job has been due that waits longest."""
    per_minute: float
    """Jobs that ended, over the last five minutes."""
    per_minute_hour: float
    """The same over the last hour."""
    failed_share: float | None
    """Of the jobs that ended in the last hour; None: none did."""
    left: int
    """Jobs that wait or run; those that are held are not among them."""
    eta: Estimate | None
    workers: list[WorkerRow]
    running: list[jobs.Running]

    @property
    def here(self) -> list[WorkerRow]:
        """Workers that are heard of."""
        return [row for row in self.workers if row.state is not WorkerState.LOST]

    @property
    def gpus(self) -> int:
        """Slots of workers that are not on processors alone."""
        return sum(row.slots for row in self.here if row.device != "cpu")

    @property
    def slots(self) -> int:
        """Jobs that all workers could run at once."""
        return sum(row.slots for row in self.workers if row.state is WorkerState.ACTIVE)


def now(services: Services) -> Now:
    """How the fleet stands."""
    states = states_of(services)
    hour = series(services, "1h")
    found = _kept(services, "now", 2, _now)
    ended = [bucket.ended for bucket in hour]
    failed = sum(bucket.outcomes.get(AttemptOutcome.FAILED, 0) for bucket in hour)
    left = states[JobState.QUEUED] + states[JobState.RUNNING]
    waiting_since, crew, running = found
    return Now(
        states=states,
        waiting_since=waiting_since,
        # Without the minute that is not over.
        per_minute=sum(ended[-6:-1]) / 5,
        per_minute_hour=sum(ended[:-1]) / (len(ended) - 1),
        failed_share=failed / sum(ended) if sum(ended) else None,
        left=left,
        eta=time_left(left, ended[-1 - _RATE_MINUTES : -1]),
        workers=crew,
        running=running,
    )


def _now(session: Session) -> tuple[datetime | None, list[WorkerRow], list[jobs.Running]]:
    return overview.waiting_since(session), workers.list_workers(session), jobs.running(session)


def states_of(services: Services) -> dict[JobState, int]:
    """All jobs by state."""
    return _kept(services, "states", 2, reports.count_states)


def series(services: Services, name: str) -> list[overview.Bucket]:
    """How attempts ended, over one of `RANGES`."""
    buckets, seconds = RANGES[name]
    return _kept(
        services,
        ("series", name),
        min(seconds / 20, 60),
        lambda session: overview.throughput_series(session, buckets=buckets, bucket_seconds=seconds),
    )


def parity_histogram(services: Services) -> list[overview.Decade]:
    """How exact conversions were."""
    return _kept(services, "parity", 30, overview.parity_histogram)


def durations(services: Services) -> overview.Durations:
    """How long conversions took of late."""
    return _kept(services, "durations", 10, overview.durations)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a batch has come."""

    states: dict[JobState, int]
    eta: Estimate | None

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def done(self) -> int:
        """Jobs in a state that only a person ends."""
        return sum(count for state, count in self.states.items() if state in TERMINAL)


def progress(services: Services, batch: BatchRow) -> Progress:
    """Counts of a batch, which take half a second for a million jobs; and when the rest will be done."""
    return _kept(
        services,
        ("batch", batch.id, batch.state, batch.finished_at),
        2 if batch.finished_at is None else _FINISHED_SECONDS,
        lambda session: _progress(session, batch.id),
    )


def progress_of(services: Services, batches: Sequence[BatchRow]) -> list[Progress]:
    """The same of several. Those that change are found together: each may be found quickly, and all of them not."""
    ended = {row.id: progress(services, row) for row in batches if row.finished_at is not None}
    going = tuple(row.id for row in batches if row.finished_at is None)

    def find(session: Session) -> dict[int, Progress]:
        return {batch_id: _progress(session, batch_id) for batch_id in going}

    found = {**ended, **(_kept(services, ("batches", going), 2, find) if going else {})}
    return [found[row.id] for row in batches]


def _progress(session: Session, batch_id: int) -> Progress:
    states = reports.count_states(session, batch_id)
    left = states[JobState.QUEUED] + states[JobState.RUNNING]
    if not left:
        return Progress(states=states, eta=None)
    ends = overview.ends_per_minute(session, minutes=_RATE_MINUTES, batch_id=batch_id)
    return Progress(states=states, eta=time_left(left, ends))


def summary(services: Services, batch: BatchRow) -> reports.BatchSummary | None:
    """A batch with what went wrong in it, which takes seconds for a million jobs."""
    return _kept(
        services,
        ("summary", batch.id, batch.state, batch.finished_at),
        5 if batch.finished_at is None else _FINISHED_SECONDS,
        lambda session: reports.batch_summary(session, batch.id),
    )


def lately(services: Services) -> dict[AttemptOutcome, int]:
    """How attempts ended in the last ten minutes."""
    return _kept(services, "lately", 2, lambda session: reports.throughput(session, seconds=600.0))


def failure_page(
    services: Services, q: str, behind: failures.Behind | None, limit: int
) -> failures.FailurePage:
    """The causes of failure among the jobs that `q` means.

    Raises: db.search.BadSearch: `q` means nothing.
    """
    wanted = search.parse(q)
    return _kept(
        services,
        ("failures", q, behind, limit),
        3,
        lambda session: failures.list_failures(session, wanted, behind=behind, limit=limit),
    )


def layer_coverage(services: Services, q: str) -> coverage.Coverage:
    """What blocks the jobs that `q` means.

    Raises: db.search.BadSearch: `q` means nothing.
    """
    wanted = search.parse(q)
    return _kept(services, ("coverage", q), 10, lambda session: coverage.coverage(session, wanted))


def standing(services: Services) -> Iterator[Callable[[], object]]:
    """What finds, when called, the figures that the pages show to whoever asks for nothing in particular."""
    yield partial(now, services)
    for name in RANGES:
        yield partial(series, services, name)
    yield partial(parity_histogram, services)
    yield partial(durations, services)
    yield partial(lately, services)
    for limit in (CAUSES, FAILURES):
        yield partial(failure_page, services, "", None, limit)
    yield partial(layer_coverage, services, "")
    with services.reads() as session:
        batches = list_batches(session, limit=BATCHES).batches
    for limit in (BATCHES, BATCHES_IN_API):
        yield partial(progress_of, services, batches[:limit])
    for batch in batches:
        yield partial(progress, services, batch)
        yield partial(summary, services, batch)


def total(services: Services, q: str) -> Total:
    """How many jobs `q` means; of a great many, only that there are more.

    Raises: db.search.BadSearch: `q` means nothing.
    """
    wanted = search.parse(q)
    states, others = wanted.split_states()
    if not others.terms:
        counts = states_of(services)
        return Total(sum(counts[state] for state in states or JobState), exact=True)
    return _kept(services, ("total", q), 3, lambda session: total_of(session, wanted))


def total_beside(services: Services, q: str, page: JobPage, *, is_first: bool, sort: Sort) -> Total:
    """The same for a page that is there: if it holds all that `q` means, nothing needs to be counted."""
    if is_first and page.after is None and not sort.by_end:
        return Total(len(page.jobs), exact=True)
    return total(services, q)


def _kept(services: Services, key: object, seconds: float, find: Callable[[Session], _T]) -> _T:
    def look() -> _T:
        with services.reads() as session:
            return find(session)

    return services.remembered.get(key, seconds * services.config.patience, look, ahead=services.ahead)
