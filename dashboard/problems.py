"""Errors of the API as RFC 9457 has them: `application/problem+json`, one form for every refusal."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class Problem(HTTPException):
    """A refusal: `status`, one line of what is wrong, and members of its own."""

    def __init__(
        self, status: HTTPStatus, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.members = members


def not_found(what: str) -> Problem:
    """404, of `what` as a person would call it: `job 17`."""
    return Problem(HTTPStatus.NOT_FOUND, f"no {what}")


def install(app: FastAPI) -> None:
    """Answer every error of `app` in this form."""

    @app.exception_handler(HTTPException)
    async def refuse(_request: Request, error: HTTPException) -> JSONResponse:
        members = error.members if isinstance(error, Problem) else {}
        return _response(error.status_code, str(error.detail), error.headers, members)

    @app.exception_handler(RequestValidationError)
    async def refuse_input(_request: Request, error: RequestValidationError) -> JSONResponse:
        # Without `input`: what was sent may be a password.
        faults = [
            {"where": ".".join(map(str, fault["loc"])), "what": fault["msg"]} for fault in error.errors()
        ]
        first = "; ".join(f"{fault['where']}: {fault['what']}" for fault in faults[:3])
        return _response(HTTPStatus.UNPROCESSABLE_ENTITY, first, None, {"faults": faults})


def _response(
    status: int, detail: str, headers: Mapping[str, str] | None, members: Mapping[str, Any]
) -> JSONResponse:
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
    return JSONResponse(body, status, dict(headers or {}), MEDIA_TYPE)
