"""Answers that are dear to find and may be a moment old: found once for everybody who asks."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

_T = TypeVar("_T")

_KEYS = 2000
_SHARE = 20
"""An answer that took long is kept so many times as long: finding it never takes more than a twentieth of a core."""
_OLDEST = 10
"""An answer older than so many times its age limit is shown to nobody."""


@dataclass
class _Answer:
    finding: threading.Lock = field(default_factory=threading.Lock)
    value: Any = None
    found_at: float = float("-inf")
    keep: float = 0.0


class Remembered:
    """A memory of answers by key. While one caller finds an answer anew, the others get the old one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()

    def get(self, key: Hashable, seconds: float, find: Callable[[], _T]) -> _T:
        """What `find` returns, or returned within the last `seconds`; 0: always anew."""
        if seconds <= 0:
            return find()
        with self._lock:
            answer = self._answers.setdefault(key, _Answer())
            self._answers.move_to_end(key)
            while len(self._answers) > _KEYS:
                self._answers.popitem(last=False)
        age = time.monotonic() - answer.found_at
        if age < answer.keep:
            return cast("_T", answer.value)
        stale = age < answer.keep * _OLDEST
        if not answer.finding.acquire(blocking=not stale):
            return cast("_T", answer.value)
        try:
            # Whoever waited may have been waiting for exactly this.
            if time.monotonic() - answer.found_at >= answer.keep:
                began = time.monotonic()
                answer.value = find()
                answer.found_at = time.monotonic()
                answer.keep = max(seconds, _SHARE * (answer.found_at - began))
            return cast("_T", answer.value)
        finally:
            answer.finding.release()
