"""One job: everything known of it, two of its attempts side by side, trying it again, cancelling it."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from dashboard.api.parameters import ApiModel, JobId, problems
from dashboard.problems import Problem, not_found
from dashboard.security.access import Operator, Viewer
from dashboard.security.roles import Principal
from dashboard.services import Given, Reading, Services
from db.queries import bulk
from db.queries.bulk import Act
from db.queries.job_detail import AttemptRow, JobDetail, job_detail
from db.search import Field, Search, Term
from db.states import TERMINAL, AttemptOutcome, JobState

router = APIRouter(prefix="/jobs/{job}", tags=["jobs"], responses=problems(HTTPStatus.NOT_FOUND))

_COMPARED = ("worker_id", "outcome", "exit_code", "signal", "max_rss_bytes", "error_kind", "error_message")


class Reason(ApiModel):
    """Why a model does not convert."""

    kind: str
    subject: str
    layer: str | None
    message: str
    """What is wrong, and what to do about it."""


class Attempt(ApiModel):
    """One try."""

    fence: int
    """Its number, from 1."""
    worker_id: str
    stage: str | None
    progress: float | None
    started_at: datetime
    heartbeat_at: datetime
    ended_at: datetime | None
    outcome: AttemptOutcome | None
    exit_code: int | None
    signal: int | None
    max_rss_bytes: int | None
    stage_seconds: dict[str, float] | None
    environment: dict[str, Any] | None
    error_kind: str | None
    error_message: str | None
    log_key: str | None
    """Null: there is no log, or it is not stored yet."""
    log_said: int | None
    """Characters of a log that is not stored: of one that grows yet, or whose end alone was kept."""


class Parity(ApiModel):
    """What one attempt measured."""

    fence: int
    passed: bool
    structure_error: float | None
    structure_limit: float | None
    deployment_error: float | None
    deployment_limit: float | None
    device: str
    report: dict[str, Any]
    """As in the bundle's parity.json."""


class Artifact(ApiModel):
    """A file of the bundle."""

    name: str
    sha256: str
    size: int
    key: str
    """Where the destination keeps it."""


class Event(ApiModel):
    """Something that happened."""

    id: int
    at: datetime
    type: str
    data: dict[str, Any]


class Detail(ApiModel):
    """A job with its whole history, each list in the order in which it happened."""

    id: int
    state: JobState
    actions: list[str]
    """What may be done to it now: `retry`, `cancel`."""
    store_url: str
    key: str
    size: int
    etag: str
    sha256: str | None
    dest_url: str
    converter_version: str
    options: dict[str, Any]
    content_key: str | None
    manifest_sha256: str | None
    reused_from: int | None
    queue: str
    priority: int
    run_at: datetime
    retries: int
    lost_count: int
    cancel_requested_at: datetime | None
    error_kind: str | None
    error_message: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    batches: list[int]
    reasons: list[Reason]
    attempts: list[Attempt]
    parity: list[Parity]
    artifacts: list[Artifact]
    events: list[Event]


class Pair(ApiModel):
    """A value of two attempts."""

    what: str
    """A column, or `environment.x`, `stage_seconds.x`, `parity.x`."""
    left: Any
    right: Any


class Comparison(ApiModel):
    """Two attempts at one job."""

    left: Attempt
    right: Attempt
    differences: list[Pair]
    """What is not the same."""


class Done(ApiModel):
    """What an act came to."""

    changed: int
    """Jobs that are in another state now."""
    requested: int
    """Running jobs whose worker was asked to stop."""


@router.get("", summary="Everything known of a job", response_model=Detail)
def show(_who: Viewer, session: Reading, job: JobId) -> Detail:
    """Attempts, reasons, parity, files, events."""
    found = detail_of(session, job)
    return Detail.model_validate({**vars(found), "actions": actions(found.state)}, from_attributes=True)


@router.get("/compare", summary="Two attempts side by side", response_model=Comparison)
def compare(
    _who: Viewer,
    session: Reading,
    job: JobId,
    left: Annotated[int, Query(ge=1, le=2**63 - 1)],
    right: Annotated[int, Query(ge=1, le=2**63 - 1)],
) -> Comparison:
    """What they had in common is left out of `differences`."""
    found = detail_of(session, job)
    attempts = {attempt.fence: attempt for attempt in found.attempts}
    for fence in (left, right):
        if fence not in attempts:
            raise not_found(f"attempt {fence} at job {job}")
    here, there = (_facts(found, attempts[fence]) for fence in (left, right))
    differences = [
        {"what": name, "left": here.get(name), "right": there.get(name)}
        for name in sorted({*here, *there})
        if here.get(name) != there.get(name)
    ]
    return Comparison.model_validate(
        {"left": attempts[left], "right": attempts[right], "differences": differences}, from_attributes=True
    )


@router.post("/retry", summary="Try it again", responses=problems(HTTPStatus.CONFLICT))
def retry(who: Operator, services: Given, job: JobId) -> Done:
    """With a clean slate, whatever became of it; earlier attempts stay."""
    return act(services, who, job, bulk.retry)


@router.post("/cancel", summary="Cancel it", responses=problems(HTTPStatus.CONFLICT))
def cancel(who: Operator, services: Given, job: JobId) -> Done:
    """At once where it waits, at its worker's next heartbeat where it runs."""
    return act(services, who, job, bulk.cancel)


def actions(state: JobState) -> list[str]:
    """What may be done to a job in this state."""
    return ["retry"] if state in TERMINAL else ["cancel"]


def act(services: Services, who: Principal, job: int, make: Callable[[Search, str], Act]) -> Done:
    """Do it to one job.

    Raises: Problem: there is no such job, or it is in no state for that.
    """
    asked = make(Search((Term(Field.ID, (job,)),)), str(job))
    with services.reads() as session:
        if not asked.count(session):
            state = detail_of(session, job).state
            raise Problem(HTTPStatus.CONFLICT, f"job {job} is {state}: there is nothing to {asked.name}")
    *_, done = asked.run(services.writes, who.actor)
    return Done.model_validate(done)


def detail_of(session: Session, job: int) -> JobDetail:
    """The job with its history.

    Raises: Problem: there is no such job.
    """
    found = job_detail(session, job)
    if found is None:
        raise not_found(f"job {job}")
    return found


def _facts(job: JobDetail, attempt: AttemptRow) -> dict[str, Any]:
    found = {name: getattr(attempt, name) for name in _COMPARED}
    for column in ("environment", "stage_seconds"):
        found |= {f"{column}.{name}": value for name, value in (getattr(attempt, column) or {}).items()}
    for row in job.parity:
        if row.fence == attempt.fence:
            names = ("passed", "structure_error", "deployment_error", "device")
            found |= {f"parity.{name}": getattr(row, name) for name in names}
    return found
