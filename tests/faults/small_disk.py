"""A scratch disk that is full now and then: a small tmpfs that this process alone sees, and somebody who fills it."""

import contextlib
import ctypes
import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.crash_points import Fuse, around
from workers.scratch import Scratch

BYTES = 4 << 20
_FULL_SECONDS, _FREE_SECONDS = 0.15, 0.5
_NEWNS, _NEWUSER, _REC, _PRIVATE = 0x20000, 0x10000000, 0x4000, 0x40000


def install(folder: Path, fuse: Fuse) -> None:
    """Make `folder` such a disk, and note whatever the worker leaves on it at its end. Before any thread is started."""
    full, free = _tmpfs(folder) if _mounted(folder) else _file_size()
    fuse.note("disk", "tmpfs" if os.path.ismount(folder) else "limit")

    def squat() -> None:
        while True:
            time.sleep(_FREE_SECONDS)
            full()
            time.sleep(_FULL_SECONDS)
            free()

    def leave(scratch: Scratch, *_: object) -> None:
        assert scratch._folder is not None
        for entry in scratch._folder.iterdir():
            if entry.name != "lock":
                fuse.note("left", entry.name)

    around(Scratch, "__exit__", leave, lambda *_: None)
    threading.Thread(target=squat, name="squatter", daemon=True).start()


def _mounted(folder: Path) -> bool:
    """Mount it, in a namespace of its own; false where the kernel does not let us."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_NEWNS | (_NEWUSER if user else 0)):
        return False
    if user:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            Path(f"/proc/self/{name}").write_text(text)
    if libc.mount(b"none", b"/", None, _REC | _PRIVATE, None):
        return False
    return not libc.mount(b"none", str(folder).encode(), b"tmpfs", 0, f"size={BYTES}".encode())


def _tmpfs(folder: Path) -> tuple[Callable[[], object], Callable[[], object]]:
    path = folder / "squatter"

    def full() -> None:
        with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    return full, lambda: path.unlink(missing_ok=True)


def _file_size() -> tuple[Callable[[], object], Callable[[], object]]:
    """The nearest thing without a disk of one's own: no file may have more than a byte."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> Callable[[], object]:
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))

    return limit(1), limit(most)
