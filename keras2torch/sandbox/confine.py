"""The walls round a child: limits, namespaces, no privileges, Landlock and seccomp, each by itself, each told apart
when refused.

They overlap on purpose. A container often forbids namespaces but never seccomp; an old kernel has no Landlock
but has namespaces. All of them last until the process ends, and none needs root.
"""

import contextlib
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras2torch.sandbox import landlock, privileges, seccomp
from keras2torch.sandbox.kernel import libc

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

# What Python and the numerical libraries read at run time, beyond the interpreter and its packages.
SYSTEM_PATHS = (
    "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/proc", "/sys", "/dev/urandom",
)  # fmt: skip
DEVICE_PATHS = ("/dev/null", *(str(path) for path in Path("/dev").glob("nvidia*")))


def become_subreaper() -> None:
    """Have the kernel hand us whatever our descendants leave behind."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, even by SIGKILL."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def confine(
    limits: dict[str, Any], walls: Sequence[str], *, writable: Sequence[Path], readable: Sequence[Path]
) -> list[str]:
    """Put up `walls` and return the names of those that stand."""
    _volunteer_for_the_oom_killer()
    _set_limits(limits)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    stands = ["limits"]
    if "namespaces" in walls and _leave_namespaces():
        stands.append("namespaces")
        _limit_processes(limits["processes"])
    # Behind the namespaces, which need a privilege where they are made, and give all of them inside.
    if "privileges" in walls and privileges.drop():
        stands.append("privileges")
    whole, folders = _code()
    if "landlock" in walls and landlock.restrict(
        readable=[*whole, *map(Path, SYSTEM_PATHS), *readable],
        listable=folders,
        writable=[*writable, *map(Path, DEVICE_PATHS)],
    ):
        stands.append("landlock")
    if "seccomp" in walls and seccomp.install():
        stands.append("seccomp")
    return stands


def _code() -> tuple[list[Path], list[Path]]:
    """Where code lies: what may be read with all that is in it, and folders of which only modules may be.

    `sys.path` may name the folder that somebody works in (`python -m` puts it there), with their models in it.
    """
    # An editable install finds this package by an import hook, so sys.path does not name its folder.
    whole = [Path(sys.prefix), Path(sys.base_prefix), Path(__file__).resolve().parents[1]]
    folders = []
    for entry in map(Path, filter(None, sys.path)):
        if entry.is_file() or entry.name in ("site-packages", "dist-packages"):
            whole.append(entry)
        else:
            folders.append(entry)
            # Not all that lies there need be open to us, and what is not needs no rule.
            with contextlib.suppress(OSError):
                whole += [
                    path
                    for path in entry.iterdir()
                    if path.suffix == ".py" or os.path.isfile(path / "__init__.py")  # noqa: PTH113  never raises
                ]
    return whole, folders


def _volunteer_for_the_oom_killer() -> None:
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _set_limits(limits: dict[str, Any]) -> None:
    def set_limit(which: int, value: int, spare: int = 0) -> None:
        hard = resource.getrlimit(which)[1]
        most = value + spare if hard == resource.RLIM_INFINITY else min(value + spare, hard)
        resource.setrlimit(which, (min(value, most), most))

    set_limit(resource.RLIMIT_CORE, 0)
    set_limit(resource.RLIMIT_DATA, _private_bytes() + limits["memory_bytes"])
    set_limit(resource.RLIMIT_FSIZE, limits["file_bytes"])
    set_limit(resource.RLIMIT_NOFILE, limits["open_files"])
    if limits["cpu_s"] is not None:
        set_limit(resource.RLIMIT_CPU, limits["cpu_s"], spare=5)  # SIGXCPU, and SIGKILL if that is caught


def _limit_processes(most: int) -> None:
    """Bound processes and threads. In a user namespace only: anywhere else, all that the user runs would count.

    The kernel never holds root to it; seccomp is what keeps root from starting any.
    """
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if Path("/proc/self/uid_map").read_text(encoding="ascii").split()[2] == "1":
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _private_bytes() -> int:
    """What RLIMIT_DATA counts today: almost all of it was mapped by the server's imports."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    return pages * resource.getpagesize()


def _leave_namespaces() -> bool:
    """An own network with not even a loopback, own System V IPC, and no power over what lies outside.

    A user namespace is what permits this to an ordinary user, and what takes root's power away from root.
    """
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC) == 0:
        # Keep our own name in there. The order matters: a group map may be written only after setgroups is given up.
        for name, text in ("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1"):
            with contextlib.suppress(
                OSError
            ):  # forbidden on some systems; nameless, the wall stands just as well
                Path("/proc/self", name).write_text(text, encoding="ascii")
        return True
    return bool(libc.unshare(CLONE_NEWNET | CLONE_NEWIPC) == 0)
