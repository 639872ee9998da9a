"""System calls that Python does not offer, by number.

The numbers are the kernel's own (x86-64, and the generic table that aarch64 uses); `None`: that architecture has no
such call. What is here is either called by `call` or named by the filter in `seccomp`.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "ptrace": (101, 117), "kcmp": (312, 272),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    "process_mrelease": (448, 448), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "kill": (62, 129),
    "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "clone": (56, 220), "clone3": (435, 435), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40),
    "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "statmount": (457, 457), "listmount": (458, 458), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "shmget": (29, 194), "shmctl": (31, 195), "shmat": (30, 196), "shmdt": (67, 197), "semget": (64, 190),
    "semctl": (66, 191), "semop": (65, 193), "semtimedop": (220, 192), "msgget": (68, 186), "msgctl": (71, 187),
    "msgrcv": (70, 188), "msgsnd": (69, 189), "mq_open": (240, 180), "mq_unlink": (241, 181), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "personality": (135, 92), "acct": (163, 89), "syslog": (103, 116), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266), "sethostname": (170, 161),
    "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263), "lookup_dcookie": (212, 18), "vhangup": (153, 58), "nfsservctl": (180, 42),
    "memfd_secret": (447, 447), "move_pages": (279, 239), "migrate_pages": (256, 238), "uselib": (134, None),
    "sysfs": (139, None), "prlimit64": (302, 261), "setpriority": (141, 140), "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119), "sched_setparam": (142, 118), "sched_setattr": (314, 274),
    "ioprio_set": (251, 30), "fcntl": (72, 25), "ioctl": (16, 29), "chmod": (90, None), "fchmod": (91, 52),
    "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None), "fchown": (93, 55), "lchown": (94, None),
    "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None), "utimensat": (280, 88),
    "futimesat": (261, None), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "truncate": (76, 45),
    "open": (2, None), "openat": (257, 56), "openat2": (437, 437), "capset": (126, 91), "seccomp": (317, 277),
    "landlock_create_ruleset": (444, 444), "landlock_add_rule": (445, 445), "landlock_restrict_self": (446, 446),
    "io_setup": (206, 0),
}  # fmt: skip
NEWEST = 462
"""The newest call that the filter was written for; newer ones do not exist for a jailed process."""
MACHINES = ("x86_64", "aarch64")

NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip

MACHINE = os.uname().machine if hasattr(os, "uname") else ""
_SYSCALL = ctypes.CDLL(None, use_errno=True).syscall if sys.platform == "linux" else None
if _SYSCALL is not None:
    _SYSCALL.restype = ctypes.c_long


def supported() -> bool:
    """Whether this system is one for which the numbers are known."""
    return sys.platform == "linux" and MACHINE in MACHINES and sys.maxsize > 1 << 32


def number(name: str, machine: str = MACHINE) -> int | None:
    return NUMBERS[name][MACHINES.index(machine)]


def call(name: str, *arguments: Any) -> int:
    """Make a system call. Integers, bytes, None and ctypes pointers are taken. Raises `OSError` that names the call."""
    return prepare(name, *arguments)()


def prepare(name: str, *arguments: Any) -> Callable[[], int]:
    """A system call that is ready to be made, as often as one likes; as `call` otherwise."""
    system = _SYSCALL
    assert system is not None
    given = [number(name), *(ctypes.c_long(each) if type(each) is int else each for each in arguments)]

    def make() -> int:
        made = system(*given)
        if made < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"{name}: {os.strerror(code)}")
        return made

    return make
