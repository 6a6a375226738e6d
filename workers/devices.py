"""What a worker process computes on."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """A device, and how many threads a child may use on it while every slot is busy."""

    name: str
    threads: int


def cpu(slots: int) -> Device:
    """The processors this process may use, shared out among `slots` children."""
    available = len(os.sched_getaffinity(0))
    return Device("cpu", max(1, available // slots))
