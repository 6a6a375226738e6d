"""Privileges: the powers that root has beyond those of the owner of a file, given up for good.

The user stays the same, since the job's own files are its own; what root could do to anybody else's goes.
"""

import ctypes

from keras2torch.sandbox.kernel import libc

PR_CAPBSET_DROP = 24
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
VERSION_3 = 0x20080522
CAPABILITIES = 64
"""How many there can be; Linux has 41 today, and says of a number that it does not know that it is none."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def drop() -> bool:
    """Give up every capability, and the way back to it through a program of root's. False: one is left.

    To an ordinary user, who has none, nothing happens.
    """
    for capability in range(CAPABILITIES):
        # Refused to whoever has no power to give up, and for numbers that are none.
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    none = (_Sets * 2)()
    header = _Header(VERSION_3, 0)
    libc.capset(ctypes.byref(header), ctypes.byref(none))
    left = (_Sets * 2)()
    got = libc.capget(ctypes.byref(header), ctypes.byref(left))
    return bool(got == 0 and not any(half.effective | half.permitted for half in left))
