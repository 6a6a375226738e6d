"""How long what is left will take, from how fast it went of late: pure arithmetic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """Seconds until nothing is left: in the middle, and the ends of what is likely."""

    seconds: float
    soonest: float
    latest: float | None
    """None: what was seen bears no upper end."""


def time_left(left: int, per_minute: Sequence[int]) -> Estimate | None:
    """From how many ended in each of the last whole minutes, oldest first; None where that says nothing.

    The rate is their mean, and its spread two standard errors of that mean. Minutes before the first end do not count:
    nothing ran then.
    """
    ends = list(per_minute)
    while ends and ends[0] == 0:
        ends.pop(0)
    if left == 0:
        return Estimate(0.0, 0.0, 0.0)
    if len(ends) < 2:
        return None
    mean = sum(ends) / len(ends)
    variance = sum((each - mean) ** 2 for each in ends) / (len(ends) - 1)
    spread = 2 * math.sqrt(variance / len(ends))
    slowest = mean - spread
    seconds = 60.0 * left
    return Estimate(seconds / mean, seconds / (mean + spread), seconds / slowest if slowest > 0 else None)
