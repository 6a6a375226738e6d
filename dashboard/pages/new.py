"""New work: name a folder or bucket, see what it would come to, then plan it, or have it repeated; or bring files."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import ValidationError

from dashboard.api import schedules
from dashboard.api import submissions as api
from dashboard.pages.acts import back
from dashboard.pages.rendering import render
from dashboard.pages.schedules import in_words, lines_of
from dashboard.places import usual_destination
from dashboard.problems import Problem
from dashboard.security.access import Operator
from dashboard.security.roles import Principal
from dashboard.services import Given, Services

router = APIRouter()

FILES = "/new/files"
"""Where bodies may be large."""

Text = Annotated[str, Form(max_length=4000)]
_CHOICES = ("style", "dtype", "backend", "io_layout")


@router.get("/new")
def new(request: Request, operator: Operator, given: Given) -> HTMLResponse:
    """The forms."""
    return _page(request, operator, given, {})


@router.post("/new", response_model=None)
def ask(
    request: Request,
    operator: Operator,
    given: Given,
    response: Response,
    source: Annotated[str, Form(max_length=2000)],
    dest: Annotated[str, Form(max_length=2000)] = "",
    include: Text = "",
    exclude: Text = "",
    style: Text = "",
    dtype: Text = "",
    backend: Text = "",
    io_layout: Text = "",
    architecture: Text = "",
    export: Annotated[list[str] | None, Form(max_length=2)] = None,
    only_needed: Annotated[bool, Form()] = False,
    name: Annotated[str, Form(max_length=200)] = "",
    cron: Annotated[str, Form(max_length=200)] = "",
    timezone: Annotated[str, Form(max_length=200)] = "",
    plan: Annotated[bool, Form()] = False,
    repeat: Annotated[bool, Form()] = False,
) -> Response:
    """Look first; with `plan`, begin; with `repeat`, make a schedule.

    What is wrong is said beside the form, which keeps what was typed.
    """
    typed = {
        "source": source.strip(),
        "dest": dest.strip(),
        "include": include,
        "exclude": exclude,
        "style": style,
        "dtype": dtype,
        "backend": backend,
        "io_layout": io_layout,
        "architecture": architecture.strip(),
        "export": export or [],
        "only_needed": only_needed,
        "name": name.strip(),
        "cron": cron.strip(),
        "timezone": timezone.strip(),
    }
    options = {name: typed[name] for name in (*_CHOICES, "architecture", "export") if typed[name]}
    wanted = {
        "source": typed["source"],
        "dest": typed["dest"] or None,
        "include": lines_of(include),
        "exclude": lines_of(exclude),
        "options": options,
    }
    try:
        if repeat:
            made = schedules.create(operator, given, _schedule(given, typed, wanted))
            return back(request, f"/schedules/{made.id}", done="scheduled", n=1)
        asked = api.Asked.model_validate({**wanted, "only_needed": only_needed, "dry_run": not plan})
        submitted = api.submit(operator, given, response, asked)
    except (ValidationError, Problem) as error:
        return _page(request, operator, given, typed, problem=in_words(error))
    if submitted.batch is not None:
        return back(request, f"/batches/{submitted.batch}", done="planned", n=1)
    return _page(request, operator, given, typed, forecast=submitted.forecast)


@router.post(FILES, dependencies=[Depends(api.bounded)])
async def bring(request: Request, operator: Operator, given: Given) -> Response:
    """Convert files that are sent along; their bundles come back as one zip from the batch's page."""
    brought = await api.bring(operator, given, request)
    return back(request, f"/batches/{brought.batch}", done="brought", n=brought.files)


def _schedule(given: Services, typed: dict[str, Any], wanted: dict[str, Any]) -> schedules.New:
    """It goes on with what is needed alone, whatever was ticked for this once: its page can say otherwise."""
    dest = wanted["dest"] or usual_destination(given) or ""
    when = {"name": typed["name"], "cron": typed["cron"], "timezone": typed["timezone"] or "UTC"}
    return schedules.New.model_validate({**wanted, **when, "dest": dest})


def _page(
    request: Request,
    operator: Principal,
    given: Services,
    typed: dict[str, Any],
    *,
    forecast: api.Forecast | None = None,
    problem: str | None = None,
) -> HTMLResponse:
    return render(
        request,
        operator,
        "new.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
        typed=typed,
        forecast=forecast,
        problem=problem,
        usual=usual_destination(given),
        largest=given.config.upload_bytes,
    )
