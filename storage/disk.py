"""What the operating system says about a disk, in the words of `errors`."""

import errno
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from storage import errors

_MEANING: dict[int, type[errors.StorageError]] = {
    errno.ENOSPC: errors.DiskFull,
    errno.EDQUOT: errors.DiskFull,
    errno.EFBIG: errors.DiskFull,
    errno.EACCES: errors.StoreRefused,
    errno.EPERM: errors.StoreRefused,
    errno.EROFS: errors.StoreRefused,
    errno.ELOOP: errors.StoreRefused,
    errno.EISDIR: errors.StoreRefused,
    errno.EEXIST: errors.StoreRefused,
    errno.ENOENT: errors.ObjectMissing,
    errno.ENOTDIR: errors.ObjectMissing,
    errno.ENAMETOOLONG: errors.BadKey,
}


_FULL = {number for number, meaning in _MEANING.items() if meaning is errors.DiskFull}


@contextmanager
def local_errors(url: str, key: str | None) -> Iterator[None]:
    """Turns an OSError within into the storage error it means, naming this place."""
    try:
        yield
    except OSError as error:
        meaning = _MEANING.get(error.errno or 0, errors.StoreUnavailable)
        raise meaning(url, key, error.strerror or str(error)) from error


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The file, open; only opening it is judged here, so that the block's own errors stay its own."""
    with local_errors(str(path), None):
        file = path.open("rb")
    with file:
        yield file


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` if the block succeeds, and is gone if it does not."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as target:
            yield target
        temporary.replace(path)
    except OSError as error:
        # Whatever ails the place we copy to, it is no fault of the object: another try may fare better.
        meaning = errors.DiskFull if error.errno in _FULL else errors.StoreUnavailable
        raise meaning(str(path), None, f"cannot write: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
