"""Which requests are answered at all, by where they come from and what they call this server.

A page elsewhere can have a browser send requests here, and a name elsewhere can be made to mean this machine (DNS
rebinding). Where whoever reaches this address is let in, that would be everybody's page. So the Host must be a name
that is known, and what changes something must come from a page of this very origin, or from no page.
"""

from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard import services
from dashboard.paths import path_within
from dashboard.problems import problem_response
from dashboard.security.authenticate import is_open
from dashboard.security.csrf import SAFE

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_PUBLIC = ("/healthz",)


class Origin:
    """ASGI middleware: refuses what is described above."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 or 421, or hand on."""
        refusal = await _refusal(Request(scope)) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await problem_response(*refusal)(scope, receive, send)


async def _refusal(request: Request) -> tuple[HTTPStatus, str] | None:
    if path_within(request.scope) in _PUBLIC:
        return None
    config = services.of(request).config
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    if config.hosts and host not in config.hosts:
        return HTTPStatus.MISDIRECTED_REQUEST, f"FLEET_DASHBOARD_HOSTS does not name {host!r}"
    is_renamed = host not in LOOPBACK and not config.hosts
    is_forwarded = any(name in request.headers for name in _FORWARDED)
    # The database is asked only where the answer matters: this stands in front of every request.
    if (is_renamed or is_forwarded) and await run_in_threadpool(is_open, services.of(request)):
        if is_renamed:
            return HTTPStatus.MISDIRECTED_REQUEST, "without users, this is for who sits at this machine"
        return HTTPStatus.FORBIDDEN, "behind a proxy there must be users: bin/fleet users add"
    if request.method not in SAFE and _is_foreign(request):
        return HTTPStatus.FORBIDDEN, "this came from a page of another site"
    return None


def _is_foreign(request: Request) -> bool:
    """Whether a browser says that another site's page sent it; programs say nothing."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return True
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")
