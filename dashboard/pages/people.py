"""Users and tokens, for administrators: what each may do, shutting out, ending tokens. Passwords are the command's."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from dashboard.pages.acts import back
from dashboard.pages.rendering import render
from dashboard.problems import Problem, not_found
from dashboard.security.access import Admin
from dashboard.services import Given, Reading
from db.queries import accounts, api_tokens, audit
from db.roles import Role

router = APIRouter()

Name = Annotated[str, Form(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


@router.get("/people")
def people(request: Request, admin: Admin, session: Reading) -> HTMLResponse:
    """All of them, and the tokens of their programs."""
    return render(
        request,
        admin,
        "people.html",
        users=accounts.list_users(session),
        tokens=api_tokens.list_tokens(session),
        roles=list(Role),
    )


@router.post("/people/role")
def set_role(
    request: Request, admin: Admin, given: Given, name: Name, role: Annotated[Role, Form()]
) -> Response:
    """Change what a user may do."""
    with given.writes.begin() as session:
        _change(name, lambda: accounts.set_role(session, name, role))
        audit.write(session, admin.actor, "change-role", name, data={"role": role})
    return back(request, "/people", done="role", n=1)


@router.post("/people/{what}")
def shut_out(
    request: Request, admin: Admin, given: Given, what: Literal["disable", "enable"], name: Name
) -> Response:
    """Shut a user out at once, tokens included, or let them in again."""
    with given.writes.begin() as session:
        _change(name, lambda: accounts.set_disabled(session, name, what == "disable"))
        audit.write(session, admin.actor, f"{what}-user", name)
    return back(request, "/people", done=what, n=1)


@router.post("/tokens/revoke")
def revoke(
    request: Request, admin: Admin, given: Given, token: Annotated[int, Form(ge=1, le=2**63 - 1)]
) -> Response:
    """End a token at once."""
    with given.writes.begin() as session:
        _revoke(session, admin.actor, token)
    return back(request, "/people", done="revoke", n=1)


def _revoke(session: Session, actor: audit.Actor, token: int) -> None:
    owner = api_tokens.revoke(session, token)
    if owner is None:
        raise not_found(f"token {token} that is good")
    audit.write(session, actor, "revoke-token", owner, data={"token": token})


def _change(name: str, do: Callable[[], bool]) -> None:
    try:
        known = do()
    except accounts.LastAdmin as error:
        detail = f"{name} is the last administrator; somebody must be left who may manage users"
        raise Problem(HTTPStatus.CONFLICT, detail) from error
    if not known:
        raise not_found(f"user {name}")
