"""One try to sign in elsewhere. All of it follows from a secret in a cookie of ten minutes, so nothing is kept here.

Whoever comes back without that cookie is not who went, whatever the address says that they follow.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response

from dashboard.security import cookies
from dashboard.security.secrets import new_secret

_SECONDS = 600


@dataclass(frozen=True)
class Attempt:
    """A browser on its way to the provider and back."""

    secret: str
    target: str
    """Where the person wanted to go."""

    @property
    def state(self) -> str:
        """What must come back with the browser."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """What must stand in the id token."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """What the provider must see together with the code; 64 of the characters that RFC 7636 allows."""
        return self._derived("verifier")

    def _derived(self, purpose: str) -> str:
        return hmac.new(self.secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def begin(target: str) -> Attempt:
    """A new one."""
    return Attempt(new_secret(), target)


def put(request: Request, response: Response, attempt: Attempt) -> None:
    """Have the browser keep it for ten minutes."""
    target = base64.urlsafe_b64encode(attempt.target.encode()).decode()
    cookies.put(request, response, f"{attempt.secret}.{target}", cookies.GOING, seconds=_SECONDS)


def of(request: Request) -> Attempt | None:
    """The one that this browser is on."""
    secret, _, target = (cookies.secret_of(request, cookies.GOING) or "").partition(".")
    if not secret:
        return None
    try:
        return Attempt(secret, base64.urlsafe_b64decode(target).decode())
    except ValueError:  # cut, or put together by somebody else
        return None


def drop(request: Request, response: Response) -> None:
    """Have the browser forget it: no attempt is good twice."""
    cookies.drop(request, response, cookies.GOING)
