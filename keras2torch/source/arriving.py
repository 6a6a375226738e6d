"""Files that are still arriving: whoever reads a stretch of one says so first, and waits until it is there.

The fleet's dry run looks at models in a bucket by ranged requests. The file it gives the reader is as long as the
object and empty; `bringing` names the function that fills in a stretch. In any other process there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_bring: Callable[[int, int], None] | None = None


def need(start: int, stop: int) -> None:
    """Return when the bytes from `start` up to `stop` of the file are there."""
    if _bring is not None:
        _bring(start, stop)


def is_complete() -> bool:
    """Whether all of the file is there, so that what is over all of it, as a checksum, can be looked at."""
    return _bring is None


@contextmanager
def within(start: int | None) -> Iterator[None]:
    """Have places be counted from `start`, as in a member of an archive; None: what is read is there already."""
    global _bring  # noqa: PLW0603
    outer = _bring
    if outer is None:
        yield
        return
    _bring = None if start is None else lambda first, stop: outer(start + first, start + stop)
    try:
        yield
    finally:
        _bring = outer


@contextmanager
def bringing(bring: Callable[[int, int], None]) -> Iterator[None]:
    """Have `bring` fill in what is read of the one file that this process reads within the block."""
    global _bring  # noqa: PLW0603  one file a process: a sandbox's child
    _bring = bring
    try:
        yield
    finally:
        _bring = None
