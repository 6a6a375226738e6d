"""Forms of other sites must not act for who is signed in here: what changes something shows a token of the session.

In a header where a script sends it, in a field where a form does. Programs with a token of their own and whoever sits
at this machine have no cookie that a foreign form could ride on; `origin` looks after these.
"""

from http import HTTPStatus

from fastapi import Request

from dashboard.problems import Problem
from dashboard.security import cookies, secrets
from dashboard.security.roles import Principal

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
HEADER = "x-csrf-token"
FIELD = "csrf"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def csrf_token(request: Request) -> str:
    """What a form or a script of this page sends back; "" where there is no session."""
    secret = cookies.secret_of(request)
    return secrets.csrf_token(secret) if secret else ""


async def check(request: Request, principal: Principal) -> None:
    """Raise Problem 403 if the request changes something and does not come from a page of this session."""
    if request.method in SAFE or principal.via != "session":
        return
    sent = request.headers.get(HEADER)
    if sent is None and request.headers.get("content-type", "").startswith(_FORMS):
        form = await request.form()
        field = form.get(FIELD)
        sent = field if isinstance(field, str) else None
        if sent is None or not secrets.same(sent, csrf_token(request)):
            await form.close()  # of files that came along, nobody else will
    if sent is None or not secrets.same(sent, csrf_token(request)):
        raise Problem(HTTPStatus.FORBIDDEN, "the form is out of date: load the page again")
