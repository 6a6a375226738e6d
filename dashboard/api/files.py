"""What jobs published: single files, the emitted module, the way of every weight, logs, whole bundles."""

import json
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from dashboard import sending
from dashboard.api import examples
from dashboard.api.parameters import NO_ZERO, BatchId, Fence, JobId, problems
from dashboard.problems import Problem, not_found
from dashboard.security.access import Viewer
from dashboard.services import Given, Services
from db.queries import batch_pages, published
from db.queries.job_pages import page_of_jobs
from db.queries.published import PublishedFile
from db.records import LogTail
from db.search import Field, Search, Term
from db.states import JobState

router = APIRouter(responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY))

_MOST_TEXT = 32 << 20
_JOBS_IN_ARCHIVE = 200
_LOG_END = 4 << 20
_STATE = "Fleet-Log"

Name = Annotated[str, Path(max_length=500, pattern=NO_ZERO, description="Path in the bundle: `model.py`.")]
Range = Annotated[str | None, Header(alias="Range", max_length=100, description="`bytes=0-1023`")]
_BINARY: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}}}
_ZIP: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {}}}}
_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}}


@router.get(
    "/jobs/{job}/files/{name:path}",
    summary="A file of the bundle",
    response_class=Response,
    responses=_BINARY,
    tags=["files"],
)
def one_file(
    _who: Viewer,
    services: Given,
    job: JobId,
    name: Name,
    asked: Range = None,
    stream: Annotated[bool, Query(description="Never by way of the store's own address.")] = False,
) -> Response:
    """By an address of the bucket's own that lasts minutes, where the destination is one; else from here."""
    file = file_of(services, job, name)
    seconds = 0 if stream else services.config.link_seconds
    return sending.send_or_link(services.open_store(file.dest_url), file, asked=asked, seconds=seconds)


@router.get(
    "/jobs/{job}/model.py",
    summary="The emitted module",
    response_class=PlainTextResponse,
    responses=_TEXT,
    tags=["files"],
)
def model(_who: Viewer, services: Given, job: JobId) -> Response:
    """As text."""
    file = file_of(services, job, "model.py")
    store = services.open_store(file.dest_url)
    return sending.send(store, file.key, "model.py", media_type="text/plain; charset=utf-8", inline=True)


@router.get("/jobs/{job}/manifest", summary="The bundle's manifest", tags=["files"])
def manifest(_who: Viewer, services: Given, job: JobId) -> dict[str, Any]:
    """Inputs, outputs, layers, weights, warnings, files with hashes."""
    return manifest_of(services, job)


@router.get(
    "/jobs/{job}/weights",
    summary="The way of every weight",
    responses={200: {"content": {"application/json": {"example": examples.WEIGHTS}}}},
    tags=["files"],
)
def weights(_who: Viewer, services: Given, job: JobId) -> list[dict[str, Any]]:
    """Which array of Keras became which tensor, and how."""
    found: list[dict[str, Any]] = manifest_of(services, job).get("weights", [])
    return found


@router.get(
    "/jobs/{job}/attempts/{fence}/log",
    summary="What an attempt's processes said",
    response_class=PlainTextResponse,
    responses=_TEXT,
    tags=["files"],
)
def log(
    _who: Viewer,
    services: Given,
    job: JobId,
    fence: Fence,
    asked: Range = None,
    tail: Annotated[int | None, Query(ge=1, le=100_000, description="Only so many lines at its end.")] = None,
) -> Response:
    """While the attempt runs, the end of it so far, a few seconds old; else as it was stored. 404: nothing was said.

    The header `Fleet-Log` is `live`, `stored`, or `partial`: the attempt has ended, and no more than this end was kept.
    Where it is not stored, `Fleet-Log-Said` is how many characters there were; those here are the last of them.
    """
    with services.reads() as session:
        found = published.log_of(session, job, fence)
    if found is None:
        raise not_found(f"attempt {fence} at job {job}")
    if found.state is None:
        raise not_found(f"log of attempt {fence} at job {job}")
    if found.key is None:
        so_far = found.tail or LogTail("", 0)
        told = {_STATE: found.state, "Fleet-Log-Said": str(so_far.said), "Cache-Control": "no-store"}
        return PlainTextResponse(_last(so_far.text, tail), headers=told)
    store = services.open_store(found.dest_url)
    if tail is None:
        return sending.send(
            store,
            found.key,
            f"job-{job}-{fence}.log",
            asked=asked,
            media_type="text/plain; charset=utf-8",
            inline=True,
            headers={_STATE: "stored"},
        )
    size = store.stat(found.key).size
    content = b"".join(sending.blocks_of(store, found.key, max(0, size - _LOG_END), size))
    return PlainTextResponse(_last(content.decode(errors="replace"), tail), headers={_STATE: "stored"})


@router.get(
    "/jobs/{job}/bundle.zip",
    summary="The whole bundle",
    response_class=StreamingResponse,
    responses=_ZIP,
    tags=["files"],
)
def bundle(_who: Viewer, services: Given, job: JobId) -> StreamingResponse:
    """Made while it is sent."""
    with services.reads() as session:
        files = published.files_of(session, [job])
    if not files:
        raise not_found(f"bundle of job {job}")
    name = PurePosixPath(files[0].source_key).name.removesuffix(".h5")
    return _archive(sending.members(files, services.open_store, folders=False), name)


@router.get(
    "/batches/{batch}/bundles.zip",
    summary="The bundles of a batch",
    response_class=StreamingResponse,
    responses={**_ZIP, **problems(HTTPStatus.CONFLICT)},
    tags=["files"],
)
def bundles(_who: Viewer, services: Given, batch: BatchId) -> StreamingResponse:
    """A folder for each model; of two hundred at most: for more there is the destination itself."""
    wanted = Search((Term(Field.BATCH, (batch,)), Term(Field.STATE, (JobState.SUCCEEDED,))))
    with services.reads() as session:
        if batch_pages.batch_row(session, batch) is None:
            raise not_found(f"batch {batch}")
        page = page_of_jobs(session, wanted, limit=_JOBS_IN_ARCHIVE)
        if page.after is not None:
            raise Problem(
                HTTPStatus.CONFLICT, f"more than {_JOBS_IN_ARCHIVE} bundles: take them from the destination"
            )
        files = published.files_of(session, [job.id for job in page.jobs])
    if not files:
        raise not_found(f"bundle in batch {batch} yet")
    return _archive(sending.members(files, services.open_store, folders=True), f"batch-{batch}")


def file_of(services: Services, job: int, name: str) -> PublishedFile:
    """One file of a job's bundle.

    Raises: Problem: it has none of that name.
    """
    with services.reads() as session:
        found = published.files_of(session, [job], name=name)
    if not found:
        raise not_found(f"file {name} of job {job}")
    return found[0]


def manifest_of(services: Services, job: int) -> dict[str, Any]:
    """The bundle's manifest.

    Raises:
        Problem: there is no bundle.
        storage.errors.StorageError: it cannot be read.
    """
    file = file_of(services, job, "manifest.json")
    found: dict[str, Any] = json.loads(
        services.open_store(file.dest_url).read_bytes(file.key, max_bytes=_MOST_TEXT)
    )
    return found


def _last(text: str, lines: int | None) -> str:
    """So many lines at its end; None: all of it."""
    return text if lines is None else "".join(text.splitlines(keepends=True)[-lines:])


def _archive(files: list[sending.Member], name: str) -> StreamingResponse:
    sending.look_for(files)  # what is not there is said before anything is sent
    headers = {"Content-Disposition": sending.disposition(f"{name}.zip")}
    return StreamingResponse(sending.archive(files), media_type="application/zip", headers=headers)
