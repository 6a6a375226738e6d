"""Sends what lies in a store: whole, in part, as an address of the store's own, or many files as one archive.

Memory holds a block, whatever is sent.
"""

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import PurePosixPath
from urllib.parse import quote

from fastapi.responses import RedirectResponse, Response, StreamingResponse

from dashboard.problems import Problem
from db.queries.published import PublishedFile
from storage import ObjectStore

_BLOCK = 4 << 20
_ASKED_AT_ONCE = 16
"""Objects that one archive asks a store for: half of the connections that there are to it."""
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
# What some system takes for a separator or forbids, and what turns text round.
_UNFIT = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069]')
_EPOCH = (1980, 1, 1, 0, 0, 0)


def disposition(name: str, *, inline: bool = False) -> str:
    """A Content-Disposition for a file called `name`, whatever is in that name."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name) or "file"
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name.encode(errors='replace'), safe='')}"


def blocks_of(store: ObjectStore, key: str, start: int, stop: int) -> Iterator[bytes]:
    """The bytes of an object from `start` up to `stop`."""
    for at in range(start, stop, _BLOCK):
        yield store.read_range(key, at, min(at + _BLOCK, stop))


def send(
    store: ObjectStore,
    key: str,
    name: str,
    *,
    asked: str | None = None,
    media_type: str = "application/octet-stream",
    inline: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An object, or the one range of it that the header `asked` names; with `headers` besides those it needs.

    Raises:
        Problem: the range is not within it.
        storage.errors.StorageError: it is not there, or the store does not answer.
    """
    size = store.stat(key).size
    start, stop = _range_of(asked, size)
    sent = {
        **(headers or {}),
        "Accept-Ranges": "bytes",
        "Content-Length": str(stop - start),
        "Content-Disposition": disposition(name, inline=inline),
    }
    status = HTTPStatus.OK
    if (start, stop) != (0, size):
        status = HTTPStatus.PARTIAL_CONTENT
        sent["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return StreamingResponse(blocks_of(store, key, start, stop), status, sent, media_type)


def send_or_link(store: ObjectStore, file: PublishedFile, *, asked: str | None, seconds: int) -> Response:
    """A redirect to an address of the store's own, good for so many seconds, where it has such; or else the file."""
    name = PurePosixPath(file.name).name
    link = store.link(file.key, seconds, disposition(name)) if seconds else None
    if link is not None:
        return RedirectResponse(link, HTTPStatus.TEMPORARY_REDIRECT, {"Cache-Control": "no-store"})
    return send(store, file.key, name, asked=asked)


@dataclass(frozen=True)
class Member:
    """A file of an archive."""

    name: str
    store: ObjectStore
    key: str
    size: int


def members(
    files: Iterable[PublishedFile], open_store: Callable[[str], ObjectStore], *, folders: bool
) -> list[Member]:
    """The files as members of an archive; with `folders`, those of each job in a folder named after its source."""
    found: dict[str, Member] = {}
    for file in files:
        parts = (
            [*_parts(file.source_key.removesuffix(".h5")), *_parts(file.name)]
            if folders
            else _parts(file.name)
        )
        name = "/".join(parts)
        # Two sources may differ in what a path cannot say.
        if name in found:
            name = f"{file.job_id}/{name}"
        found[name] = Member(name, open_store(file.dest_url), file.key, file.size)
    return list(found.values())


def look_for(files: Iterable[Member]) -> None:
    """Ask for all of them, some at once: contents lie scattered by their hashes, so that no listing would have them.

    Raises: storage.errors.StorageError: one is not there, or its store does not answer.
    """
    # What many bundles share is one object.
    wanted = {(file.store.url, file.key): file for file in files}.values()
    with ThreadPoolExecutor(_ASKED_AT_ONCE, "look-for") as pool:
        for _ in pool.map(lambda file: file.store.stat(file.key), wanted):
            pass  # each raises what its store did


def archive(files: Iterable[Member]) -> Iterator[bytes]:
    """A zip of these, as it is made; nothing is compressed, for weights do not shrink."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as made:
        for file in files:
            info = zipfile.ZipInfo(file.name, _EPOCH)
            info.external_attr = 0o644 << 16
            with made.open(info, "w", force_zip64=file.size >= 1 << 31) as member:
                for block in blocks_of(file.store, file.key, 0, file.size):
                    member.write(block)
                    yield sink.taken()
    yield sink.taken()


class _Sink:
    """A file that cannot be sought in, whose content is taken from it while it grows."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def write(self, block: bytes, /) -> int:
        self._blocks.append(bytes(block))
        return len(block)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def taken(self) -> bytes:
        """What came since the last time."""
        blocks, self._blocks = self._blocks, []
        return b"".join(blocks)


def _parts(path: str) -> list[str]:
    """A path's parts, none of which leads out of where an archive is unpacked."""
    parts = [_UNFIT.sub("_", part) for part in path.split("/")]
    return [part for part in parts if part not in {"", ".", ".."}] or ["_"]


def _range_of(asked: str | None, size: int) -> tuple[int, int]:
    """What a Range header means; all of it where it means nothing or several ranges, as HTTP has it."""
    found = _RANGE.fullmatch(asked.strip()) if asked else None
    if found is None or found.groups() == ("", ""):
        return 0, size
    first, last = found.groups()
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
    if start >= stop:
        raise Problem(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            f"there are {size} bytes",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, stop
