"""Cookies: of a browser that has signed in, and of one that is on its way to do so elsewhere."""

from fastapi import Request
from fastapi.responses import Response

SESSION = "fleet"
GOING = "fleet-going"
_PREFIX = "__Host-"
"""Binds a cookie to this host and to https; see RFC 6265bis."""


def secret_of(request: Request, name: str = SESSION) -> str | None:
    """What the cookie holds."""
    return request.cookies.get(_called(request, name))


def put(
    request: Request, response: Response, secret: str, name: str = SESSION, *, seconds: int | None = None
) -> None:
    """Have the browser keep `secret` for so long, or until it is closed; the server decides until when it is good."""
    response.set_cookie(
        _called(request, name),
        secret,
        max_age=seconds,
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def drop(request: Request, response: Response, name: str = SESSION) -> None:
    """Have the browser forget it."""
    response.delete_cookie(
        _called(request, name), path="/", secure=_is_secure(request), httponly=True, samesite="lax"
    )


def _called(request: Request, name: str) -> str:
    return f"{_PREFIX}{name}" if _is_secure(request) else name


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"
