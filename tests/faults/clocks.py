"""A wall clock of a process's own, which is hours or days off, or jumps: time.time and datetime, under any name.

The kernel gives no process a wall clock of its own, so every module's name for one is replaced. What measures spans
(`time.monotonic`, and every wait of Python) goes on as it does when an administrator sets a clock.
"""

import datetime as dt
import random
import sys
import time
from collections.abc import Callable
from typing import Any

HOUR = 3600.0
DAY = 24 * HOUR
WRONG = (HOUR, -HOUR, DAY, -DAY)

_time = time.time
_datetime = dt.datetime


def wrong_by(seconds: float) -> Callable[[], float]:
    """A clock that is always as wrong."""
    return lambda: seconds


def jumping(every: float, noted: Callable[[], object]) -> Callable[[], float]:
    """A clock that is set anew every so often, by up to a day either way."""
    shift, since = 0.0, time.monotonic()

    def now() -> float:
        nonlocal shift, since
        if time.monotonic() - since > every:
            shift, since = random.uniform(-DAY, DAY), time.monotonic()
            noted()
        return shift

    return now


def install(shift: Callable[[], float]) -> None:
    """Make every module that is loaded tell the time `shift()` seconds late."""

    def wrong() -> float:
        return _time() + shift()

    class Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, _datetime)

    class Wrong(dt.datetime, metaclass=Kind):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return _datetime.fromtimestamp(wrong(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return _datetime.fromtimestamp(wrong(), dt.UTC).replace(tzinfo=None)

    for module in [*sys.modules.values()]:
        for name, value in [*vars(module).items()]:
            if module.__name__ == __name__:
                continue
            if value is _time:
                setattr(module, name, wrong)
            elif value is _datetime:
                setattr(module, name, Wrong)
