"""One filter of system calls for everything below a zygote, assembled by hand for the kernel's classic packet filter.

It is installed once, in the zygote, and inherited by every fork at no cost. So it denies only what the zygote itself
can do without: the zygote's own use of namespaces (`unshare` and `setns` for nothing but a pid namespace) stays
allowed, and is of no use to a program without capabilities.
"""

import ctypes
import errno
import struct

from rlvr.judge.jail import syscalls
from rlvr.judge.jail.syscalls import call

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
_SET_MODE_FILTER, _SPEC_ALLOW = 1, 4

Instruction = tuple[int, int, int, int]

_DENIED = (
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "pidfd_getfd", "kcmp",
    "mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick",
    "mount_setattr", "statmount", "listmount", "keyctl", "add_key", "request_key", "bpf", "perf_event_open",
    "userfaultfd", "shmget", "shmctl", "shmat", "shmdt", "semget", "semctl", "semop", "semtimedop", "msgget", "msgctl",
    "msgrcv", "msgsnd", "mq_open", "mq_unlink", "kexec_load", "kexec_file_load", "init_module", "finit_module",
    "delete_module", "reboot", "swapon", "swapoff", "quotactl", "quotactl_fd", "personality", "acct", "syslog",
    "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "sethostname", "setdomainname", "iopl", "ioperm",
    "modify_ldt", "name_to_handle_at", "open_by_handle_at", "fanotify_init", "fanotify_mark", "lookup_dcookie",
    "vhangup", "nfsservctl", "io_setup", "memfd_secret", "move_pages", "migrate_pages", "uselib", "sysfs", "ioprio_set",
)  # fmt: skip
_ABSENT = (
    "clone3", "io_uring_setup", "io_uring_enter", "io_uring_register", "openat2",
)  # fmt: skip
"""Said not to exist, so that libraries fall back: their arguments lie in memory, where a filter cannot look."""
_XATTR = (
    "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
)  # fmt: skip
_OWN_FILES = (
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "utime", "utimes", "utimensat",
    "futimesat",
)  # fmt: skip
_SCHEDULING = (
    "prlimit64", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr",
)  # fmt: skip
_NAMESPACES = (
    syscalls.NEWTIME | syscalls.NEWNS | syscalls.NEWCGROUP | syscalls.NEWUTS | syscalls.NEWIPC | syscalls.NEWUSER
    | syscalls.NEWPID | syscalls.NEWNET
)  # fmt: skip
_AF_UNIX, _SOCK_STREAM, _SOCK_SEQPACKET = 1, 1, 5
_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP = 0x5412, 0x541C, 0x8901, 0x8902
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX = 8, 10, 15
_O_ACCMODE, _O_TRUNC = 3, 0o1000


def _argument(index: int) -> Instruction:
    """Load the low 32 bits, which are all that the kernel reads of the arguments checked here (little-endian)."""
    return (_LOAD, 0, 0, 16 + 8 * index)


def _fail(code: int) -> Instruction:
    """With code 0 the call does nothing and says that it succeeded."""
    return (_RETURN, 0, 0, _ERRNO | code)


_PERMIT: Instruction = (_RETURN, 0, 0, _ALLOW)
_EPERM = _fail(errno.EPERM)


def _only(index: int, *values: int) -> list[Instruction]:
    """Allow where the argument is one of the values."""
    body = [_argument(index)]
    for value in values:
        body += [(_EQUAL, 0, 1, value), _PERMIT]
    return [*body, _EPERM]


def _never(index: int, *values: int) -> list[Instruction]:
    body = [_argument(index)]
    for value in values:
        body += [(_EQUAL, 0, 1, value), _EPERM]
    return [*body, _PERMIT]


def _when(index: int, value: int, then: list[Instruction]) -> list[Instruction]:
    return [_argument(index), (_EQUAL, 0, len(then), value), *then, _EPERM]


def _rules(full: bool, abi: int, owns_files: bool) -> dict[str, list[Instruction]]:
    """What happens to which call. Calls not named are allowed."""
    rules = {name: [_EPERM] for name in _DENIED}
    rules.update({name: [_fail(errno.ENOSYS)] for name in _ABSENT})
    rules.update({name: [_fail(errno.EOPNOTSUPP)] for name in _XATTR})
    rules.update({name: _only(0, 0) for name in _SCHEDULING})
    rules["setpriority"] = _when(0, 0, _only(1, 0))
    rules["clone"] = [_argument(0), (_ANY_BIT, 0, 1, _NAMESPACES), _EPERM, _PERMIT]
    rules["ioctl"] = _never(1, _TIOCSTI, _TIOCLINUX, *(() if full else (_FIOSETOWN, _SIOCSPGRP)))
    if full:
        # Sockets reach no further than the empty network namespace and the new root.
        rules["socket"] = rules["socketpair"] = _only(0, _AF_UNIX)
        rules["unshare"] = _only(0, syscalls.NEWPID)
        rules["setns"] = _only(1, syscalls.NEWPID)
        return rules
    # No path and no name may be reached through a socket: nothing else guards those of other services.
    rules["socket"] = rules["connect"] = rules["unshare"] = rules["setns"] = [_EPERM]
    kind = [_argument(1), (_AND, 0, 0, 0xF), (_EQUAL, 1, 0, _SOCK_STREAM), (_EQUAL, 0, 1, _SOCK_SEQPACKET), _PERMIT]
    rules["socketpair"] = _when(0, _AF_UNIX, kind)
    rules["fcntl"] = _never(1, _F_SETOWN, _F_SETSIG, _F_SETOWN_EX)
    if owns_files:
        # Landlock does not look at these, and the user's own files are everywhere.
        rules.update({name: [_fail(0)] for name in _OWN_FILES})
    if abi < 3:
        rules["truncate"] = [_EPERM]
        for name, index in (("open", 1), ("openat", 2)):
            masked = [_argument(index), (_AND, 0, 0, _O_ACCMODE | _O_TRUNC)]
            rules[name] = [*masked, (_EQUAL, 0, 1, _O_TRUNC), _EPERM, _PERMIT]
    return rules


def _assemble(rules: dict[str, list[Instruction]], machine: str) -> bytes:
    program: list[Instruction] = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
        (_AT_LEAST, 0, 1, syscalls.NEWEST + 1),
        _fail(errno.ENOSYS),
    ]
    for name, body in rules.items():
        number = syscalls.number(name, machine)
        if number is not None:
            program += [(_EQUAL, 0, len(body), number), *body]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in [*program, _PERMIT])


def build(*, full: bool, abi: int, owns_files: bool, machine: str = syscalls.MACHINE) -> bytes:
    """The filter for a zygote and all below it.

    full: its namespaces hide files, sockets and processes of others. abi: of Landlock, which misses more the older it
    is. owns_files: programs run as a user who has files outside the jail.
    """
    return _assemble(_rules(full, abi, owns_files), machine)


def own_signals_only(pid: int) -> bytes:
    """The filter by which process `pid` can signal only itself and its group: for a Landlock without scopes."""
    return _assemble(
        {
            "kill": _only(0, 0, pid),
            "tkill": _only(0, pid),
            "tgkill": _only(0, pid),
            "rt_sigqueueinfo": [_EPERM],
            "rt_tgsigqueueinfo": _only(0, pid),
            "pidfd_send_signal": [_EPERM],
        },
        syscalls.MACHINE,
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install(program: bytes) -> None:
    """Filter this thread and all it will start. Needs no_new_privs. Raises `OSError`."""
    given = _Program(len(program) // 8, program)
    call("seccomp", _SET_MODE_FILTER, _SPEC_ALLOW, ctypes.byref(given))
