"""Which jobs may run beside which: as many as fit by the memory they are likely to need, in the order of asking.

Nothing waits for ever. Whoever asks first is served first, so a large job that waits for room is not overtaken by
small ones; what is larger than all there is gets all there is. Of jobs that fill more than half, one runs at a time;
others that come meanwhile are put by, holding no thread, for the thread that ends the one to go on with.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator

from workers import inbox

#: What proving a model takes, whatever its size: Keras's and TensorFlow's own pages, and small tensors.
BASE_BYTES = 400 << 20
#: And for every byte of its file: float64 is twice of float32, in the graph and beside it, and so are the traces of
#: all layers. Measured: see docs/fleet.md.
BYTES_A_BYTE = 12

_PUT_BY = 100
_POLL_SECONDS = 0.5


def estimate(size: int) -> int:
    """Bytes that the largest child of a job is likely to need for a model file of `size` bytes."""
    return BASE_BYTES + BYTES_A_BYTE * size


class Admission:
    """The memory of one worker, shared out among its jobs; safe for many threads."""

    def __init__(self, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        self._used = 0
        self._asking: deque[object] = deque()
        self._large_is_in = False
        self._put_by: deque[int] = deque(maxlen=_PUT_BY)
        self._changed = threading.Condition()

    def need_of(self, size: int, queue: str) -> int:
        """Bytes to set aside for a job; all there are for one that ran out of memory or needs more than these."""
        return self.memory_bytes if queue == inbox.LARGE_QUEUE else min(estimate(size), self.memory_bytes)

    @contextlib.contextmanager
    def admitted(self, job_id: int, need: int, stopping: Callable[[], bool]) -> Iterator[bool]:
        """Wait until `need` bytes are free and keep them while the context is open.

        False: not now, because the worker is `stopping`, or because a large job runs and this is another.
        """
        large = need > self.memory_bytes // 2
        if large and not self._begin_large(job_id):
            yield False
            return
        try:
            if not self._wait_for(need, stopping):
                yield False
                return
            try:
                yield True
            finally:
                self._change(used=-need)
        finally:
            if large:
                self._change(large_is_in=False)

    def next_large(self) -> int | None:
        """A large job that was put by, if one may begin now."""
        with self._changed:
            return None if self._large_is_in or not self._put_by else self._put_by.popleft()

    def _begin_large(self, job_id: int) -> bool:
        with self._changed:
            if not self._large_is_in:
                self._large_is_in = True
                return True
            if job_id not in self._put_by:
                self._put_by.append(job_id)
            return False

    def _wait_for(self, need: int, stopping: Callable[[], bool]) -> bool:
        ticket = object()
        with self._changed:
            self._asking.append(ticket)
            try:
                while self._asking[0] is not ticket or self._used + need > self.memory_bytes:
                    if stopping():
                        return False
                    self._changed.wait(_POLL_SECONDS)
                self._used += need
                return True
            finally:
                self._asking.remove(ticket)
                self._changed.notify_all()

    def _change(self, *, used: int = 0, large_is_in: bool | None = None) -> None:
        with self._changed:
            self._used += used
            if large_is_in is not None:
                self._large_is_in = large_is_in
            self._changed.notify_all()
