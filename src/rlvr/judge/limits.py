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
from collections.abc import Callable, Iterable
from functools import partial

_SET_PDEATHSIG, _SET_DUMPABLE, _SET_KEEPCAPS, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVS = 1, 4, 8, 36, 38
_CAP_DAC_READ_SEARCH, _CAP_AMBIENT, _CAP_AMBIENT_RAISE = 2, 47, 2
_CAPABILITIES = struct.pack("Ii", 0x20080522, 0)
SPARE_TASKS = 128
"""Processes and threads that the user may start elsewhere while a zygote lives, before candidates can fork less."""
_TICKS = os.sysconf("SC_CLK_TCK")
_RSS_PER_MB = 1024 if sys.platform == "linux" else 1 << 20


Step = Callable[[], object]
"""One of the calls by which a fresh fork becomes a confined process: made before the fork, since all that a fork does
itself copies pages of memory."""
Bounds = tuple[tuple[int, tuple[int, int]], ...]
"""Which rlimit, and its soft and hard value."""

_prctl = getattr(ctypes.CDLL(None), "prctl", lambda *_: -1)
_capset = getattr(ctypes.CDLL(None), "capset", lambda *_: -1)


def take(steps: Iterable[Step]) -> None:
    for step in steps:
        step()


def prepare() -> None:
    """Settings of a zygote: orphans of candidates become its children, nothing below it gains rights by exec, and other
    processes of the same ordinary user cannot read its memory or its children's."""
    _prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def dying_with_parent() -> Step:
    return partial(_prctl, _SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def becoming(user: int, *, read_all: bool) -> list[Step]:
    """Change the user and lose all rights, except that of reading every file where `read_all` says so, which programs
    that this one starts keep too. They raise `OSError` where users may not be changed."""
    change: list[Step] = [partial(os.setresgid, user, user, user), partial(os.setresuid, user, user, user)]
    keep: list[Step] = [partial(_prctl, _SET_KEEPCAPS, 1, 0, 0, 0)] if read_all else []
    return [*keep, *change, *having(1 << _CAP_DAC_READ_SEARCH if read_all else 0)]


def having(rights: int) -> list[Step]:
    """Have these capabilities and no others, here and in what is executed from here."""
    given = struct.pack("6I", rights, rights, rights, 0, 0, 0)
    raised: list[Step] = [partial(_prctl, _CAP_AMBIENT, _CAP_AMBIENT_RAISE, _CAP_DAC_READ_SEARCH, 0, 0)]
    return [partial(_capset, _CAPABILITIES, given), *(raised if rights else ())]


class OwnScore:
    """How soon the kernel kills this process, and what it forks meanwhile, for want of memory."""

    def __init__(self) -> None:
        """Raises `OSError` where that cannot be set."""
        self._file = os.open("self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC, dir_fd=_proc.folder)

    def set(self, score: int) -> None:
        """-1000 to 1000. Raises `OSError` where that may not be set."""
        os.pwrite(self._file, b"%d" % score, 0)


class Crowd:
    """Bounds how many processes a candidate can have, and whom it can signal.

    As root, which no limit on processes binds, candidates run under a user of the zygote's own; where the interpreter
    is closed to others, that user keeps root's right to read. As an ordinary user they share the count with everything
    else that the user runs, so the limit is on top of that.
    """

    def __init__(self) -> None:
        self.user = 60_000 + os.getpid() % 5_000 if os.getuid() == 0 and hasattr(os, "setresuid") else None
        self.read_all = not _open_to_all(os.__file__)
        self.others = 0 if self.user else tasks_of(os.getuid()) + SPARE_TASKS

    def own(self, folder: str) -> None:
        if self.user:
            os.chown(folder, self.user, self.user)

    def enter(self) -> None:
        """Become a candidate's user."""
        if self.user:
            # There are containers whose root may not change users.
            with contextlib.suppress(OSError):
                os.setgroups([])
                take(becoming(self.user, read_all=self.read_all))


def address_space() -> int:
    """Bytes that this process has mapped now."""
    try:
        return int(_proc.read("self/statm").split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def bounds(cpu_s: float, memory: int, file_bytes: int, open_files: int, processes: int | None = None) -> Bounds:
    """The rlimits of a process that is to be forked from this one; a stricter one that this one has stays.

    memory: bytes of address space, the interpreter's own included. The CPU limit is a backstop: the finer one is kept
    by whoever watches `cpu_of`.
    """
    cpu = int(cpu_s) + 2
    wanted = {
        resource.RLIMIT_CPU: (cpu, cpu + 1),
        resource.RLIMIT_FSIZE: (file_bytes, file_bytes),
        resource.RLIMIT_NOFILE: (open_files, open_files),
        resource.RLIMIT_CORE: (0, 0),
    }
    if sys.platform != "darwin":  # which refuses it
        wanted[resource.RLIMIT_AS] = memory, memory
    if processes is not None:
        wanted[resource.RLIMIT_NPROC] = processes, processes
    return tuple((which, _as_far_as(resource.getrlimit(which)[1], limit)) for which, limit in wanted.items())


def _as_far_as(ceiling: int, limit: tuple[int, int]) -> tuple[int, int]:
    return limit if ceiling == resource.RLIM_INFINITY else (min(limit[0], ceiling), min(limit[1], ceiling))


def confining(to: Bounds) -> list[Step]:
    return [partial(resource.setrlimit, *bound) for bound in to]


def _open_to_all(path: str) -> bool:
    """Whether any user can read this file."""
    folders = [os.path.dirname(path)]
    while folders[-1] != os.path.dirname(folders[-1]):
        folders.append(os.path.dirname(folders[-1]))
    return bool(os.stat(path).st_mode & 4) and all(os.stat(folder).st_mode & 1 for folder in folders)


def tasks_of(user: int) -> int:
    """Processes and threads of a user."""
    count = 0
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        with contextlib.suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count


class _Proc:
    """`/proc`, seen through a descriptor: a jail with namespaces has neither its path nor the same process numbers."""

    def __init__(self) -> None:
        self.folder: int | None = None
        self.depth = 0
        self.outer: dict[int, int] = {}

    def hold(self) -> None:
        self.folder = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)

    def enter(self) -> None:
        """From now on processes are called by the numbers that they have in this process's own pid namespace."""
        self.depth = len(self._numbers("self")) - 1

    def read(self, path: str) -> bytes:
        descriptor = os.open(path if self.folder else f"/proc/{path}", os.O_RDONLY, dir_fd=self.folder)
        try:
            return os.read(descriptor, 1 << 16)
        finally:
            os.close(descriptor)

    def threads(self, name: str) -> list[str]:
        if self.folder is None:
            return os.listdir(f"/proc/{name}/task")
        descriptor = os.open(f"{name}/task", os.O_RDONLY, dir_fd=self.folder)
        try:
            return os.listdir(descriptor)
        finally:
            os.close(descriptor)

    def named(self, pid: int) -> str:
        """What a process is called there; one that was never listed is listed now."""
        if not self.depth:
            return str(pid)
        if pid == os.getpid():
            return "self"
        if pid not in self.outer:
            children(os.getpid())
        return str(self.outer.get(pid, "none"))

    def own(self, listed: bytes) -> list[int]:
        """A list of processes from there, by the numbers of this process's namespace."""
        if not self.depth:
            return [int(number) for number in listed.split()]
        found: list[int] = []
        for outer in map(int, listed.split()):
            with contextlib.suppress(OSError, IndexError):
                found.append(self._numbers(str(outer))[self.depth])
                self.outer[found[-1]] = outer
        return found

    def _numbers(self, name: str) -> list[int]:
        lines = self.read(f"{name}/status").splitlines()
        return [int(each) for each in next(line for line in lines if line.startswith(b"NSpid:")).split()[1:]]


_proc = _Proc()
hold_proc, enter_pid_namespace = _proc.hold, _proc.enter


def children(pid: int) -> list[int]:
    """Processes whose parent is `pid`, of all its threads; empty where the kernel does not tell."""
    found: list[int] = []
    name = _proc.named(pid)
    try:
        for thread in _proc.threads(name):
            found += _proc.own(_proc.read(f"{name}/task/{thread}/children"))
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
        fields = _proc.read(f"{_proc.named(pid)}/stat").rpartition(b")")[2].split()
        return own + (int(fields[13]) + int(fields[14])) / _TICKS
    except (OSError, IndexError):
        return 0.0


def is_asleep(pid: int) -> bool:
    """Whether a process waits for something; False where the kernel does not tell."""
    try:
        return _proc.read(f"{_proc.named(pid)}/stat").rpartition(b")")[2].split()[0] == b"S"
    except (OSError, IndexError):
        return False


class Ended:
    """What processes that were waited for have used."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.rss_mb = 0.0
        self.statuses: dict[int, int] = {}

    def wait(self, pid: int) -> None:
        """Wait for one process, which must have been killed or be about to leave."""
        _, status, used = os.wait4(pid, 0)
        _proc.outer.pop(pid, None)
        self.statuses[pid] = status
        self.cpu_s += used.ru_utime + used.ru_stime
        self.rss_mb = max(self.rss_mb, used.ru_maxrss / _RSS_PER_MB)


def end_all(spare: int | None, leader: int, *, contained: bool = False) -> Ended:
    """Kill and wait for `leader`, its session and every child of this process except `spare`, until none is left.

    contained: the leader is the init of a pid namespace, so that nothing can outlive it.
    """
    ended = Ended()
    # The end of an init is the end of its namespace; elsewhere the session is ended first.
    for kill in (os.kill,) if contained else (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(leader, signal.SIGKILL)
    ended.wait(leader)
    while not contained and (orphans := [pid for pid in children(os.getpid()) if pid != spare]):
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
