"""Saved views: lists of jobs that somebody wants to see again. Everybody has their own."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import StringConstraints

from dashboard.api.parameters import NO_ZERO, ApiModel, Name, example, problems
from dashboard.problems import Problem, not_found
from dashboard.security.access import Viewer
from dashboard.services import Given, Reading
from db.queries import saved_views

router = APIRouter(prefix="/views", tags=["views"], responses=problems())


class Query(ApiModel):
    """What a view shows."""

    model_config = example(query="q=state:failed&sort=-finished")

    query: Annotated[str, StringConstraints(max_length=4000, pattern=NO_ZERO)]
    """What stands behind the question mark: `q=state:failed&sort=-finished`."""


class View(ApiModel):
    """A view."""

    id: int
    name: str
    query: str
    created_at: datetime


@router.get("", summary="Your views, by name", response_model=list[View])
def list_views(who: Viewer, session: Reading) -> object:
    """Those of whoever asks."""
    return saved_views.list_views(session, who.name)


@router.put("/{name}", summary="Keep a view", status_code=204, responses=problems(HTTPStatus.CONFLICT))
def save(who: Viewer, services: Given, name: Name, view: Query) -> None:
    """In place of that of the same name."""
    with services.writes.begin() as session:
        if not saved_views.save(session, who.name, name, view.query):
            raise Problem(HTTPStatus.CONFLICT, f"there are {saved_views.MOST} views already: remove one")


@router.delete("/{name}", summary="Forget a view", status_code=204, responses=problems(HTTPStatus.NOT_FOUND))
def forget(who: Viewer, services: Given, name: Name) -> None:
    """One of your own."""
    with services.writes.begin() as session:
        if not saved_views.forget(session, who.name, name):
            raise not_found(f"view {name}")
