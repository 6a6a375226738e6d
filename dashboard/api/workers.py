"""Worker processes: what they run on, what they do, and having one stop."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from dashboard.api.parameters import ApiModel, Line, problems
from dashboard.problems import not_found
from dashboard.security.access import Operator, Viewer
from dashboard.services import Given, Reading
from db.queries import audit, jobs, workers
from db.states import WorkerState

router = APIRouter(prefix="/workers", tags=["workers"], responses=problems())


class Working(ApiModel):
    """A worker process."""

    id: str
    host: str
    pid: int
    slots: int
    """Jobs it runs at once."""
    device: str
    """`cpu`, or the names and UUIDs of its GPUs."""
    versions: dict[str, Any]
    state: WorkerState
    drain_requested_at: datetime | None
    started_at: datetime
    heartbeat_at: datetime
    running: int
    """Jobs it holds a lease on."""


class WorkingNow(ApiModel):
    """What one attempt is doing at the moment."""

    worker_id: str
    job_id: int
    key: str
    fence: int
    """Number of the attempt."""
    stage: str | None
    progress: float | None
    """Share of the stage done, 0 to 1."""
    started_at: datetime
    heartbeat_at: datetime


class Asked(ApiModel):
    """That a worker was asked to stop."""

    worker: str
    asked: bool = True


@router.get("", summary="Workers, oldest first", response_model=list[Working])
def list_workers(
    _who: Viewer,
    session: Reading,
    gone: Annotated[
        bool, Query(description="Also those that have stopped, or were lost more than a day ago.")
    ] = False,
) -> object:
    """Those that are heard of."""
    return workers.list_workers(session, gone=gone)


@router.get("/running", summary="What every worker does now", response_model=list[WorkingNow])
def running(_who: Viewer, session: Reading) -> object:
    """The longest running first."""
    return jobs.running(session)


@router.post(
    "/{worker}/drain",
    summary="Ask a worker to stop",
    status_code=202,
    responses=problems(HTTPStatus.NOT_FOUND),
)
def drain(who: Operator, services: Given, worker: Annotated[Line, Path()]) -> Asked:
    """It takes nothing more, finishes or hands back what it has, and ends; it hears of it at its next heartbeat."""
    with services.writes.begin() as session:
        if not workers.request_drain(session, worker):
            raise not_found(f"worker {worker}")
        audit.write(session, who.actor, "drain", worker)
    return Asked(worker=worker)
