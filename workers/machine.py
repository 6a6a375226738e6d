"""What this process may use of its machine: cores and memory, as the container it runs in bounds them."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")
#: The middle of the road: proving the smallest model takes 250 MB, ResNet-50 takes 1.3 GB.
_A_JOB = 1 << 30
#: What version 1 of control groups says where there is no limit is larger than any machine.
_NO_LIMIT = 1 << 60


def cores(root: Path = _ROOT) -> int:
    """Processors this process may keep busy, at least 1: its affinity, and the quota of its control group."""
    affinity = len(os.sched_getaffinity(0))
    quotas = [_quota(group / "cpu.max") for group in _groups(root)]
    quotas.append(
        _quota(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", root / "sys/fs/cgroup/cpu/cpu.cfs_period_us")
    )
    return max(1, min([affinity, *(math.ceil(quota) for quota in quotas if quota is not None)]))


def jobs_at_once(root: Path = _ROOT) -> int:
    """How many conversions this machine bears, at least 1: one a processor, and a gibibyte for each."""
    return max(1, min(cores(root), memory_bytes(root) // _A_JOB))


def memory_bytes(root: Path = _ROOT) -> int:
    """Bytes of memory this process and its children may fill: the machine's, and the limit of its control group."""
    limits = [_number(group / "memory.max") for group in _groups(root)]
    limits.append(_number(root / "sys/fs/cgroup/memory/memory.limit_in_bytes"))
    return min([_installed(root), *(limit for limit in limits if limit is not None and limit < _NO_LIMIT)])


def oom_kills(root: Path = _ROOT) -> int:
    """How often the kernel has killed a process for want of memory, in this control group where that is counted."""
    counts = [_field(group / "memory.events", "oom_kill") for group in _groups(root)]
    found = [count for count in counts if count is not None]
    return found[0] if found else _field(root / "proc/vmstat", "oom_kill") or 0


def _groups(root: Path) -> Iterator[Path]:
    """The folders of this process's control group and of those round it, innermost first (version 2)."""
    top = root / "sys/fs/cgroup"
    own = next(
        (line[3:] for line in _text(root / "proc/self/cgroup").splitlines() if line.startswith("0::")), "/"
    )
    # In a namespace of its own a container sees its group as the top, whatever it is called outside.
    folder = top / own.strip("/")
    while folder != top:
        yield folder
        folder = folder.parent
    yield top


def _quota(limit: Path, period: Path | None = None) -> float | None:
    words = _text(limit).split() + (_text(period).split() if period else [])
    if len(words) < 2 or not words[0].isdigit() or not words[1].isdigit():  # "max", or -1: no quota
        return None
    return int(words[0]) / int(words[1])


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _field(path: Path, name: str) -> int | None:
    found = (line.split() for line in _text(path).splitlines())
    return next((int(words[1]) for words in found if len(words) == 2 and words[0] == name), None)


def _installed(root: Path) -> int:
    kib = next(
        line.split()[1] for line in _text(root / "proc/meminfo").splitlines() if line.startswith("MemTotal:")
    )
    return int(kib) << 10


def _text(path: Path) -> str:
    """What stands there; nothing where there is no such file, as on other kernels."""
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
