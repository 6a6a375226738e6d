"""Landlock: this process, and all it starts, may open only the files named here (Linux 5.13; needs no root).

It also keeps the process from tracing, and so from reading the memory and environment of, any process
outside; from Linux 6.7 on it bars TCP, and from 6.12 on signals and abstract sockets to the outside.
"""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from keras2torch.sandbox.kernel import libc

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
ALL_OF_FIRST_VERSION = (1 << 13) - 1
REFER, TRUNCATE = 1 << 13, 1 << 14
READ = EXECUTE | READ_FILE | READ_DIR
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
BIND_TCP, CONNECT_TCP = 1 << 0, 1 << 1
SCOPE_ABSTRACT_SOCKETS, SCOPE_SIGNALS = 1 << 0, 1 << 1


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def restrict(*, readable: Sequence[Path], listable: Sequence[Path], writable: Sequence[Path]) -> bool:
    """Allow reading beneath `readable`, everything beneath `writable`, and only to list what is beneath `listable`.

    False: the kernel has no Landlock.

    Paths that do not exist are passed over. PR_SET_NO_NEW_PRIVS must have been set.
    """
    version = libc.syscall(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION)
    if version < 1:
        return False
    handled = ALL_OF_FIRST_VERSION | (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    rules = _Ruleset(
        fs=handled,
        net=BIND_TCP | CONNECT_TCP if version >= 4 else 0,
        scoped=SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS if version >= 6 else 0,
    )
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(CREATE_RULESET, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return False
    try:
        for paths, access in ((readable, READ), (listable, READ_DIR), (writable, handled)):
            for path in paths:
                _allow(ruleset, path, access & handled)
        return bool(libc.syscall(RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, access: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        beneath = _PathBeneath(access=access if path.is_dir() else access & OF_A_FILE, parent_fd=fd)
        libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(beneath), 0)
    finally:
        os.close(fd)
