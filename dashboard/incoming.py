"""Models that somebody brings: checked by name, kept in the destination, planned as a batch of their own."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO

from dashboard.problems import Problem
from dashboard.security.roles import Principal
from dashboard.services import Services
from dashboard.uploads import FOLDER, new_folder
from db.queries import audit, inventory
from scheduler.discover import SUFFIXES
from storage import ObjectStore

_UNFIT = re.compile(r"[\x00-\x1f\x7f/\\\ud800-\udfff]")
_LONGEST = 150
_BLOCK = 4 << 20


def take(
    services: Services,
    who: Principal,
    dest: ObjectStore,
    files: Sequence[tuple[str, BinaryIO]],
    options: Mapping[str, Any],
) -> int:
    """Keep the files, each under its name in a folder of this upload, and plan them; returns the batch.

    Raises:
        Problem: one of them is no model by its name, or there is none.
        storage.errors.StorageError: the destination does not take them; what it took is gone again.
    """
    names = _names([name for name, _ in files])
    source = services.open_store(f"{dest.url}/{FOLDER}")
    folder = new_folder()
    kept: list[str] = []
    try:
        for name, (_, file) in zip(names, files, strict=True):
            key = f"{folder}/{name}"
            kept.append(key)
            _put(source, key, file)
        found = [source.stat(key) for key in sorted(kept)]
        with services.writes.begin() as session:
            batch = inventory.create_batch(
                session,
                source_url=source.url,
                dest_url=dest.url,
                converter_version=services.version,
                options=options,
                selection={"include": [f"{folder}/"]},
            )
            inventory.plan(session, batch, found)
            inventory.end_planning(session, batch)
            audit.write(session, who.actor, "upload", f"batch:{batch}", jobs=len(found))
    except BaseException:
        for key in kept:
            source.delete(key)
        raise
    return batch


def _put(store: ObjectStore, key: str, file: BinaryIO) -> None:
    with NamedTemporaryFile(prefix="upload-") as copy:
        while block := file.read(_BLOCK):
            copy.write(block)
        copy.flush()
        store.put_file(key, Path(copy.name))


def _names(given: Sequence[str]) -> list[str]:
    """A name of its own for each, none of which leads anywhere or hides anything."""
    if not given:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "no file came")
    names: list[str] = []
    for name in given:
        last = _UNFIT.sub("_", PurePosixPath(name.replace("\\", "/")).name).lstrip(".")
        path = PurePosixPath(last)
        if path.suffix.lower() not in SUFFIXES or not path.stem:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY, f"{last!r} is no model: those end in {', '.join(SUFFIXES)}"
            )
        stem, number = path.stem[:_LONGEST], 1
        fit = f"{stem}{path.suffix}"
        while fit in names:
            number += 1
            fit = f"{stem}-{number}{path.suffix}"
        names.append(fit)
    return names
