"""What forms ask for: the same functions as the API's, then back to the page, which says what was done."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from dashboard.api import batches, job, operations, workers
from dashboard.api.parameters import BatchId, JobId, Line
from dashboard.pages import searching
from dashboard.pages.rendering import address, render
from dashboard.problems import Problem
from dashboard.security.access import Operator, Viewer
from dashboard.security.roles import Principal
from dashboard.services import Given, Reading
from db.queries import bulk
from db.queries.jobs import list_jobs

router = APIRouter()

What = Literal["retry", "cancel"]
_EXAMPLES = 5


@router.get("/jobs/act")
def ask(
    request: Request,
    viewer: Viewer,
    session: Reading,
    what: Annotated[What, Query()],
    q: Annotated[str, Query(max_length=20_000)] = "",
    job: Annotated[list[int] | None, Query(max_length=500)] = None,
) -> HTMLResponse:
    """How many jobs it would change, exactly, and some of them. `job`: those marked in a list, in place of a search."""
    text = ",".join(map(str, job)) if job else q
    return _confirm(request, viewer, session, what, text)


@router.post("/jobs/act", response_model=None)
def act(
    request: Request,
    operator: Operator,
    given: Given,
    what: Annotated[What, Form()],
    confirmed: Annotated[int, Form(ge=0)],
    q: Annotated[str, Form(max_length=20_000)] = "",
) -> Response:
    """Do it. More jobs than the person was told of are asked about again."""
    asked = searching.asked(q)
    if not asked.is_usable:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, asked.problem or "the filter means nothing")
    with given.reads() as session:
        if _act(what, asked).count(session) > confirmed:
            return _confirm(request, operator, session, what, asked.text, grown=True)
    begun = operations.start(given, operator, what, asked.text)
    return back(request, f"/operations/{begun.id}")


@router.post("/jobs/{number}/{what}")
def act_on_one(request: Request, operator: Operator, given: Given, number: JobId, what: What) -> Response:
    """Retry or cancel one job."""
    done = (job.retry if what == "retry" else job.cancel)(operator, given, number)
    return back(request, f"/jobs/{number}", **_done(what, done.changed, done.requested))


@router.post("/batches/{batch}/{what}")
def act_on_batch(
    request: Request,
    operator: Operator,
    given: Given,
    batch: BatchId,
    what: Literal["hold", "release"],
) -> Response:
    """Pause a batch, or end its pause."""
    done = (batches.hold if what == "hold" else batches.release)(operator, given, batch)
    return back(request, f"/batches/{batch}", done=what, n=done.jobs)


@router.post("/workers/drain")
def drain(request: Request, operator: Operator, given: Given, worker: Annotated[Line, Form()]) -> Response:
    """Ask a worker to stop."""
    workers.drain(operator, given, worker)
    return back(request, "/workers", done="drain", n=1)


def back(request: Request, path: str, said: dict[str, Any] | None = None, **query: Any) -> Response:
    """To a page of this application, by GET; `said` is added to an address that has a query of its own."""
    root = str(request.scope.get("root_path", ""))
    behind = address(**query, **(said or {}))
    if "?" in path and behind:
        behind = f"&{behind[1:]}"
    return RedirectResponse(root + path + behind, HTTPStatus.SEE_OTHER)


def _act(what: What, asked: searching.Asked) -> bulk.Act:
    return bulk.Act(what, asked.search, asked.text or "all")


def _done(what: str, changed: int, requested: int) -> dict[str, Any]:
    if requested and not changed:
        return {"done": "stopping", "n": requested}
    return {"done": what, "n": changed}


def _confirm(
    request: Request, principal: Principal, session: Session, what: What, text: str, *, grown: bool = False
) -> HTMLResponse:
    asked = searching.asked(text)
    made = _act(what, asked)
    count, examples = 0, []
    if asked.is_usable:
        count = made.count(session)
        found = list_jobs(session, asked.search, limit=200).jobs
        examples = [row for row in found if row.state in made.states][:_EXAMPLES]
    return render(
        request,
        principal,
        "act.html",
        status=asked.status,
        what=what,
        asked=asked,
        count=count,
        states=sorted(made.states),
        examples=examples,
        grown=grown,
    )
