"""Migrations that repeat: when they come next, what became of the last time, pause, run now, edit."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from dashboard.api import schedules as api
from dashboard.pages.acts import back
from dashboard.pages.rendering import render
from dashboard.problems import Problem, not_found
from dashboard.security.access import Operator, Viewer
from dashboard.security.roles import Principal
from dashboard.services import Given, Reading
from db.queries.schedules import RunRow, ScheduleRow, list_runs, list_schedules
from db.states import Overlap
from scheduler import cron
from scheduler.selection import Selection

router = APIRouter()

RUNS = 50

What = Literal["pause", "resume", "run"]
_ENABLED = {"pause": False, "resume": True}


@dataclass(frozen=True)
class Planned:
    """A schedule with what its fields mean today."""

    row: ScheduleRow
    upcoming: tuple[datetime, ...]
    """The next times; none where it is paused."""
    problem: str | None
    """Why it has none, though it is not paused."""


@router.get("/schedules")
def every(request: Request, viewer: Viewer, session: Reading) -> HTMLResponse:
    """All of them by name."""
    found = [_planned(row, 1) for row in list_schedules(session)]
    return render(request, viewer, "schedules.html", schedules=found)


@router.get("/schedules/{number}")
def one(request: Request, viewer: Viewer, session: Reading, number: int) -> HTMLResponse:
    """One, with its runs."""
    return _one(request, viewer, session, number)


@router.post("/schedules/{number}/edit", response_model=None)
def edit(
    request: Request,
    operator: Operator,
    given: Given,
    number: int,
    fields: Annotated[str, Form(alias="cron", max_length=200)],
    timezone: Annotated[str, Form(max_length=100)],
    overlap: Annotated[Overlap, Form()],
    include: Annotated[str, Form(max_length=4000)] = "",
    exclude: Annotated[str, Form(max_length=4000)] = "",
    everything: Annotated[bool, Form()] = False,
) -> Response:
    """Change when it comes and what it takes; what is wrong is said beside the form, which keeps what was typed."""
    typed = {"cron": fields.strip(), "timezone": timezone.strip(), "overlap": overlap}
    taken = {"include": lines_of(include), "exclude": lines_of(exclude), "only_needed": not everything}
    with given.reads() as session:
        name = _row(session, number).name
    try:
        api.edit(operator, given, name, api.Change.model_validate({**typed, "taken": taken}))
    except (ValidationError, Problem) as error:
        with given.reads() as session:
            return _one(request, operator, session, number, typed={**typed, **taken}, problem=in_words(error))
    return back(request, f"/schedules/{number}", done="edit", n=1)


@router.post("/schedules/{number}/{what}")
def act(request: Request, operator: Operator, given: Given, number: int, what: What) -> Response:
    """Pause, resume, or run now."""
    with given.reads() as session:
        name = _row(session, number).name
    if what == "run":
        return back(request, f"/schedules/{number}", done=what, n=api.run(operator, given, name).batch)
    api.edit(operator, given, name, api.Change(enabled=_ENABLED[what]))
    return back(request, f"/schedules/{number}", done=what, n=1)


def in_words(error: ValidationError | Problem) -> str:
    """What is wrong with what was typed.

    Raises: Problem: nothing is wrong with it; this was about something else.
    """
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if error.status_code not in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.CONFLICT):
        raise error
    return str(error.detail)


def _one(
    request: Request,
    principal: Principal,
    session: Session,
    number: int,
    *,
    typed: dict[str, Any] | None = None,
    problem: str | None = None,
) -> HTMLResponse:
    row = _row(session, number)
    runs: list[RunRow] = list_runs(session, number, limit=RUNS)
    was = Selection.of_json(row.selection)
    present = {
        "cron": row.cron,
        "timezone": row.timezone,
        "overlap": row.overlap,
        "include": was.include,
        "exclude": was.exclude,
        "only_needed": was.only_needed,
    }
    return render(
        request,
        principal,
        "schedule.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
        planned=_planned(row, 5),
        runs=runs,
        form=typed or present,
        problem=problem,
        overlaps=list(Overlap),
    )


def _row(session: Session, number: int) -> ScheduleRow:
    row = next((row for row in list_schedules(session) if row.id == number), None)
    if row is None:
        raise not_found(f"schedule {number}")
    return row


def _planned(row: ScheduleRow, times: int) -> Planned:
    upcoming: list[datetime] = []
    problem = None
    if row.enabled:
        at = row.now
        try:
            for _ in range(times):
                at = cron.next_tick(row.cron, row.timezone, at)
                upcoming.append(at)
        except cron.BadSchedule as error:
            problem = str(error)
    return Planned(row, tuple(upcoming), problem)


def lines_of(text: str) -> list[str]:
    """What stands in a field, a line each."""
    return [line.strip() for line in text.splitlines() if line.strip()]
