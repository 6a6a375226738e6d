"""What a container may use, read from files laid out as kernels lay them out; and from this machine's own."""

import os
from pathlib import Path

import pytest

from workers import machine

MEMINFO = "MemTotal:       16384000 kB\nMemFree:         1000000 kB\n"
ALL = len(os.sched_getaffinity(0))


def laid_out(root: Path, **files: str) -> Path:
    for name, text in {"proc/meminfo": MEMINFO, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_control_groups_it_is_the_machine(tmp_path: Path) -> None:
    root = laid_out(tmp_path)
    assert machine.memory_bytes(root) == 16384000 << 10
    assert machine.cores(root) == ALL
    assert machine.oom_kills(root) == 0


def test_the_narrowest_group_counts(tmp_path: Path) -> None:
    root = laid_out(
        tmp_path,
        **{
            "proc/self/cgroup": "0::/pod/worker\n",
            "sys/fs/cgroup/cpu.max": "max 100000\n",
            "sys/fs/cgroup/pod/memory.max": f"{3 << 30}\n",
            "sys/fs/cgroup/pod/cpu.max": "50000 100000\n",
            "sys/fs/cgroup/pod/worker/memory.max": "max\n",
            "sys/fs/cgroup/pod/worker/memory.events": "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\n",
        },
    )
    assert machine.memory_bytes(root) == 3 << 30
    assert machine.cores(root) == 1
    assert machine.oom_kills(root) == 2


def test_a_container_that_sees_its_group_as_the_top(tmp_path: Path) -> None:
    root = laid_out(
        tmp_path,
        **{
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{2 << 30}\n",
            "sys/fs/cgroup/memory.events": "oom_kill 1\n",
        },
    )
    assert machine.memory_bytes(root) == 2 << 30
    assert machine.oom_kills(root) == 1


def test_control_groups_of_the_first_version(tmp_path: Path) -> None:
    root = laid_out(
        tmp_path,
        **{
            "proc/self/cgroup": "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n",
            "proc/vmstat": "nr_free_pages 7\noom_kill 5\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{1 << 30}\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "10000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    assert machine.memory_bytes(root) == 1 << 30
    assert machine.cores(root) == 1
    assert machine.oom_kills(root) == 5


@pytest.mark.parametrize("limit", ["9223372036854771712", "max", "-1"])
def test_no_limit_is_no_limit(tmp_path: Path, limit: str) -> None:
    root = laid_out(
        tmp_path,
        **{
            "sys/fs/cgroup/memory/memory.limit_in_bytes": limit,
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    )
    assert machine.memory_bytes(root) == 16384000 << 10
    assert machine.cores(root) == ALL


def test_this_machine_has_cores_and_memory() -> None:
    assert 1 <= machine.cores() <= ALL
    assert 64 << 20 < machine.memory_bytes() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert machine.oom_kills() >= 0
