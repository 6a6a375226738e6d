"""Lists of jobs kept under a name: forms of the list of jobs."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from pydantic import ValidationError

from dashboard.api import views as api
from dashboard.pages.acts import back
from dashboard.problems import Problem
from dashboard.security.access import Viewer
from dashboard.services import Given

router = APIRouter()

Name = Annotated[str, Form(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]


@router.post("/views/save")
def save(
    request: Request,
    viewer: Viewer,
    given: Given,
    name: Name,
    query: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Keep a view, in place of that of the same name, and show it."""
    try:
        kept = api.Query(query=query)
    except ValidationError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "the view holds what no address can") from error
    api.save(viewer, given, name.strip() or name, kept)
    return back(request, f"/jobs?{query}" if query else "/jobs", {"done": "view", "n": 1})


@router.post("/views/forget")
def forget(request: Request, viewer: Viewer, given: Given, name: Name) -> Response:
    """Forget one of your own."""
    api.forget(viewer, given, name)
    return back(request, "/jobs", {"done": "view-gone", "n": 1})
