"""How the fleet stands: the figures of the first page."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter

from dashboard import figures
from dashboard.api.parameters import ApiModel, problems
from dashboard.api.workers import Working, WorkingNow
from dashboard.security.access import Viewer
from dashboard.services import Given
from db.states import AttemptOutcome, JobState

router = APIRouter(tags=["overview"], responses=problems())


class Eta(ApiModel):
    """Seconds until nothing is left, from the last half hour's pace."""

    seconds: float
    soonest: float
    latest: float | None
    """None: the pace is too uneven to say."""


class Durations(ApiModel):
    """Seconds that conversions took of late."""

    attempts: int
    """How many were looked at."""
    quantiles: dict[str, float]
    stages: dict[str, float]
    """The median of each stage."""


class Overview(ApiModel):
    """The fleet at this moment."""

    states: dict[JobState, int]
    waiting_since: datetime | None
    """Since when the job has been due that waits longest."""
    per_minute: float
    """Jobs that ended, over the last five minutes."""
    per_minute_hour: float
    """The same over the last hour."""
    failed_share: float | None
    """Of the jobs that ended in the last hour."""
    left: int
    """Jobs that wait or run."""
    eta: Eta | None
    slots: int
    """Jobs that all workers could run at once."""
    gpus: int
    """Slots on GPUs."""
    workers: list[Working]
    running: list[WorkingNow]
    durations: Durations
    last_ten_minutes: dict[AttemptOutcome, int]
    """How attempts ended."""


class Bucket(ApiModel):
    """The attempts that ended in one stretch of time."""

    start: datetime
    outcomes: dict[AttemptOutcome, int]
    ended: int
    """Jobs that were done with."""


class Throughput(ApiModel):
    """Attempts over time."""

    bucket_seconds: int
    buckets: list[Bucket]
    """Oldest first; the last is not over."""


class Decade(ApiModel):
    """How many conversions were off by so much, relative to each tensor's own scale."""

    up_to: float | None
    """The largest error that counts here; the entry before is where it begins. None: larger than all."""
    structure: int
    """In float64."""
    deployment: int
    """In float32."""


@router.get("/overview", summary="How the fleet stands", response_model=Overview)
def overview(_who: Viewer, services: Given) -> Overview:
    """Counts, pace, what is left and how long that takes, workers and what they do. Two seconds old at most."""
    now = figures.now(services)
    fields = {name: getattr(now, name) for name in Overview.model_fields if hasattr(now, name)}
    return Overview.model_validate(
        {
            **fields,
            "durations": figures.durations(services),
            "last_ten_minutes": figures.lately(services),
        },
        from_attributes=True,
    )


@router.get("/overview/throughput", summary="How attempts ended, over time", response_model=Throughput)
def throughput(
    _who: Viewer, services: Given, over: Literal["1h", "6h", "24h", "7d", "30d"] = "1h"
) -> Throughput:
    """In buckets of a minute (`1h`) to eight hours (`30d`), none left out."""
    buckets = figures.series(services, over)
    return Throughput.model_validate(
        {"bucket_seconds": figures.RANGES[over][1], "buckets": buckets}, from_attributes=True
    )


@router.get("/overview/parity", summary="How exact conversions are", response_model=list[Decade])
def parity(_who: Viewer, services: Given) -> object:
    """Every measured attempt by its largest error, in powers of ten."""
    return figures.parity_histogram(services)
