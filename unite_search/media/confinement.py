"""Confine the calling process, which is to decode files of strangers: no network, no writing, no other programs.

On Linux by Landlock and seccomp, as far as the kernel has them; elsewhere only limits of resources hold. There is no
maintained library to do this: `landlock` on PyPI has had development releases only, and `pyseccomp` (2021) needs
libseccomp on the system. So the system calls are made here, by ctypes. Only the standard library is imported, because a
process must be confined before any library starts threads.

Source: linux/Documentation/userspace-api/landlock.rst and seccomp_filter.rst; the numbers are those of the kernel's
include/uapi and do not change.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Refusal = Literal["network", "files", "processes"]

MEMORY_BYTES = 4 << 30

PR_SET_NO_NEW_PRIVS = 38
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
"""Equal on all processors, as are all system calls since Linux 5.1."""
LANDLOCK_VERSION = 1
LANDLOCK_PATH_BENEATH = 1
FS_EXECUTE, FS_WRITE, FS_TRUNCATE = 1 << 0, 1 << 1, 1 << 14
FS_CHANGE = FS_EXECUTE | FS_WRITE | sum(1 << bit for bit in range(4, 13))
"""Execute and write a file; remove or make anything. Reading a file and a folder, bits 2 and 3, stay allowed."""
FS_REFER = 1 << 13
NET_BIND_AND_CONNECT = 0b11
SCOPE_SOCKETS_AND_SIGNALS = 0b11

SECCOMP_SET_FILTER, SECCOMP_ACTION_AVAILABLE = 1, 2
SECCOMP_ALL_THREADS = 1
RET_KILL, RET_ERRNO, RET_ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16
X32_BIT = 0x40000000
CLONE_THREAD = 0x00010000
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

Code = tuple[int, int, int, int]
"""One instruction of a classic BPF program: operation, jumps if true and if false, operand."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """The numbers of one processor; `calls` has the system calls that are refused, those of `absent` do not exist."""

    architecture: int
    seccomp: int
    clone: int
    kill: int
    tgkill: int
    opens: dict[int, int]
    absent: tuple[int, ...]
    calls: tuple[int, ...]


_NEW_CALLS = (424, 428, 429, 430, 431, 432, 433, 438, 440, 442, 452, 463, 466)
"""pidfd_send_signal, open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, pidfd_getfd, process_madvise,
mount_setattr, fchmodat2, setxattrat, removexattrat."""
_NEW_ABSENT = (425, 426, 427, 435, 437)
"""io_uring, which would pass by a filter; clone3 and openat2, whose flags a filter cannot see: libraries then take the
older call."""
_X86_64 = _Machine(
    architecture=0xC000003E,
    seccomp=317,
    clone=56,
    kill=62,
    tgkill=234,
    opens={2: 1, 257: 2, 304: 2},
    absent=_NEW_ABSENT,
    calls=(
        *(41, 42, 43, 49, 50, 53, 288),  # socket connect accept bind listen socketpair accept4
        *(57, 58, 59, 322),  # fork vfork execve execveat
        *(76, 82, 83, 84, 85, 86, 87, 88, 90, 91, 92, 93, 94, 132, 133),  # truncate rename ... chown utime mknod
        *(188, 189, 190, 197, 198, 199, 235, 280, 261),  # setxattr removexattr utimes utimensat futimesat
        *(258, 259, 260, 263, 264, 265, 266, 268, 316),  # mkdirat mknodat ... fchmodat renameat2
        *(101, 129, 200, 297, 310, 311),  # ptrace, signals by other calls, memory of other processes
        *(155, 161, 165, 166, 272, 308),  # pivot_root chroot mount umount unshare setns
        *(248, 249, 250, 298, 321, 323),  # keys perf bpf userfaultfd
        *(163, 167, 169, 172, 173, 175, 176, 246, 313),  # what only root may: acct swapon reboot ports modules kexec
        *_NEW_CALLS,
    ),
)
_AARCH64 = _Machine(
    architecture=0xC00000B7,
    seccomp=277,
    clone=220,
    kill=129,
    tgkill=131,
    opens={56: 2, 265: 2},
    absent=_NEW_ABSENT,
    calls=(
        *(198, 199, 200, 201, 202, 203, 242),  # socket socketpair bind listen accept connect accept4
        *(221, 281),  # execve execveat
        *(33, 34, 35, 36, 37, 38, 45, 276),  # mknodat mkdirat unlinkat symlinkat linkat renameat truncate renameat2
        *(52, 53, 54, 55, 88),  # fchmod fchmodat fchownat fchown utimensat
        *(5, 6, 7, 14, 15, 16),  # setxattr removexattr
        *(117, 130, 138, 240, 270, 271),  # ptrace, signals by other calls, memory of other processes
        *(39, 40, 41, 51, 97, 268),  # umount mount pivot_root chroot unshare setns
        *(217, 218, 219, 241, 280, 282),  # keys perf bpf userfaultfd
        *(89, 104, 105, 106, 142, 224, 273),  # what only root may: acct kexec modules reboot swapon
        *_NEW_CALLS,
    ),
)
_MACHINES = {"x86_64": _X86_64, "aarch64": _AARCH64}


def confine() -> tuple[Refusal, ...]:
    """Give up what decoding does not need, for good, and return what the kernel refuses from now on.

    Call it while the process has one thread. Whatever is refused raises `PermissionError` in Python.
    """
    _limit_resources()
    if sys.platform != "linux" or _libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return ()
    version = _landlock_version()
    has_landlock = version > 0 and _apply_landlock(version)
    has_seccomp = _has_seccomp() and _apply_seccomp(files=not has_landlock)
    return _refusals(has_landlock=has_landlock, has_seccomp=has_seccomp)


def supported() -> tuple[Refusal, ...]:
    """Return what `confine` would have the kernel refuse; nothing is changed."""
    if sys.platform != "linux":
        return ()
    return _refusals(has_landlock=_landlock_version() > 0, has_seccomp=_has_seccomp())


def described(refusals: Sequence[str]) -> str:
    """Say in a few words what is refused to processes that decode media."""
    if len(refusals) == 3:
        return "confined: no network, no writing, no other programs"
    missing = [name for name in ("network", "files", "processes") if name not in refusals]
    lacks = "the kernel lacks Landlock or seccomp" if sys.platform == "linux" else f"{sys.platform} has no means for it"
    return f"not confined as to {', '.join(missing)}: {lacks}"


def _refusals(*, has_landlock: bool, has_seccomp: bool) -> tuple[Refusal, ...]:
    """Return what is refused: Landlock alone keeps no process from forking, and knows no UDP."""
    if has_seccomp:
        return ("network", "files", "processes")
    return ("files",) if has_landlock else ()


def _limit_resources() -> None:
    """Bound memory, let no file grow, and leave no core dumps, which would hold what was decoded."""
    try:
        import resource
    except ImportError:
        return
    for name, most in ((resource.RLIMIT_DATA, MEMORY_BYTES), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(name)
        resource.setrlimit(name, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    """Make a system call; a negative result is an error."""
    return int(_libc().syscall(ctypes.c_long(number), *arguments))


def _landlock_version() -> int:
    """Return the version of Landlock in this kernel; 0 or less without one."""
    return _call(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(LANDLOCK_VERSION))


def _apply_landlock(version: int) -> bool:
    """Refuse every change of the file system except writing to the null device, and TCP."""
    files = FS_CHANGE | (FS_REFER if version >= 2 else 0) | (FS_TRUNCATE if version >= 3 else 0)
    fields = [files, *([NET_BIND_AND_CONNECT] if version >= 4 else []), *([SCOPE_SOCKETS_AND_SIGNALS] * (version >= 6))]
    rules = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _call(LANDLOCK_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint32(0))
    if ruleset < 0:
        return False
    null = os.open(os.devnull, os.O_RDONLY)
    allowed = struct.pack("=Qi", (FS_WRITE | FS_TRUNCATE) & files, null)
    _call(LANDLOCK_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(LANDLOCK_PATH_BENEATH), allowed, ctypes.c_uint32(0))
    is_applied = _call(LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)) == 0
    os.close(null)
    os.close(ruleset)
    return is_applied


def _has_seccomp() -> bool:
    machine = _machine()
    action = ctypes.c_uint32(RET_ERRNO)
    asked = ctypes.c_uint(SECCOMP_ACTION_AVAILABLE), ctypes.c_uint(0), ctypes.byref(action)
    return machine is not None and _call(machine.seccomp, *asked) == 0


def _machine() -> _Machine | None:
    """Return the numbers of this processor, None for one that is not known, or a 32-bit program on it."""
    return _MACHINES.get(platform.machine()) if sys.maxsize > 1 << 32 else None


def _apply_seccomp(*, files: bool) -> bool:
    """Install the filter for all threads; `files`: also refuse to open files for writing."""
    machine = _machine()
    if machine is None:
        return False
    program = list(_program(machine, files=files))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    header = struct.pack("@HP", len(program), ctypes.addressof(code))
    flags = ctypes.c_uint(SECCOMP_ALL_THREADS)
    return _call(machine.seccomp, ctypes.c_uint(SECCOMP_SET_FILTER), flags, header) == 0


def _program(machine: _Machine, *, files: bool) -> Iterator[Code]:
    """Yield the filter: it refuses what is listed, and allows all other system calls."""
    refuse = RET_ERRNO | errno.EPERM
    yield LOAD, 0, 0, ARCHITECTURE_AT
    yield EQUAL, 1, 0, machine.architecture
    yield RETURN, 0, 0, RET_KILL
    yield LOAD, 0, 0, NUMBER_AT
    if machine is _X86_64:
        yield AT_LEAST, 0, 1, X32_BIT
        yield RETURN, 0, 0, refuse
    for number in machine.calls:
        yield EQUAL, 0, 1, number
        yield RETURN, 0, 0, refuse
    for number in machine.absent:
        yield EQUAL, 0, 1, number
        yield RETURN, 0, 0, RET_ERRNO | errno.ENOSYS
    yield from _if_argument(machine.clone, 0, (ANY_BIT, CLONE_THREAD), otherwise=refuse)
    for number in (machine.kill, machine.tgkill):
        yield from _if_argument(number, 0, (EQUAL, os.getpid()), otherwise=refuse)
    for number, position in machine.opens.items() if files else ():
        yield from _unless_argument(number, position, (ANY_BIT, WRITES), otherwise=refuse)
    yield RETURN, 0, 0, RET_ALLOW


def _if_argument(number: int, position: int, test: tuple[int, int], *, otherwise: int) -> Iterator[Code]:
    """Yield code that allows a system call if the lower half of an argument passes a test."""
    yield EQUAL, 0, 4, number
    yield LOAD, 0, 0, ARGUMENTS_AT + 8 * position
    yield test[0], 0, 1, test[1]
    yield RETURN, 0, 0, RET_ALLOW
    yield RETURN, 0, 0, otherwise


def _unless_argument(number: int, position: int, test: tuple[int, int], *, otherwise: int) -> Iterator[Code]:
    """Yield code that refuses a system call if the lower half of an argument passes a test."""
    yield EQUAL, 0, 4, number
    yield LOAD, 0, 0, ARGUMENTS_AT + 8 * position
    yield test[0], 0, 1, test[1]
    yield RETURN, 0, 0, otherwise
    yield RETURN, 0, 0, RET_ALLOW
