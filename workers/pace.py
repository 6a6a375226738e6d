"""How long a job is likely to take, judged by those of like size that this worker has done."""

import statistics
from collections import deque

#: Files within this factor of one another are of like size.
_LIKE = 4
#: So many of like size are enough to judge by.
_ENOUGH = 3


class Pace:
    """What lately finished jobs took; safe for many threads."""

    def __init__(self, remembered: int = 200) -> None:
        self._done: deque[tuple[int, float]] = deque(maxlen=remembered)

    def note(self, size: int, seconds: float) -> None:
        """A job over a file of `size` bytes took `seconds`."""
        self._done.append((size, seconds))

    def expected(self, size: int) -> float | None:
        """Seconds that half of the jobs of like size took at most; None: there were too few to say."""
        like = [took for done, took in tuple(self._done) if done <= size * _LIKE and size <= done * _LIKE]
        return statistics.median(like) if len(like) >= _ENOUGH else None
