"""What the kernel lets one process use, how much it has used, and how to end all of it.

Linux gives everything here; elsewhere (macOS) the parts that need `/proc` or `prctl` fall away and the rlimits remain.
"""

import ctypes
import os
import resource
import signal
import time
from collections.abc import Iterable

_SET_PDEATHSIG, _SET_DUMPABLE, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVS = 1, 4, 36, 38
_TICKS = os.sysconf("SC_CLK_TCK")


def _prctl(option: int, value: int) -> None:
    call = getattr(_LIBC, "prctl", None)
    if call is not None:
        call(option, value, 0, 0, 0)


_LIBC = ctypes.CDLL(None)


def adopt_orphans() -> None:
    """Daemons that a candidate leaves behind become children of this process, which can then end them."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def hide_memory() -> None:
    """Processes of the same ordinary user cannot read this one's memory or descriptors."""
    _prctl(_SET_DUMPABLE, 0)


def die_with_parent() -> None:
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(_SET_NO_NEW_PRIVS, 1)


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
    limits = [
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_FSIZE, file_bytes, file_bytes),
        (resource.RLIMIT_NOFILE, open_files, open_files),
        (resource.RLIMIT_CORE, 0, 0),
    ]
    for which, soft, hard in limits:
        ceiling = resource.getrlimit(which)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        try:
            resource.setrlimit(which, (soft, hard))
        except (ValueError, OSError):
            continue  # macOS refuses RLIMIT_AS


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
        scale = 1024 if os.uname().sysname == "Linux" else 1 << 20
        self.rss_mb = max(self.rss_mb, used.ru_maxrss / scale)


def end_all(spare: int | None, leader: int) -> Ended:
    """Kill and wait for `leader`, its session and every child of this process except `spare`, until none is left."""
    ended = Ended()
    pending = {leader}
    while pending:
        for pid in pending:
            for kill in (os.killpg, os.kill):
                try:
                    kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    continue
        for pid in pending:
            ended.wait(pid)
        pending = {pid for pid in children(os.getpid()) if pid != spare}
    return ended
