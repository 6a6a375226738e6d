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


@contextmanager
def bringing(bring: Callable[[int, int], None]) -> Iterator[None]:
    """Have `bring` fill in what is read of the one file that this process reads within the block."""
    global _bring  # noqa: PLW0603  one file a process: a sandbox's child
    _bring = bring
    try:
        yield
    finally:
        _bring = None
