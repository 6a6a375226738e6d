"""Who sends a request: a program with a token, a browser that has signed in, or whoever sits at this machine."""

import getpass

from fastapi import Request

from dashboard import services
from dashboard.security import cookies
from dashboard.security.roles import Principal, Role
from dashboard.security.secrets import digest
from db.queries import accounts, api_tokens, web_sessions


def authenticate(request: Request, *, note: bool = True) -> Principal | None:
    """Whoever sends `request`, and a note that they were here, unless told not to; None: nobody that is known."""
    given = services.of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme:
        return _by_token(given, token.strip(), note=note) if scheme.lower() == "bearer" else None
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


def _by_token(given: services.Services, token: str, *, note: bool) -> Principal | None:
    with given.reads() as session:
        found = api_tokens.owner(session, digest(token))
        noted = found is None or api_tokens.is_noted(session, found[0])
    if found is None:
        return None
    number, name, role = found
    if note and not noted:
        with given.writes.begin() as session:
            api_tokens.note_use(session, number)
    return Principal(name, role, "token")


def _by_session(given: services.Services, key: str, *, note: bool) -> Principal | None:
    with given.reads() as session:
        found = web_sessions.owner(session, key, idle_seconds=given.config.idle_seconds)
    if found is None:
        return None
    name, role, noted = found
    if note and not noted:
        with given.writes.begin() as session:
            web_sessions.note_seen(session, key)
    return Principal(name, role, "session")


def _local() -> Principal:
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        name = "local"
    return Principal(name, Role.ADMIN, "local")
