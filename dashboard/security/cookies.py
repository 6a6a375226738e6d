"""The cookie of a browser that has signed in."""

from fastapi import Request
from fastapi.responses import Response

_SECURE_NAME = "__Host-fleet"
"""The prefix binds it to this host and to https; see RFC 6265bis."""
_PLAIN_NAME = "fleet"


def secret_of(request: Request) -> str | None:
    """What the cookie holds."""
    return request.cookies.get(_name(request))


def put(request: Request, response: Response, secret: str) -> None:
    """Have the browser keep `secret` until it is closed; the server decides until when it is good."""
    response.set_cookie(
        _name(request), secret, path="/", secure=_is_secure(request), httponly=True, samesite="lax"
    )


def drop(request: Request, response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(
        _name(request), path="/", secure=_is_secure(request), httponly=True, samesite="lax"
    )


def _name(request: Request) -> str:
    return _SECURE_NAME if _is_secure(request) else _PLAIN_NAME


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"
