"""Errors as RFC 9457 has them: `application/problem+json`, one form for every refusal; to a browser, a page."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from db import outage
from db.search import BadSearch
from storage.errors import ObjectMissing, StorageError, StoreMissing

log = logging.getLogger(__name__)

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


PageOf = Callable[[Request, int, str, Mapping[str, str] | None], Response | None]
"""A refusal (status, detail, headers) as a page; None: who asks wants none."""


def install(app: FastAPI, page_of: PageOf) -> None:
    """Answer every error of `app` in this form, but for whom `page_of` has a page."""

    @app.exception_handler(HTTPException)
    async def refuse(request: Request, error: HTTPException) -> Response:
        members = error.members if isinstance(error, Problem) else {}
        return answer(request, error.status_code, str(error.detail), error.headers, members)

    @app.exception_handler(RequestValidationError)
    async def refuse_input(request: Request, error: RequestValidationError) -> Response:
        # Without `input`: what was sent may be a password.
        faults = [
            {"where": ".".join(map(str, fault["loc"])), "what": fault["msg"]} for fault in error.errors()
        ]
        first = "; ".join(f"{fault['where']}: {fault['what']}" for fault in faults[:3])
        return answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, first, None, {"faults": faults})

    @app.exception_handler(Exception)
    async def fail(request: Request, _error: Exception) -> Response:
        # Whoever serves the application logs the error; strangers learn nothing of it.
        return answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here", None, {})

    @app.exception_handler(BadSearch)
    async def refuse_search(request: Request, error: BadSearch) -> Response:
        return answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, str(error), None, {})

    @app.exception_handler(StorageError)
    async def refuse_object(request: Request, error: StorageError) -> Response:
        missing = isinstance(error, ObjectMissing | StoreMissing)
        status = HTTPStatus.NOT_FOUND if missing else HTTPStatus.BAD_GATEWAY
        return answer(request, status, str(error), None, {})

    @app.exception_handler(SQLAlchemyError)
    async def refuse_database(request: Request, error: SQLAlchemyError) -> Response:
        if not outage.is_outage(error):
            raise error
        log.warning("database: %s", error)
        detail = (
            "the database took too long over this"
            if outage.took_too_long(error)
            else "the database does not answer"
        )
        return answer(request, HTTPStatus.SERVICE_UNAVAILABLE, detail, None, {})

    def answer(
        request: Request,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None,
        members: Mapping[str, Any],
    ) -> Response:
        return page_of(request, status, detail, headers) or problem_response(status, detail, headers, members)


def problem_response(
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """The document for one refusal."""
    title = HTTPStatus(status).phrase
    # A path may hold half a character, which no answer can.
    detail = detail.encode(errors="replace").decode()
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **(members or {})}
    return JSONResponse(body, status, dict(headers or {}), MEDIA_TYPE)
