"""Who sends a request: a program with a token, a browser that has signed in, or whoever sits at this machine."""

import getpass
from collections.abc import Callable
from functools import partial

from fastapi import Request
from sqlalchemy.orm import Session

from dashboard import services
from dashboard.security import cookies
from dashboard.security.roles import Principal, Role
from dashboard.security.secrets import digest
from db.queries import accounts, api_tokens, web_sessions
from db.queries.accounts import Owner


def authenticate(request: Request, *, note: bool = True) -> Principal | None:
    """Whoever sends `request`, and a note that they were here, unless told not to; None: nobody that is known."""
    given = services.of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme:
        return _by_token(given, digest(token.strip()), note=note) if scheme.lower() == "bearer" else None
    secret = cookies.secret_of(request)
    if secret is not None and (found := _by_session(given, digest(secret), note=note)) is not None:
        return found
    return _local() if is_open(given) else None


def is_open(given: services.Services) -> bool:
    """Whether whoever reaches this address is let in: it is loopback, and there is nobody who could sign in."""
    if not given.config.on_loopback or given.config.oidc is not None:
        return False
    with given.reads() as session:
        return not accounts.any_user(session)


def _by_token(given: services.Services, key: str, *, note: bool) -> Principal | None:
    with given.reads() as session:
        owner = api_tokens.owner(session, key)
    return _principal(given, owner, "token", partial(api_tokens.note_use, digest=key) if note else None)


def _by_session(given: services.Services, key: str, *, note: bool) -> Principal | None:
    with given.reads() as session:
        owner = web_sessions.owner(session, key, idle_seconds=given.config.idle_seconds)
    return _principal(given, owner, "session", partial(web_sessions.note_use, digest=key) if note else None)


def _principal(
    given: services.Services, owner: Owner | None, via: str, note: Callable[[Session], None] | None
) -> Principal | None:
    """The owner as who asks, noted as such where that was not done lately."""
    if owner is None:
        return None
    if note is not None and not owner.noted:
        with given.writes.begin() as session:
            note(session)
    return Principal(owner.name, owner.role, via)


def _local() -> Principal:
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        name = "local"
    return Principal(name, Role.ADMIN, "local")
