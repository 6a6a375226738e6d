"""Signing in and out, in a browser."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dashboard.pages.rendering import render
from dashboard.paths import path_within
from dashboard.security import cookies, passwords, secrets
from dashboard.security.access import Viewer
from dashboard.services import Given, Services
from db.queries import accounts, audit, login_failures, web_sessions
from db.queries.audit import Actor

router = APIRouter(include_in_schema=False)

_LONGEST_NAME = 200
_WRONG = "Name or password is wrong."
WAIT = "Too many tries. Wait a little, then try again."

Next = Annotated[str, Query(max_length=2000)]


@router.get("/login")
def form(request: Request, given: Given, next: Next = "/") -> Response:  # noqa: A002 - what it is called everywhere
    """The form."""
    return page(request, given, next)


@router.post("/login")
def sign_in(
    request: Request,
    given: Given,
    name: Annotated[str, Form(max_length=_LONGEST_NAME)],
    password: Annotated[str, Form(max_length=passwords.LONGEST)],
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002
) -> Response:
    """Sign in; a wrong name and a wrong password look alike and take alike."""
    counted = login_failures.keys(name, address(request))
    with given.writes.begin() as session:
        admitted = login_failures.admit(session, counted)
        kept = accounts.password_hash(session, name)
    if not admitted:
        return page(request, given, next, name, WAIT, HTTPStatus.TOO_MANY_REQUESTS)
    if not passwords.fits(password, kept):
        with given.writes.begin() as session:
            audit.write(session, Actor(name, "dashboard"), "sign-in-failed", address(request))
        return page(request, given, next, name, _WRONG, HTTPStatus.UNAUTHORIZED)
    assert kept is not None
    with given.writes.begin() as session:
        login_failures.forget(session, counted)
        if passwords.is_outdated(kept):
            accounts.rehash(session, name, passwords.hashed(password))
    return signed_in(request, given, name, next)


def signed_in(request: Request, given: Services, name: str, target: str) -> Response:
    """Begin a session, always under a new secret, and go where the person wanted to."""
    secret = secrets.new_secret()
    with given.writes.begin() as session:
        if (before := cookies.secret_of(request)) is not None:
            web_sessions.end(session, secrets.digest(before))
        web_sessions.begin(session, name, secrets.digest(secret), seconds=given.config.session_seconds)
        audit.write(session, Actor(name, "dashboard"), "sign-in", address(request))
    response = RedirectResponse(local(request, target), HTTPStatus.SEE_OTHER)
    cookies.put(request, response, secret)
    return response


@router.post("/logout")
def sign_out(request: Request, given: Given, principal: Viewer) -> Response:
    """End this browser's session."""
    if (secret := cookies.secret_of(request)) is not None:
        with given.writes.begin() as session:
            web_sessions.end(session, secrets.digest(secret))
            audit.write(session, principal.actor, "sign-out", address(request))
    response = RedirectResponse(local(request, "/login"), HTTPStatus.SEE_OTHER)
    cookies.drop(request, response)
    return response


def to_form(request: Request) -> Response:
    """Send a person who has not signed in to the form, and back afterwards."""
    root = request.scope.get("root_path", "")
    wanted = path_within(request.scope) + (f"?{request.url.query}" if request.url.query else "")
    target = f"{root}/login?next={quote(wanted)}"
    if "hx-request" in request.headers:
        return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": f"{root}/login"})
    return RedirectResponse(target, HTTPStatus.SEE_OTHER)


def local(request: Request, target: str) -> str:
    """`target` if it is a path of this application, else its first page; with the root path in front."""
    parts = urlsplit(target)
    is_path = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.netloc
    safe = is_path and not parts.scheme and target.isprintable()
    return str(request.scope.get("root_path", "")) + (target if safe else "/")


def page(
    request: Request,
    given: Services,
    target: str,
    name: str = "",
    problem: str = "",
    status: HTTPStatus = HTTPStatus.OK,
) -> HTMLResponse:
    """The form, and why it is shown again."""
    oidc = given.config.oidc
    with given.reads() as session:
        any_user = accounts.any_user(session)
    return render(
        request,
        None,
        "login.html",
        status=status,
        wanted=target,
        name=name,
        problem=problem,
        elsewhere=urlsplit(oidc.issuer).hostname if oidc else "",
        passwords=any_user or oidc is None,
    )


def address(request: Request) -> str:
    """Where it comes from; "": not known."""
    return request.client.host if request.client else ""
