"""Processor time of other processes, as Linux counts it."""

import os
from pathlib import Path


def seconds_of(pid: int) -> float:
    """What the process has used so far, in its own code and in the kernel; not what its children have."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
