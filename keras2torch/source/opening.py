"""A path becomes a mapped file: regular, not too large, and judged on the open descriptor."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from keras2torch import errors
from keras2torch.source.limits import Limits


def mapped_file(path: Path, limits: Limits) -> mmap.mmap:
    """The bytes of `path`. Raises `RefusedFile` for what is no regular file, is empty or goes past `limits`."""
    with _open_regular(path, limits) as handle:
        try:
            return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise errors.Unreadable(f"cannot be mapped into memory ({error})") from error


class Unwritten:
    """Whether the file at a path is still as it was when this was made. One that took its place does not matter: what
    is mapped stays mapped.
    """

    def __init__(self, path: Path):
        self._path = path
        self._before = self._look()

    def check(self) -> None:
        """Raises `Unreadable` where somebody wrote to the file, so that what was read is of two minds."""
        now = self._look()
        if self._before is not None and now is not None:
            (same, before), (file, content) = self._before, now
            if file == same and content != before:
                raise errors.Unreadable("was written to while it was read", file=str(self._path))

    def _look(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Which file, and what is known of its content."""
        try:
            found = self._path.stat()
        except (OSError, ValueError):
            return None  # whoever opens it has more to say; one that was removed is still mapped
        return (found.st_dev, found.st_ino), (found.st_size, found.st_mtime_ns)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have every error name the file."""
    try:
        yield
    except errors.Keras2TorchError as error:
        raise error.in_file(str(path)) from error.__cause__


def _open_regular(path: Path, limits: Limits) -> BinaryIO:
    try:
        # Without blocking, because nobody may be at the other end of a named pipe.
        handle = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except IsADirectoryError as error:
        raise errors.Unreadable("not a regular file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise errors.Unreadable(f"cannot be opened ({reason})") from error
    try:
        # Judged on the open descriptor, so that a file swapped in later changes nothing.
        status = os.fstat(handle.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise errors.Unreadable("not a regular file")
        if status.st_size > limits.file_bytes:
            raise errors.LimitExceeded(f"{status.st_size} bytes, more than {limits.file_bytes}")
        if not handle.read(1):
            raise errors.NotHDF5("not an HDF5 file (empty)")
        return handle
    except OSError as error:
        handle.close()
        raise errors.Unreadable(f"cannot be read ({error.strerror})") from error
    except BaseException:
        handle.close()
        raise
