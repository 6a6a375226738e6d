"""What endpoints share: the forms of what comes in, each with its limits, and the base of what goes out."""

import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, StringConstraints

from dashboard.api import examples
from dashboard.problems import MEDIA_TYPE, Problem
from db.queries.job_pages import Place

_LARGEST = 2**63 - 1
NO_ZERO = r"^[^\x00]*$"
"""PostgreSQL has no text with a zero byte."""

Line = Annotated[str, StringConstraints(max_length=200, pattern=NO_ZERO)]
"""A name or the like."""
Address = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=NO_ZERO)]
"""Of a store: a folder or `s3://bucket/prefix`."""

Name = Annotated[str, Path(min_length=1, max_length=100, pattern=NO_ZERO)]
"""Of a view or a schedule."""
JobId = Annotated[int, Path(ge=1, le=_LARGEST, description="Number of a job.")]
BatchId = Annotated[int, Path(ge=1, le=_LARGEST, description="Number of a batch.")]
Fence = Annotated[int, Path(ge=1, le=_LARGEST, description="Number of an attempt at the job, from 1.")]
Before = Annotated[int | None, Query(ge=1, le=_LARGEST, description="Only those below this number.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Q = Annotated[
    str,
    Query(
        max_length=2000,
        description="Which jobs, in the filter language: `state:failed,quarantined error:unsupported layer:LSTM"
        " key:resnet -batch:3 finished-after:24h`. Empty: all.",
        examples=["state:failed layer:LSTM"],
    ),
]
Cursor = Annotated[str | None, Query(max_length=100, pattern=r"^[0-9TZ.~]*$")]

_PLACE = re.compile(r"(?:(\d{8}T\d{6}\.\d{6}Z)~)?(\d{1,19})", re.ASCII)
_MOMENT = "%Y%m%dT%H%M%S.%fZ"


class ApiModel(BaseModel):
    """Made from rows by the names of their fields; documented by the strings under its own."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True, extra="forbid")


def example(**values: Any) -> ConfigDict:
    """For a model's `model_config`: what one of it may look like in the document."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class ProblemDocument(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def problems(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """For `responses`: that these are answered as problem documents; 401, 403 and 422 always are."""
    always = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY)
    schema = ProblemDocument.model_json_schema()
    return {
        int(status): {
            "description": status.phrase,
            "content": {MEDIA_TYPE: {"schema": schema, "example": examples.problem(status)}},
        }
        for status in (*always, *statuses)
    }


def cursor_of(place: Place | None) -> str | None:
    """A place in a list of jobs, as text for a URL."""
    if place is None:
        return None
    if place.finished_at is None:
        return str(place.id)
    return f"{place.finished_at.astimezone(UTC).strftime(_MOMENT)}~{place.id}"


def place_of(cursor: str | None, *, by_end: bool) -> Place | None:
    """The place that `cursor_of` wrote.

    Raises: Problem: it is no cursor, or one of another order.
    """
    if cursor is None:
        return None
    found = _PLACE.fullmatch(cursor)
    if found is None or (found[1] is not None) is not by_end or not 0 < int(found[2]) <= _LARGEST:
        raise bad_cursor()
    if found[1] is None:
        return Place(int(found[2]))
    try:
        return Place(int(found[2]), datetime.strptime(found[1], _MOMENT).replace(tzinfo=UTC))
    except ValueError:
        raise bad_cursor() from None


def bad_cursor() -> Problem:
    """422."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "not a cursor of this list: take it from the page before")
