"""Users and tokens, for administrators: adding somebody, what each may do, shutting out, ending what is open."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import ValidationError

from dashboard.api import users
from dashboard.api.parameters import NO_ZERO
from dashboard.pages.acts import back
from dashboard.pages.rendering import render
from dashboard.pages.schedules import in_words
from dashboard.problems import Problem
from dashboard.security.access import Admin
from dashboard.security.people import LONGEST_NAME
from dashboard.security.roles import Principal
from dashboard.services import Given, Services
from db.queries import accounts, api_tokens
from db.roles import Role

router = APIRouter()

Name = Annotated[str, Form(min_length=1, max_length=LONGEST_NAME, pattern=NO_ZERO)]


@router.get("/people")
def people(request: Request, admin: Admin, given: Given) -> HTMLResponse:
    """All of them, and the tokens of their programs."""
    return _page(request, admin, given)


@router.post("/people/add")
def add(
    request: Request, admin: Admin, given: Given, name: Name, role: Annotated[Role, Form()]
) -> HTMLResponse:
    """Add somebody, and show the link by which they set a password; it stands in no address, so this is no redirect."""
    typed = name.strip()
    try:
        made = users.add(admin, given, request, users.NewUser(name=typed, role=role))
    except (ValidationError, Problem) as error:
        return _page(request, admin, given, typed=(typed, role), problem=in_words(error))
    return _page(request, admin, given, link=made)


@router.post("/people/link")
def make_link(request: Request, admin: Admin, given: Given, name: Name) -> HTMLResponse:
    """Show a link by which a user sets another password."""
    return _page(request, admin, given, link=users.make_link(admin, given, request, name))


@router.post("/people/role")
def set_role(
    request: Request, admin: Admin, given: Given, name: Name, role: Annotated[Role, Form()]
) -> Response:
    """Change what a user may do."""
    users.change(admin, given, name, users.Change(role=role))
    return back(request, "/people", done="role", n=1)


@router.post("/people/{what}")
def shut_out(
    request: Request, admin: Admin, given: Given, what: Literal["disable", "enable"], name: Name
) -> Response:
    """Shut a user out at once, tokens included, or let them in again."""
    users.change(admin, given, name, users.Change(disabled=what == "disable"))
    return back(request, "/people", done=what, n=1)


@router.post("/people/end/{what}")
def end(
    request: Request, admin: Admin, given: Given, what: Literal["sessions", "tokens"], name: Name
) -> Response:
    """Sign a user out everywhere, or end all tokens of theirs."""
    ended = (users.sign_out if what == "sessions" else users.revoke_tokens)(admin, given, name)
    return back(request, "/people", done=f"end-{what}", n=ended.ended)


@router.post("/tokens/revoke")
def revoke(
    request: Request, admin: Admin, given: Given, token: Annotated[int, Form(ge=1, le=2**63 - 1)]
) -> Response:
    """End a token at once."""
    users.revoke(admin, given, token)
    return back(request, "/people", done="revoke", n=1)


def _page(
    request: Request,
    admin: Principal,
    given: Services,
    *,
    link: users.Link | None = None,
    typed: tuple[str, Role] | None = None,
    problem: str | None = None,
) -> HTMLResponse:
    with given.reads() as session:
        found, tokens = accounts.list_users(session), api_tokens.list_tokens(session)
    return render(
        request,
        admin,
        "people.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
        users=found,
        tokens=tokens,
        roles=list(Role),
        link=link,
        # Whoever is first must be able to add the others.
        typed=typed or ("", Role.VIEWER if found else Role.ADMIN),
        problem=problem,
    )
