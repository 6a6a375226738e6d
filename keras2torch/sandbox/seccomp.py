"""seccomp: system calls that computing needs none of fail from here on. It needs no root and stands in any
container.

Barred: making sockets (socketpair stays), starting programs, starting processes (threads stay), reading or
steering other processes, asynchronous rings that could do any of it unseen, and the administration of the
machine.
"""

import ctypes
import errno
import platform
from dataclasses import dataclass

from keras2torch.sandbox.kernel import libc

PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
ERRNO = 0x00050000

LOAD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, JUMP_IF_BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
CLONE_THREAD = 0x00010000
CLONE3 = 435  # from 424 on, numbers are the same on every architecture
X32_CALLS = 0x40000000
BARRED_EVERYWHERE = (
    425, 426, 427,  # io_uring_setup, io_uring_enter, io_uring_register
    428, 429, 430, 431, 432, 433,  # open_tree, move_mount, fsopen, fsconfig, fsmount, fspick
    438, 442,  # pidfd_getfd, mount_setattr
)  # fmt: skip


@dataclass(frozen=True)
class _Machine:
    audit: int
    clone: int
    barred: tuple[int, ...]


MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        56,
        (
            41,  # socket
            57, 58, 59, 322,  # fork, vfork, execve, execveat
            101, 310, 311, 312,  # ptrace, process_vm_readv, process_vm_writev, kcmp
            155, 161, 165, 166, 272, 308,  # pivot_root, chroot, mount, umount2, unshare, setns
            248, 249, 250, 298, 321, 323,  # add_key, request_key, keyctl, perf_event_open, bpf, userfaultfd
            175, 313, 176, 246, 320, 169,  # init_module, finit_module, delete_module, kexec_load (2), reboot
        ),
    ),
    "aarch64": _Machine(
        0xC00000B7,
        220,
        (
            198,  # socket
            221, 281,  # execve, execveat
            117, 270, 271, 272,  # ptrace, process_vm_readv, process_vm_writev, kcmp
            41, 51, 40, 39, 97, 268,  # pivot_root, chroot, mount, umount2, unshare, setns
            217, 218, 219, 241, 280, 282,  # add_key, request_key, keyctl, perf_event_open, bpf, userfaultfd
            105, 273, 106, 104, 294, 142,  # init_module, finit_module, delete_module, kexec_load (2), reboot
        ),
    ),
}  # fmt: skip


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("then", ctypes.c_uint8),
        ("orelse", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def install() -> bool:
    """Put the filter up. False: this kernel or machine has none. PR_SET_NO_NEW_PRIVS must have been set."""
    machine = MACHINES.get(platform.machine())
    if machine is None:
        return False
    filters = _filters(machine)
    program = _Program(len(filters), (_Instruction * len(filters))(*filters))
    return bool(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0) == 0)


def _filters(machine: _Machine) -> list[_Instruction]:
    def returns(value: int) -> _Instruction:
        return _Instruction(RETURN, 0, 0, value)

    refuse = returns(ERRNO | errno.EPERM)
    filters = [
        _Instruction(LOAD, 0, 0, ARCHITECTURE),
        _Instruction(JUMP_IF_EQUAL, 1, 0, machine.audit),
        returns(KILL_PROCESS),
        _Instruction(LOAD, 0, 0, NUMBER),
        _Instruction(JUMP_IF_AT_LEAST, 0, 1, X32_CALLS),
        refuse,
        # "No such call" sends the C library back to clone, whose flags, unlike clone3's, lie where a filter
        # can see them.
        _Instruction(JUMP_IF_EQUAL, 0, 1, CLONE3),
        returns(ERRNO | errno.ENOSYS),
    ]
    for number in machine.barred + BARRED_EVERYWHERE:
        filters += [_Instruction(JUMP_IF_EQUAL, 0, 1, number), refuse]
    return [
        *filters,
        _Instruction(JUMP_IF_EQUAL, 0, 3, machine.clone),
        _Instruction(LOAD, 0, 0, FIRST_ARGUMENT),
        _Instruction(JUMP_IF_BITS, 1, 0, CLONE_THREAD),
        refuse,
        returns(ALLOW),
    ]
