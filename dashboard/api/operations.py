"""Acts on all jobs of a filter: counted first, done in the background, followed until they are finished."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import StringConstraints

from dashboard.api.parameters import ApiModel, Before, Limit, example, problems
from dashboard.problems import Problem, not_found
from dashboard.security.access import Operator, Viewer
from dashboard.security.roles import Principal
from dashboard.services import Given, Reading, Services
from db import search
from db.queries import bulk, operations
from db.queries.operations import OperationRow
from db.states import OperationState

router = APIRouter(prefix="/operations", tags=["operations"], responses=problems())

_MAKE = {"retry": bulk.retry, "cancel": bulk.cancel}


class Asked(ApiModel):
    """What is to be done, and to which jobs."""

    model_config = example(action="retry", q="state:failed error:store layer:LSTM", dry_run=True)

    action: Literal["retry", "cancel"]
    q: Annotated[str, StringConstraints(max_length=2000)]
    """The filter. What succeeded is tried again only if it says `state:succeeded`."""
    all: bool = False
    """Needed where the filter is empty: every job that it can be done to."""
    dry_run: bool = False
    """Count, and do nothing."""


class Counted(ApiModel):
    """What an act would come to."""

    action: str
    q: str
    dry_run: bool
    jobs: int
    """How many jobs it would change now, exactly."""
    operation: int | None
    """Its number; null where nothing is done."""


class Operation(ApiModel):
    """An act, and how far it has come."""

    id: int
    action: str
    search: str
    actor: str
    state: OperationState
    total: int
    """How many jobs it was to change when it was asked for."""
    changed: int
    """Jobs that are in another state now."""
    requested: int
    """Running jobs whose worker was asked to stop."""
    error: str | None
    created_at: datetime
    finished_at: datetime | None


class OperationPage(ApiModel):
    """Some operations, the newest first."""

    operations: list[Operation]
    next_before: int | None
    """Pass it as `before`; null: these were the oldest."""


@router.post("", summary="Act on all jobs of a filter", response_model=Counted, status_code=202)
def begin(who: Operator, services: Given, request: Request, response: Response, asked: Asked) -> Counted:
    """With `dry_run`, 200 and the exact count; else 202, and it is done in the background."""
    if asked.dry_run:
        response.status_code = HTTPStatus.OK
        return Counted(
            action=asked.action,
            q=asked.q,
            dry_run=True,
            jobs=count(services, asked.action, asked.q),
            operation=None,
        )
    if not asked.q.strip() and not asked.all:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "say which jobs, or all")
    row = start(services, who, asked.action, asked.q)
    response.headers["Location"] = str(request.url_for("show_operation", operation=row.id))
    return Counted(action=asked.action, q=asked.q, dry_run=False, jobs=row.total, operation=row.id)


@router.get("", summary="Operations, the newest first", response_model=OperationPage)
def list_operations(
    _who: Viewer, session: Reading, before: Before = None, limit: Limit = 50
) -> OperationPage:
    """Whoever asked for them."""
    rows = operations.list_operations(session, before=before, limit=limit + 1)
    last = rows[limit - 1].id if len(rows) > limit else None
    return OperationPage.model_validate(
        {"operations": rows[:limit], "next_before": last}, from_attributes=True
    )


@router.get(
    "/{operation}",
    summary="How far an act has come",
    response_model=Operation,
    responses=problems(HTTPStatus.NOT_FOUND),
)
def show_operation(
    _who: Viewer, session: Reading, operation: Annotated[int, Path(ge=1, le=2**63 - 1)]
) -> OperationRow:
    """It is finished when its state says so, whatever the numbers are: jobs may have moved on by themselves."""
    found = operations.find(session, operation)
    if found is None:
        raise not_found(f"operation {operation}")
    return found


def count(services: Services, action: str, q: str) -> int:
    """How many jobs it would change now.

    Raises: db.search.BadSearch: `q` means nothing.
    """
    act = _MAKE[action](search.parse(q), q)
    with services.reads() as session:
        return act.count(session)


def start(services: Services, who: Principal, action: str, q: str) -> OperationRow:
    """Has it done in the background.

    Raises: db.search.BadSearch: `q` means nothing.
    """
    act = _MAKE[action](search.parse(q), q)
    with services.writes.begin() as session:
        operation_id = operations.begin(session, act, who.actor)
        row = operations.find(session, operation_id)
    assert row is not None
    services.runner.hurry()
    return row
