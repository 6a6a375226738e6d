"""Refusals as pages, for whoever asked for a page."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import HTMLResponse

from dashboard.pages.rendering import render
from dashboard.paths import path_within

_MACHINES = ("/api/", "/metrics", "/healthz", "/readyz", "/live", "/static/")

_WHAT_TO_DO = {
    HTTPStatus.NOT_FOUND: "It may have been another address, or what was there is gone.",
    HTTPStatus.FORBIDDEN: "Ask an administrator for the role, if it is yours to have.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The address or the form holds something that cannot be meant.",
    HTTPStatus.TOO_MANY_REQUESTS: "Wait a little, then try again.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Nothing is lost. Wait a little, then try again.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "This is a fault of the dashboard; its log says more. No job is touched by it.",
}


def page_of(
    request: Request, status: int, detail: str, headers: Mapping[str, str] | None
) -> HTMLResponse | None:
    """The refusal, said to a person; None where a program asks, or for what is no page."""
    path = path_within(request.scope)
    if "text/html" not in request.headers.get("accept", "") or path.startswith(_MACHINES):
        return None
    return render(
        request,
        getattr(request.state, "principal", None),
        "error.html",
        status=status,
        headers=headers,
        title=HTTPStatus(status).phrase,
        detail=detail[:1].upper() + detail[1:],
        advice=_WHAT_TO_DO.get(HTTPStatus(status), ""),
        code=int(status),
    )
