"""Batches: one request to migrate a store each."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter

from dashboard import figures
from dashboard.api.overview import Eta
from dashboard.api.parameters import ApiModel, BatchId, Before, Limit, problems
from dashboard.problems import Problem, not_found
from dashboard.security.access import Operator, Viewer
from dashboard.security.roles import Principal
from dashboard.services import Given, Services
from db.errors import NothingToDo, UnknownBatch
from db.queries import batch_acts, batch_pages
from db.queries.batch_acts import BatchAct
from db.states import BatchState, JobState

router = APIRouter(prefix="/batches", tags=["batches"], responses=problems())


class Batch(ApiModel):
    """A batch, and how far it has come."""

    id: int
    state: BatchState
    source_url: str
    dest_url: str
    converter_version: str
    options: dict[str, Any]
    selection: dict[str, Any]
    jobs_new: int
    """Jobs that this batch created; the others were known before."""
    created_at: datetime
    finished_at: datetime | None
    states: dict[JobState, int]
    """Jobs by state."""
    total: int
    done: int
    """Jobs in a state that only a person ends."""
    eta: Eta | None


class BatchPage(ApiModel):
    """Some batches, the newest first."""

    batches: list[Batch]
    next_before: int | None
    """Pass it as `before`; null: these were the oldest."""


class ErrorCount(ApiModel):
    """Jobs of a batch that ended with one kind of error."""

    state: JobState
    kind: str
    jobs: int
    example_key: str


class ReasonCount(ApiModel):
    """How many jobs of a batch one reason stands against."""

    kind: str
    subject: str
    jobs: int


class Summary(ApiModel):
    """A batch as the table at the end of a migration shows it."""

    batch_id: int
    state: BatchState
    source_url: str
    dest_url: str
    converter_version: str
    options: dict[str, Any]
    created_at: datetime
    finished_at: datetime | None
    jobs_new: int
    states: dict[JobState, int]
    total: int
    terminal: int
    reused: int
    """Of the succeeded, those whose content had been converted under another key."""
    errors: list[ErrorCount]
    """Most frequent first."""
    reasons: list[ReasonCount]
    """Most frequent first."""
    worst_structure_error: float | None
    """Over all that succeeded."""
    worst_deployment_error: float | None
    eta: Eta | None


class Acted(ApiModel):
    """What was done to a batch."""

    action: str
    batch: int
    jobs: int
    """Jobs that it changed."""


@router.get("", summary="Batches, the newest first", response_model=BatchPage)
def list_batches(
    _who: Viewer,
    services: Given,
    state: BatchState | None = None,
    before: Before = None,
    limit: Limit = figures.BATCHES_IN_API,
) -> BatchPage:
    """Each with how its jobs stand."""
    with services.reads() as session:
        page = batch_pages.list_batches(session, state=state, before=before, limit=limit)
    rows = [
        {
            **vars(row),
            "states": progress.states,
            "total": progress.total,
            "done": progress.done,
            "eta": progress.eta,
        }
        for row, progress in zip(page.batches, figures.progress_of(services, page.batches), strict=True)
    ]
    return BatchPage.model_validate({"batches": rows, "next_before": page.next_before}, from_attributes=True)


@router.get("/{batch}", summary="One batch", responses=problems(HTTPStatus.NOT_FOUND))
def one_batch(_who: Viewer, services: Given, batch: BatchId) -> Summary:
    """With what went wrong in it, and how exact it is."""
    with services.reads() as session:
        row = batch_pages.batch_row(session, batch)
    summary = None if row is None else figures.summary(services, row)
    if row is None or summary is None:
        raise not_found(f"batch {batch}")
    fields = {name: getattr(summary, name) for name in Summary.model_fields if name != "eta"}
    return Summary.model_validate(
        {**fields, "eta": figures.progress(services, row).eta}, from_attributes=True
    )


@router.post(
    "/{batch}/hold", summary="Pause a batch", responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
)
def hold(who: Operator, services: Given, batch: BatchId) -> Acted:
    """Nothing of it starts any more; what runs may finish."""
    return act(services, who, batch, "hold")


@router.post(
    "/{batch}/release", summary="End the pause", responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
)
def release(who: Operator, services: Given, batch: BatchId) -> Acted:
    """What was held is queued again."""
    return act(services, who, batch, "release")


def act(services: Services, who: Principal, batch: int, action: BatchAct) -> Acted:
    """Do it to a batch.

    Raises: Problem: there is no such batch, or it is in no state for that.
    """
    try:
        with services.writes.begin() as session:
            jobs = batch_acts.act(session, who.actor, action, batch)
    except UnknownBatch as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except NothingToDo as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    return Acted(action=action, batch=batch, jobs=jobs)
