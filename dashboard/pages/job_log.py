"""What the processes of a job's attempts say: while one runs, and afterwards."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from dashboard.api.parameters import JobId
from dashboard.pages.job import found
from dashboard.pages.rendering import render, visible
from dashboard.security.access import Viewer
from dashboard.services import Given, Reading
from db.queries import live_log
from storage import ObjectStore
from storage.errors import StorageError

router = APIRouter()

_END = 64 << 10


@dataclass(frozen=True)
class _Words:
    """The end of a log, each line as it may be printed."""

    lines: list[str]
    cut: bool
    """Whether there was more before it."""
    said: int = 0
    """Characters of all of a log that is not stored."""


@router.get("/jobs/{number}/log")
def log(
    request: Request,
    viewer: Viewer,
    session: Reading,
    given: Given,
    number: JobId,
    attempt: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    """The end of what an attempt's processes said; of the newest that runs or said anything, unless told which."""
    job = found(session, number)
    spoke = [row for row in job.attempts if row.has_log]
    chosen = next((row for row in reversed(spoke) if attempt in {None, row.fence}), None)
    words, problem = None, None
    if chosen is not None and chosen.log_key is None:
        at = (job.id, chosen.fence)
        tail = live_log.tails(session, [at]).get(at)
        words = _Words([], cut=False)
        if tail is not None:
            words = _Words(_lines(tail.text), cut=tail.said > len(tail.text), said=tail.said)
    elif chosen is not None and chosen.log_key is not None:
        try:
            words = _stored(given.open_store(job.dest_url), chosen.log_key)
        except StorageError as error:
            problem = str(error)
    return render(
        request,
        viewer,
        "job_log.html",
        job=job,
        tab="log",
        spoke=spoke,
        chosen=chosen,
        words=words,
        problem=problem,
    )


def _stored(store: ObjectStore, key: str) -> _Words:
    size = store.stat(key).size
    start = max(size - _END, 0)
    lines = _lines(store.read_range(key, start, size).decode("utf-8", "replace"))
    return _Words(lines[1:] if start else lines, cut=start > 0)


def _lines(text: str) -> list[str]:
    return [visible(line) for line in text.split("\n")]
