"""What went wrong, each cause once, and which layers stand in the way."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from dashboard import figures, layers
from dashboard.api.parameters import ApiModel, Limit, Q, bad_cursor, problems
from dashboard.problems import not_found
from dashboard.security.access import Viewer
from dashboard.services import Given
from db.queries.failures import Behind

router = APIRouter(responses=problems())


class FailureGroup(ApiModel):
    """Jobs that failed of one cause, and have not succeeded since."""

    fingerprint: str
    """For the filter: `fingerprint:...` means exactly these jobs."""
    kind: str
    message: str
    """With `*` for what differs between them."""
    example_message: str
    example_job: int
    """The newest of them."""
    example_key: str
    jobs: int
    quarantined: int
    """Of these, those whose process died too often."""
    first_seen: datetime
    last_seen: datetime


class FailurePage(ApiModel):
    """Some groups, the largest first."""

    groups: list[FailureGroup]
    next: str | None
    """Pass it as `after`; null: these were the last."""


class Blocker(ApiModel):
    """A class of layers in the way."""

    subject: str
    """The class."""
    kinds: list[str]
    """Of the reasons given."""
    jobs: int
    """Models that it blocks."""
    alone: int
    """Of these, models that nothing else blocks: converting it would unlock them."""
    example_job: int
    status: str
    """By the registry: `converted` (but not so), `cannot` (never will be), `unknown` (a custom layer)."""
    note: str
    """What it becomes, or why it does not convert."""


class Coverage(ApiModel):
    """What blocks, most models first."""

    blocked: int
    """Models blocked by anything."""
    blockers: list[Blocker]


class Layer(ApiModel):
    """A row of what can be converted, as `keras2torch layers --json` prints it."""

    kind: str
    classes: list[str]
    """Every name that a file may give it."""
    family: str
    generations: list[str]
    status: str
    torch: str | None
    reason: str | None
    masks: str | None
    examples: int


@router.get("/failures", summary="Causes of failure", response_model=FailurePage, tags=["failures"])
def list_failures(
    _who: Viewer,
    services: Given,
    q: Q = "",
    after: Annotated[str | None, Query(max_length=200, pattern=r"^[0-9]{1,18}~[^\x00]*$")] = None,
    limit: Limit = 50,
) -> FailurePage:
    """Of the jobs that `q` means and that are failed or quarantined now; the largest group first."""
    behind = None
    if after is not None:
        count, _, fingerprint = after.partition("~")
        if not (count.isascii() and count.isdecimal()):
            raise bad_cursor()
        behind = Behind(int(count), fingerprint)
    page = figures.failure_page(services, q, behind, limit)
    following = None if page.next is None else f"{page.next.jobs}~{page.next.fingerprint}"
    return FailurePage.model_validate({"groups": page.groups, "next": following}, from_attributes=True)


@router.get("/coverage", summary="What blocks how many models", response_model=Coverage, tags=["coverage"])
def show_coverage(_who: Viewer, services: Given, q: Q = "") -> Coverage:
    """Of the jobs that `q` means and that have failed."""
    found = figures.layer_coverage(services, q)
    rows = [{**vars(each), **vars(layers.standing(each.subject))} for each in found.blockers]
    return Coverage.model_validate({"blocked": found.blocked, "blockers": rows})


@router.get("/layers", summary="What can be converted", response_model=list[Layer], tags=["coverage"])
def list_layers(_who: Viewer) -> object:
    """Every layer that is known."""
    return layers.rows()


@router.get(
    "/layers/{name}",
    summary="One class of layers",
    tags=["coverage"],
    responses=problems(HTTPStatus.NOT_FOUND),
)
def one_layer(_who: Viewer, name: str) -> Layer:
    """By any of its names."""
    for row in layers.rows():
        if name in row["classes"]:
            return Layer.model_validate(row)
    raise not_found(f"layer {name}")
