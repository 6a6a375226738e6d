"""A folder as a store. Every file appears whole or not at all, and no key leads out of the folder."""

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from storage.disk import local_errors, reading, replacing
from storage.errors import (
    BadKey,
    ObjectChanged,
    ObjectDamaged,
    ObjectDiffers,
    ObjectMissing,
    StoreMissing,
    StoreRefused,
)
from storage.hashing import copy_hashed, sha256_of
from storage.leftovers import Leftover, in_folder
from storage.store import ObjectInfo, ProbeReport, PutResult
from storage.walk import TEMPORARY, walk

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.EMLINK})
"""What file systems say that have no hard links, or no more of them."""


class LocalStore:
    """The files below `root`, which is created when something is first put there."""

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))
        self.url = str(self._root)

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[ObjectInfo]:
        with local_errors(self.url, None):
            if not self._root.is_dir():
                raise StoreMissing(self.url, None, "no such folder")
            for key, found in walk(self.url, self._root, prefix, start_after or ""):
                yield _info(key, found)

    def stat(self, key: str) -> ObjectInfo:
        with self._open(key) as file:
            return _info(key, os.fstat(file.fileno()))

    def exists(self, key: str) -> bool:
        try:
            self.stat(key)
        except ObjectMissing:
            return False
        return True

    def fetch(self, key: str, path: Path, *, etag: str | None = None, version_id: str | None = None) -> str:
        with self._open(key) as source:
            before = _etag(os.fstat(source.fileno()))
            if version_id is not None or etag not in {None, before}:
                raise ObjectChanged(self.url, key, "it has changed since it was listed")
            with replacing(path) as target:
                sha256 = copy_hashed(source, target, reading=lambda: local_errors(self.url, key))
                if _etag(os.fstat(source.fileno())) != before:
                    raise ObjectChanged(self.url, key, "it was written to while being read")
        return sha256

    def read_bytes(self, key: str, *, max_bytes: int = 16 << 20) -> bytes:
        with self._open(key) as file, local_errors(self.url, key):
            data = file.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise StoreRefused(self.url, key, f"it is larger than {max_bytes} bytes")
        return data

    def read_range(
        self, key: str, start: int, stop: int, *, etag: str | None = None, version_id: str | None = None
    ) -> bytes:
        with self._open(key) as file, local_errors(self.url, key):
            data = os.pread(file.fileno(), stop - start, start)
            now = _etag(os.fstat(file.fileno()))
        if version_id is not None or etag not in {None, now}:
            raise ObjectChanged(self.url, key, "it has changed since it was listed")
        if len(data) != stop - start:
            raise ObjectDamaged(self.url, key, f"{len(data)} of {stop - start} bytes came")
        return data

    def link(self, key: str, seconds: int, disposition: str) -> str | None:  # noqa: ARG002
        return None

    def put_file(
        self, key: str, path: Path, *, if_absent: bool = True, sha256: str | None = None
    ) -> PutResult:
        if if_absent and self.exists(key):
            return self._there(key, sha256)

        def write(target: BinaryIO) -> None:
            with reading(path) as source:
                found = copy_hashed(source, target, reading=lambda: local_errors(str(path), None))
            if sha256 is not None and found != sha256:
                raise ObjectDamaged(str(path), None, f"its SHA-256 is {found}, not {sha256}")

        created = self._publish(key, write, if_absent=if_absent)
        return PutResult(created=True) if created else self._there(key, sha256)

    def put_bytes(self, key: str, data: bytes, *, if_absent: bool = True) -> PutResult:
        def write(target: BinaryIO) -> None:
            target.write(data)

        return PutResult(created=self._publish(key, write, if_absent=if_absent))

    def copy(self, key: str, to: str) -> None:
        path = self._path(key)
        with self._open(key), local_errors(self.url, to):
            folder = self._folder_for(to)
            temporary = folder / f"{TEMPORARY}{secrets.token_hex(8)}"
            try:
                temporary.hardlink_to(path)
                temporary.replace(self._path(to))
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self.put_file(to, path, if_absent=False)
            finally:
                # Still there where both were one file already: then a rename does nothing.
                temporary.unlink(missing_ok=True)
            _sync_folder(folder)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with local_errors(self.url, key), suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()

    def leftovers(self) -> Iterator[Leftover]:
        with local_errors(self.url, None):
            yield from in_folder(self._root)

    def discard(self, leftover: Leftover) -> None:
        self.delete(leftover.key)

    def probe(self, *, write: bool) -> ProbeReport:
        if not write:
            next(self.list(), None)
            return ProbeReport(writable=False, conditional_writes=False, clock_skew_seconds=None)
        key = f"{TEMPORARY}probe-{secrets.token_hex(8)}"
        first = self.put_bytes(key, b"")
        second = self.put_bytes(key, b"")
        self.delete(key)
        atomic = first.created and not second.created
        return ProbeReport(writable=True, conditional_writes=atomic, clock_skew_seconds=None)

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if any(part in {"", ".", ".."} for part in parts) or "\0" in key:
            raise BadKey(self.url, key, "the key has an empty part, `.`, `..` or a zero byte")
        return self._root.joinpath(*parts)

    def _folder_for(self, key: str) -> Path:
        """The folder in which `key` is to be, made if need be."""
        folder = self._path(key).parent
        folder.mkdir(parents=True, exist_ok=True)
        if not Path(os.path.realpath(folder)).is_relative_to(self._root):
            raise StoreRefused(self.url, key, "a symbolic link leads out of the folder")
        return folder

    @contextmanager
    def _open(self, key: str) -> Iterator[BinaryIO]:
        path = self._path(key)
        with local_errors(self.url, key):
            real = Path(os.path.realpath(path, strict=True))
            if not real.is_relative_to(self._root):
                raise StoreRefused(self.url, key, "a symbolic link leads out of the folder")
            # Without O_NONBLOCK, opening a pipe would wait for its writer, for ever.
            handle = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise ObjectMissing(self.url, key, "it is not a regular file")
        with os.fdopen(handle, "rb") as file:
            yield file

    def _there(self, key: str, sha256: str | None) -> PutResult:
        if sha256 is not None:
            with self._open(key) as file:
                found = sha256_of(file, reading=lambda: local_errors(self.url, key))
            if found != sha256:
                raise ObjectDiffers(self.url, key, f"it is there with SHA-256 {found}, not {sha256}")
        return PutResult(created=False)

    def _publish(self, key: str, write: Callable[[BinaryIO], None], *, if_absent: bool) -> bool:
        """Writes a temporary neighbour, makes it durable, then gives it the name in one step."""
        path = self._path(key)
        with local_errors(self.url, key):
            temporary = self._folder_for(key) / f"{TEMPORARY}{secrets.token_hex(8)}"
            try:
                with temporary.open("xb") as target:
                    write(target)
                    target.flush()
                    os.fsync(target.fileno())
                created = _name(temporary, path, if_absent=if_absent)
            finally:
                temporary.unlink(missing_ok=True)
            if created:
                _sync_folder(path.parent)
        return created


def _name(temporary: Path, path: Path, *, if_absent: bool) -> bool:
    if not if_absent:
        temporary.replace(path)
        return True
    try:
        # A link, unlike a rename, fails where the name is taken.
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    except PermissionError:
        # Some file systems (FAT, some network mounts) have no hard links and say EPERM.
        if path.exists():
            return False
        temporary.replace(path)
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _etag(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"


def _info(key: str, found: os.stat_result) -> ObjectInfo:
    return ObjectInfo(
        key=key,
        size=found.st_size,
        etag=_etag(found),
        version_id=None,
        last_modified=datetime.fromtimestamp(found.st_mtime, UTC),
    )
