"""What a job published, read from its store: model.py with its colours, the way of every weight."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from dashboard.api.parameters import JobId
from dashboard.pages.job import found
from dashboard.pages.rendering import render, visible
from dashboard.security.access import Viewer
from dashboard.services import Given, Reading, Services
from db.queries.job_detail import JobDetail
from storage.errors import StorageError

router = APIRouter()

_MODEL, _MANIFEST = "model.py", "manifest.json"
_MOST_SOURCE = 2 << 20
_MOST_JSON = 16 << 20


@router.get("/jobs/{number}/code")
def code(request: Request, viewer: Viewer, session: Reading, given: Given, number: JobId) -> HTMLResponse:
    """The emitted module."""
    job = found(session, number)
    content, problem = _read(given, job, _MODEL, _MOST_SOURCE)
    text = None if content is None else _coloured(content.decode("utf-8", "replace"))
    return render(request, viewer, "job_code.html", job=job, tab="code", code=text, problem=problem)


@router.get("/jobs/{number}/weights")
def weights(request: Request, viewer: Viewer, session: Reading, given: Given, number: JobId) -> HTMLResponse:
    """Which array of Keras became which tensor, and how."""
    job = found(session, number)
    content, problem = _read(given, job, _MANIFEST, _MOST_JSON)
    manifest: Mapping[str, Any] = {}
    if content is not None:
        try:
            manifest = json.loads(content)
        except ValueError:
            problem = "its manifest is no JSON"
    return render(
        request,
        viewer,
        "job_weights.html",
        job=job,
        tab="weights",
        weights=manifest.get("weights", []),
        parameters=manifest.get("parameters", {}),
        inputs=manifest.get("inputs", []),
        outputs=manifest.get("outputs", []),
        problem=problem,
    )


@router.get("/jobs/{number}/files")
def files(request: Request, viewer: Viewer, session: Reading, number: JobId) -> HTMLResponse:
    """The published files."""
    return render(request, viewer, "job_files.html", job=found(session, number), tab="files")


def _read(given: Services, job: JobDetail, name: str, most: int) -> tuple[bytes | None, str | None]:
    """A published file's content; or None, and why not."""
    file = next((file for file in job.artifacts if file.name == name), None)
    if file is None:
        return None, None
    if file.size > most:
        return None, f"{name} has {file.size} bytes; download it instead"
    try:
        return given.open_store(job.dest_url).read_bytes(file.key, max_bytes=most), None
    except StorageError as error:
        return None, str(error)


def _coloured(source: str) -> Markup:
    """Python as HTML in classes, which app.css colours; every line has a number to point at."""
    shown = "\n".join(visible(line.replace("\t", "    ")) for line in source.split("\n"))
    formatter = HtmlFormatter(linenos="table", lineanchors="line", wrapcode=True)
    return Markup(highlight(shown, PythonLexer(), formatter))  # noqa: S704 (Pygments escapes what it prints)
