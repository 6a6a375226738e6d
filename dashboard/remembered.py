"""Answers that are dear to find and may be a moment old: found once for everybody who asks.

What is found quickly is found anew by whoever asks when it is old. What took long is shown old meanwhile, and one
thread in the background finds it anew: nobody waits for it, and it never takes more than a quarter of a core.
"""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, cast

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_KEYS = 2000
_SHARE = 20
"""An answer that took long is kept so many times as long: finding it never takes more than a twentieth of a core."""
_OLDEST = 10
"""An answer older than so many times its age limit is shown to nobody."""
_OLDEST_SECONDS = 120.0
"""But one that takes long may be so old."""
_QUICK_SECONDS = 0.02
"""Who asks does not notice so much."""
_REST = 3
"""The thread rests so many times as long as it worked."""

_oldest: ContextVar[float] = ContextVar("oldest")


def oldest_seconds() -> float:
    """How old the oldest answer is that was given in this context and is older than was asked for; 0: none is."""
    found_at = _oldest.get(None)
    return 0.0 if found_at is None else time.monotonic() - found_at


class _Found(NamedTuple):
    value: Any
    at: float
    took: float
    keep: float


_NOTHING = _Found(None, float("-inf"), 0.0, 0.0)


@dataclass
class _Answer:
    finding: threading.Lock = field(default_factory=threading.Lock)
    found: _Found = _NOTHING
    is_due: bool = False
    """Whether the thread is to find it anew."""

    def find(self, seconds: float, find: Callable[[], Any], *, wait: bool) -> None:
        """Find it anew if it is old; without `wait`, not where another does so."""
        if not self.finding.acquire(blocking=wait):
            return
        try:
            # Whoever waited may have been waiting for exactly this.
            if time.monotonic() - self.found.at >= self.found.keep:
                began = time.monotonic()
                value = find()
                ended = time.monotonic()
                self.found = _Found(value, ended, ended - began, max(seconds, _SHARE * (ended - began)))
        finally:
            self.finding.release()


class Remembered:
    """A memory of answers by key. While one caller finds an answer anew, the others get the old one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._due: deque[tuple[_Answer, float, Callable[[], Any]]] = deque()
        self._thread: threading.Thread | None = None

    def get(self, key: Hashable, seconds: float, find: Callable[[], _T], *, ahead: bool = False) -> _T:
        """What `find` returns, or returned within the last `seconds`; 0: always anew. It may have been longer ago where
        finding it takes long, in which case it is being found anew.

        `ahead`: for a caller who has time, and whom it leaves with an answer that is not due to be found anew, unless
        it is one that is found quickly.
        """
        if seconds <= 0:
            return find()
        with self._lock:
            answer = self._answers.setdefault(key, _Answer())
            self._answers.move_to_end(key)
            while len(self._answers) > _KEYS:
                self._answers.popitem(last=False)
        found = answer.found
        age = time.monotonic() - found.at
        if age >= found.keep:
            is_quick = found.took < _QUICK_SECONDS
            is_usable = age < max(found.keep * _OLDEST, 0.0 if is_quick else _OLDEST_SECONDS)
            if not is_usable:
                answer.find(seconds, find, wait=True)
            elif ahead != is_quick:
                answer.find(seconds, find, wait=ahead)
            elif not ahead:
                self._find_later(answer, seconds, find)
            found = answer.found
        if time.monotonic() - found.at > seconds:
            _oldest.set(min(found.at, _oldest.get(found.at)))
        return cast("_T", found.value)

    def _find_later(self, answer: _Answer, seconds: float, find: Callable[[], Any]) -> None:
        with self._lock:
            if answer.is_due:
                return
            answer.is_due = True
            self._due.append((answer, seconds, find))
            if self._thread is None:
                self._thread = threading.Thread(target=self._find_due, name="figures", daemon=True)
                self._thread.start()

    def _find_due(self) -> None:
        while True:
            with self._lock:
                if not self._due:
                    self._thread = None
                    return
                answer, seconds, find = self._due.popleft()
            began = time.monotonic()
            try:
                answer.find(seconds, find, wait=True)
            except Exception:  # whoever asks when the old answer is too old meets it, too
                log.exception("a figure cannot be found anew")
            answer.is_due = False
            time.sleep(_REST * (time.monotonic() - began))
