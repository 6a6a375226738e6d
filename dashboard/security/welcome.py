"""Setting a password by a link that an administrator made: of somebody new, or who has forgotten theirs."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dashboard.pages.rendering import render
from dashboard.security import login, passwords, secrets
from dashboard.services import Given, Services
from db.queries import accounts, audit, login_failures, password_links
from db.queries.audit import Actor

router = APIRouter(include_in_schema=False)

_LONGEST_KEY = 100
_GONE = "This link is no longer good. Ask an administrator for another one."


@router.get("/welcome", name="welcome")
def form(
    request: Request, given: Given, key: Annotated[str, Query(max_length=_LONGEST_KEY)] = ""
) -> Response:
    """The form, which says whose password it is."""
    return _page(request, given, key)


@router.post("/welcome")
def set_password(
    request: Request,
    given: Given,
    key: Annotated[str, Form(max_length=_LONGEST_KEY)],
    password: Annotated[str, Form(max_length=passwords.LONGEST)],
    again: Annotated[str, Form(max_length=passwords.LONGEST)],
) -> Response:
    """Set it and end the link; guesses at links count as failures to sign in do."""
    if password != again:
        return _page(request, given, key, "The two are not the same.")
    counted = login_failures.of_address(login.address(request))
    with given.writes.begin() as session:
        admitted = login_failures.admit(session, counted)
        good = password_links.owner(session, secrets.digest(key)) is not None
    if not admitted:
        return _page(request, given, key, login.WAIT, HTTPStatus.TOO_MANY_REQUESTS)
    if not good:
        return _page(request, given, key)
    try:
        kept = passwords.hashed(password)
    except passwords.BadPassword as error:
        return _page(request, given, key, f"{str(error).capitalize()}.")
    with given.writes.begin() as session:
        name = password_links.use(session, secrets.digest(key))
        if name is not None:
            accounts.set_password(session, name, kept)
            login_failures.forget(session, counted)
            audit.write(session, Actor(name, "dashboard"), "set-password", login.address(request))
    if name is None:  # used elsewhere meanwhile
        return _page(request, given, key)
    return RedirectResponse(login.local(request, "/login"), HTTPStatus.SEE_OTHER)


def _page(
    request: Request,
    given: Services,
    key: str,
    problem: str = "",
    status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY,
) -> HTMLResponse:
    with given.reads() as session:
        name = password_links.owner(session, secrets.digest(key))
    if name is None:
        problem, status = problem or _GONE, HTTPStatus.GONE if not problem else status
    return render(
        request,
        None,
        "welcome.html",
        status=status if problem else HTTPStatus.OK,
        key=key,
        name=name,
        problem=problem,
        shortest=passwords.SHORTEST,
        longest=passwords.LONGEST,
    )
