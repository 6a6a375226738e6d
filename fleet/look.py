"""Looks at one model where it lies: ranged requests for what its reader, a confined child, asks for."""

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras2torch.options import ConversionOptions
from keras2torch.sandbox import Limits, Sandbox
from storage.errors import StorageError
from storage.store import ObjectInfo, ObjectStore
from workers import recipe
from workers.looking import BLOCK

MOST_BYTES = 64 << 20
"""What may be fetched of one model."""
_MOST_REQUESTS = 20_000
_SECONDS = 300.0
_FIRST_BYTES = 8 * BLOCK
_MEMORY_BYTES = 1 << 30


@dataclass
class Look:
    """What one model is, and what it cost to see that."""

    layers: Mapping[str, int] = field(default_factory=dict)
    """How often each class occurs; empty where the file was refused."""
    reasons: tuple[tuple[str, str], ...] = ()
    """(kind, class) of each reason why it would not convert."""
    problem: str | None = None
    """Why it could not be looked into: refused, or not to be had."""
    kind: str | None = None
    """The problem's kind."""
    fetched_bytes: int = 0
    requests: int = 0


class Looker:
    """A confined reader. Any number of threads may call `look`."""

    def __init__(self, options: ConversionOptions | None = None) -> None:
        self._sandbox = Sandbox(("workers.looking",))
        self._folder = Path(tempfile.mkdtemp(prefix="fleet-look-"))
        self._options = recipe.row_of(options or ConversionOptions())
        self._given: tuple[Path, ...] = ()
        architecture = options.architecture if options is not None else None
        if architecture is not None:
            self._options["architecture"] = architecture.name
            if architecture.text is not None:
                path = self._folder / architecture.name
                path.write_bytes(architecture.text)
                self._given = (path,)
                self._options["architecture"] = str(path)

    def __enter__(self) -> "Looker":
        return self

    def __exit__(self, *_: object) -> None:
        self._sandbox.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def look(self, store: ObjectStore, found: ObjectInfo) -> Look:
        """Inspect one object. What goes wrong with it is said by what is returned."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            return _Visit(store, found, Path(folder)).see(self._sandbox, self._options, self._given)


class _Visit:
    def __init__(self, store: ObjectStore, found: ObjectInfo, folder: Path) -> None:
        self._store = store
        self._found = found
        self._work = folder / "work"
        self._source = folder / "model.h5"
        self._arrived = folder / "arrived"
        self._look = Look()
        self._failed: StorageError | None = None
        self._stop = threading.Event()

    def see(self, sandbox: Sandbox, options: Mapping[str, Any], given: tuple[Path, ...]) -> Look:
        self._work.mkdir()
        self._arrived.touch()
        with self._source.open("wb") as file:
            file.truncate(self._found.size)
        try:
            there = self._begin()
        except StorageError as error:
            return self._cannot(error.kind, str(error))
        payload = {
            "source": str(self._source),
            "arrived": str(self._arrived),
            "there": there,
            "name": self._found.key,
            "options": dict(options),
        }
        outcome = sandbox.run(
            "workers.looking:look",
            payload,
            workdir=self._work,
            readable=(self._source, self._arrived, *given),
            limits=Limits(wall_s=_SECONDS, memory_bytes=_MEMORY_BYTES),
            cancel=self._stop,
            on_progress=self._bring,
        )
        if self._failed is not None:
            return self._cannot(self._failed.kind, str(self._failed))
        if self._stop.is_set():
            return self._cannot(
                "too-large", f"{self._found.key}: it takes more than {MOST_BYTES} bytes to see"
            )
        if outcome.error is not None:
            return self._cannot(outcome.error["kind"], f"{self._found.key}: {outcome.error['message']}")
        if (refused := outcome.result.get("refused")) is not None:
            return self._cannot(refused["kind"], refused["message"])
        self._look.layers = {str(name): int(count) for name, count in outcome.result["layers"].items()}
        self._look.reasons = tuple((str(kind), str(name)) for kind, name in outcome.result["reasons"])
        return self._look

    def _begin(self) -> list[int]:
        """Fetch the first blocks, which every reader needs; their numbers."""
        start = self._fetch(0, _FIRST_BYTES)
        return list(range(-(-len(start) // BLOCK)))

    def _bring(self, fields: dict[str, Any]) -> None:
        """What the child asks for. It is not to be trusted: any range of this one object, and only so many."""
        match fields.get("need"):
            case [int() as start, int() as stop] if 0 <= start < stop:
                pass
            case _:
                self._stop.set()
                return
        spent = self._look.fetched_bytes + min(stop, self._found.size) - start
        if spent > MOST_BYTES or self._look.requests >= _MOST_REQUESTS:
            self._stop.set()
            return
        try:
            self._fetch(start, stop)
        except StorageError as error:
            self._failed = error
            self._stop.set()
            return
        with self._arrived.open("ab") as file:
            file.write(b".")

    def _fetch(self, start: int, stop: int) -> bytes:
        stop = min(stop, self._found.size)
        if stop <= start:
            return b""
        found = self._found
        data = self._store.read_range(found.key, start, stop, etag=found.etag, version_id=found.version_id)
        handle = os.open(self._source, os.O_WRONLY)
        with contextlib.closing(os.fdopen(handle, "wb", buffering=0)) as file:
            os.pwrite(file.fileno(), data, start)
        self._look.fetched_bytes += len(data)
        self._look.requests += 1
        return data

    def _cannot(self, kind: str, problem: str) -> Look:
        self._look.kind, self._look.problem = kind, problem
        return self._look
