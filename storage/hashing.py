"""Copying and hashing in one pass, so that what was hashed is what was copied."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

_BLOCK = 1 << 20


class Readable(Protocol):
    """What can be read in blocks: a file, or the body of an HTTP answer."""

    def read(self, size: int, /) -> bytes: ...


Reading = Callable[[], AbstractContextManager[None]]
"""Makes the context of one read, so that a failure to read is never taken for a failure to write."""


def copy_hashed(
    source: Readable, target: BinaryIO, *, reading: Reading, md5: "hashlib._Hash | None" = None
) -> str:
    """Copies all of `source` to `target`; returns the hex SHA-256. `md5` is brought up to date too, where given."""
    digest = hashlib.sha256()
    for block in _blocks(source, reading):
        digest.update(block)
        if md5 is not None:
            md5.update(block)
        target.write(block)
    return digest.hexdigest()


def sha256_of(source: Readable, *, reading: Reading) -> str:
    """The hex SHA-256 of all of `source`."""
    digest = hashlib.sha256()
    for block in _blocks(source, reading):
        digest.update(block)
    return digest.hexdigest()


def _blocks(source: Readable, reading: Reading) -> Iterator[bytes]:
    while True:
        with reading():
            block = source.read(_BLOCK)
        if not block:
            return
        yield block
