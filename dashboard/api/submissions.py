"""New work: a source to be listed, or files that are brought; counted first, then planned as a batch."""

import time
from http import HTTPStatus
from itertools import islice
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from dashboard import incoming, places
from dashboard.api.parameters import Address, ApiModel, example, problems
from dashboard.api.recipes import Options, Taken, recipe_of, selection_of
from dashboard.problems import Problem
from dashboard.security.access import Operator
from dashboard.services import Given, Services, of
from db.queries import audit, foresight, inventory
from scheduler import discover
from scheduler.selection import Selection
from storage import ObjectStore

router = APIRouter(
    prefix="/submissions",
    tags=["submissions"],
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY),
)

UPLOADS = "/api/v1/submissions/files"
"""Where bodies may be large."""
_LISTED = 50_000
_LIST_SECONDS = 10.0
_EXAMPLES = 50
_FILES = 1000


class Asked(Taken):
    """A source to be converted."""

    model_config = example(
        source="s3://zoo/models",
        dest="s3://zoo/torch",
        exclude=["old/**"],
        options={"export": ["onnx"]},
        dry_run=True,
    )

    source: Address
    """A folder or `s3://bucket/prefix` with models."""
    dest: Address | None = None
    """Where bundles go; left out: where this dashboard is set to, or where the newest batch went."""
    options: Options = Options()
    dry_run: bool = False
    """List and count, and do nothing."""


class Example(ApiModel):
    """A model that was listed."""

    key: str
    size: int
    outlook: foresight.Outlook


class Forecast(ApiModel):
    """What planning it would come to."""

    source: str
    dest: str
    listed: int
    """Objects that were listed."""
    models: int
    """Of these, models that are taken."""
    bytes: int
    """Of those that get a new job."""
    outlooks: dict[foresight.Outlook, int]
    """Models by what becomes of them: `known` ones get no new job."""
    complete: bool
    """False: the source goes on; only its beginning was listed."""
    examples: list[Example]


class Submitted(ApiModel):
    """What was planned."""

    batch: int | None
    """Null: it was a dry run."""
    forecast: Forecast | None
    """Null: it was none."""


class Brought(ApiModel):
    """Files that were taken in."""

    batch: int
    files: int
    bundles: str
    """Where the result comes from, as one zip, once the batch is finished."""


@router.post("", summary="Convert what is in a store", response_model=Submitted, status_code=202)
def submit(who: Operator, services: Given, response: Response, asked: Asked) -> Submitted:
    """With `dry_run`, 200 and what it would come to; else a batch, which a scheduler lists."""
    selection, options = selection_of(asked), recipe_of(services, asked.options)
    source = places.store_at(services, who, asked.source, write=False)
    dest = places.destination(services, who, asked.dest)
    if asked.dry_run:
        response.status_code = HTTPStatus.OK
        return Submitted(batch=None, forecast=forecast(services, source, dest, selection, options))
    with services.writes.begin() as session:
        batch = inventory.create_batch(
            session,
            source_url=source.url,
            dest_url=dest.url,
            converter_version=services.version,
            options=options,
            selection=selection.as_json(),
            left_to_scheduler=True,
        )
        audit.write(session, who.actor, "submit", f"batch:{batch}", data={"source": source.url})
    return Submitted(batch=batch, forecast=None)


async def bounded(request: Request) -> None:
    """Before anything of the body is read."""
    announced = request.headers.get("content-length", "")
    if not announced.isdecimal():
        raise Problem(HTTPStatus.LENGTH_REQUIRED, "say how long it is: Content-Length")
    largest = of(request).config.upload_bytes
    if int(announced) > largest:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"an upload has at most {largest} bytes")


_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "options": {"type": "string", "description": "`Options` as JSON."},
                        "dest": {"type": "string"},
                    },
                }
            }
        },
    }
}


@router.post(
    "/files",
    summary="Convert files that are sent along",
    response_model=Brought,
    status_code=202,
    dependencies=[Depends(bounded)],
    openapi_extra=_FORM,
    responses=problems(HTTPStatus.LENGTH_REQUIRED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
)
async def bring(who: Operator, services: Given, request: Request) -> Brought:
    """Kept in the destination below `uploads/`, and planned as a batch at once."""
    # Not as parameters: those are read before it is known who sends them.
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "files come as multipart/form-data")
    async with request.form(max_files=_FILES, max_fields=20) as form:
        files = [each for each in form.getlist("files") if isinstance(each, UploadFile) and each.filename]
        text, dest_url = form.get("options"), form.get("dest")
        try:
            options = Options.model_validate_json(text) if isinstance(text, str) and text else Options()
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"options.{where}: {first['msg']}") from error

        def keep() -> int:
            dest = places.destination(
                services, who, dest_url if isinstance(dest_url, str) and dest_url else None
            )
            given = [(str(each.filename), each.file) for each in files]
            return incoming.take(services, who, dest, given, recipe_of(services, options))

        batch = await run_in_threadpool(keep)
    where = str(request.url_for("bundles", batch=batch))
    return Brought(batch=batch, files=len(files), bundles=where)


def forecast(
    services: Services, source: ObjectStore, dest: ObjectStore, selection: Selection, options: dict[str, Any]
) -> Forecast:
    """What planning `source` would come to, from as much of it as can be listed in ten seconds.

    Raises: storage.errors.StorageError: it cannot be listed.
    """
    deadline = time.monotonic() + _LIST_SECONDS
    listed, bytes_, complete = 0, 0, True
    outlooks: dict[foresight.Outlook, int] = dict.fromkeys(foresight.Outlook, 0)
    examples: list[Example] = []
    listing = source.list()
    for page in discover.pages(islice(listing, _LISTED)):
        listed += len(page)
        models = list(discover.models(page, selection))
        with services.reads() as session:
            found = foresight.outlook(
                session,
                models,
                source_url=source.url,
                dest_url=dest.url,
                converter_version=services.version,
                options=options,
            )
        for model, outlook in zip(models, found, strict=True):
            outlooks[outlook] += 1
            bytes_ += model.size if outlook.is_work else 0
            if len(examples) < _EXAMPLES:
                examples.append(Example(key=model.key, size=model.size, outlook=outlook))
        if time.monotonic() > deadline:
            complete = False
            break
    return Forecast(
        source=source.url,
        dest=dest.url,
        listed=listed,
        models=sum(outlooks.values()),
        bytes=bytes_,
        outlooks=outlooks,
        complete=complete and next(listing, None) is None,
        examples=examples,
    )
