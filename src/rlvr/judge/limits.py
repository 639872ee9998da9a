"""What the kernel lets one process use, how much it has used, and how to end all of it.

Linux gives everything here; elsewhere (macOS) the parts that need `/proc` or `prctl` fall away and the rlimits remain.
"""

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
import time
from collections.abc import Iterable

_SET_PDEATHSIG, _SET_DUMPABLE, _SET_KEEPCAPS, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVS = 1, 4, 8, 36, 38
_CAP_DAC_READ_SEARCH = 2
_SPARE_TASKS = 128
"""Processes and threads that the user may start elsewhere while a zygote lives, before candidates can fork less."""
_TICKS = os.sysconf("SC_CLK_TCK")
_RSS_PER_MB = 1024 if sys.platform == "linux" else 1 << 20


_prctl = getattr(ctypes.CDLL(None), "prctl", lambda *_: -1)
_capset = getattr(ctypes.CDLL(None), "capset", lambda *_: -1)


def prepare() -> None:
    """Settings of a zygote: orphans of candidates become its children, nothing below it gains rights by exec, and other
    processes of the same ordinary user cannot read its memory or its children's."""
    _prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def die_with_parent() -> None:
    _prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Crowd:
    """Bounds how many processes a candidate can have, and whom it can signal.

    As root, which no limit on processes binds, candidates run under a user of the zygote's own; where the interpreter
    is closed to others, that user keeps root's right to read. As an ordinary user they share the count with everything
    else that the user runs, so the limit is on top of that.
    """

    def __init__(self) -> None:
        self.user = 60_000 + os.getpid() % 5_000 if os.getuid() == 0 and hasattr(os, "setresuid") else None
        rights = 0 if _open_to_all(os.__file__) else 1 << _CAP_DAC_READ_SEARCH
        self._head = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))
        self._rights = ctypes.create_string_buffer(struct.pack("6I", rights, rights, 0, 0, 0, 0))
        self.others = 0 if self.user else _tasks_of(os.getuid()) + _SPARE_TASKS

    def own(self, folder: str) -> None:
        if self.user:
            os.chown(folder, self.user, self.user)

    def enter(self, processes: int) -> None:
        """Become a candidate's user, with at most this many processes and threads."""
        if self.user:
            try:
                _prctl(_SET_KEEPCAPS, 1, 0, 0, 0)
                os.setgroups([])
                os.setresgid(self.user, self.user, self.user)
                os.setresuid(self.user, self.user, self.user)
            except OSError:
                return  # a container whose root may not change users
            _capset(self._head, self._rights)
        _limit(resource.RLIMIT_NPROC, processes + self.others)


def address_space() -> int:
    """Bytes that this process has mapped now."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def confine(cpu_s: float, memory: int, file_bytes: int, open_files: int) -> None:
    """Set the rlimits of this process. The CPU limit is a backstop: the finer one is kept by whoever watches `cpu_of`.

    memory: bytes of address space, the interpreter's own included.
    """
    cpu = int(cpu_s) + 2
    _limit(resource.RLIMIT_CPU, cpu, cpu + 1)
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_FSIZE, file_bytes)
    _limit(resource.RLIMIT_NOFILE, open_files)
    _limit(resource.RLIMIT_CORE, 0)


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(which)[1]
    hard = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
        resource.setrlimit(which, (soft, hard))


def _open_to_all(path: str) -> bool:
    """Whether any user can read this file."""
    folders = [os.path.dirname(path)]
    while folders[-1] != os.path.dirname(folders[-1]):
        folders.append(os.path.dirname(folders[-1]))
    return bool(os.stat(path).st_mode & 4) and all(os.stat(folder).st_mode & 1 for folder in folders)


def _tasks_of(user: int) -> int:
    count = 0
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        with contextlib.suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count


def children(pid: int) -> list[int]:
    """Processes whose parent is `pid`, of all its threads; empty where the kernel does not tell."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found


def tree(pids: Iterable[int]) -> list[int]:
    """These processes and all below them."""
    found: list[int] = []
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children(pid)
    return found


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and of the children it has waited for; 0 where the kernel does not tell."""
    try:
        own = time.clock_gettime((~pid << 3) | 2)
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return own + (int(fields[13]) + int(fields[14])) / _TICKS
    except (OSError, IndexError):
        return 0.0


class Ended:
    """What processes that were waited for have used."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.rss_mb = 0.0
        self.statuses: dict[int, int] = {}

    def wait(self, pid: int) -> None:
        """Wait for one process, which must have been killed or be about to leave."""
        _, status, used = os.wait4(pid, 0)
        self.statuses[pid] = status
        self.cpu_s += used.ru_utime + used.ru_stime
        self.rss_mb = max(self.rss_mb, used.ru_maxrss / _RSS_PER_MB)


def end_all(spare: int | None, leader: int) -> Ended:
    """Kill and wait for `leader`, its session and every child of this process except `spare`, until none is left."""
    ended = Ended()
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(leader, signal.SIGKILL)
    ended.wait(leader)
    while orphans := [pid for pid in children(os.getpid()) if pid != spare]:
        # What is stopped cannot fork, so this ends; killing alone might not.
        stopped: set[int] = set()
        while found := set(tree(orphans)) - stopped:
            _signal_all(found, signal.SIGSTOP)
            stopped |= found
        _signal_all(stopped, signal.SIGKILL)
        for pid in orphans:
            ended.wait(pid)
    return ended


def _signal_all(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
