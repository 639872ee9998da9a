"""The jail of one zygote: built once, and entered by every program and every tests' process below it.

`build` may fork: at the walled levels the process that calls it stays behind as the keeper, which alone may clean
folders and mount, and the function returns in a child that is filtered and can do neither.
"""

import contextlib
import itertools
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from rlvr.judge import limits
from rlvr.judge.jail import cgroups, folders, landlock, namespaces, seccomp, users

_SCRATCH_BYTES, _SCRATCH_FILES = 64 << 20, 4096
_OWN_MEMORY = 96 << 20
_OWN_TASKS = 8
"""What a zygote, its keeper and its tests' process need of a worker's groups and of the limit on processes."""
_PROTECTED, _ORDINARY = -500, 200


class Jail:
    """No walls (level `process`): a folder for programs and one for tests, and what else every level has."""

    level = "process"
    contained = False
    """Whether the end of a forked process is the end of all that it has started."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.folders = {side: f"{folder}/{side}" for side in folders.SIDES}
        for path in self.folders.values():
            os.mkdir(path, 0o700)
        self.crowd = limits.Crowd()
        if self.crowd.users:
            os.chmod(folder, 0o711)
        self._marks = {side: self._settle(side) for side in folders.SIDES}
        self._feel_at_home("program")

    def fork(self) -> int:
        return os.fork()

    def entering(self, side: str) -> list[limits.Step]:
        """By which a fresh fork is confined: `program` or `tests`."""
        return [*self._going_to(side), partial(self.crowd.enter, side)]

    def tasks(self, side: str, processes: int) -> int | None:
        """The rlimit on processes and threads of this user by which a side has at most so many."""
        return processes + self.crowd.others if side == "program" else None

    def clean(self, side: str) -> None:
        """Leave the folder of a side as it was at first. Nothing may run in it any more."""
        path = self.folders[side]
        try:
            dirty = folders.mark(path) != self._marks[side] or os.listdir(path)
        except OSError:
            dirty = True
        if dirty:
            self._refresh(side)
            self._marks[side] = folders.mark(path)

    def end(self) -> None:
        """Leave nothing behind; nothing may run in here any more."""
        os.chdir("/")
        _remove(self.folder)

    def limit(self, memory: int, processes: int) -> None:
        """Bound all that a program has at once, where something can."""

    def starved(self) -> bool:
        """Whether, since the last call, something was killed because all of it together needed too much memory."""
        return False

    def _going_to(self, side: str) -> list[limits.Step]:
        at_home = [partial(self._feel_at_home, side)] if side == "tests" else []
        return [partial(os.chdir, self.folders[side]), *at_home]

    def _feel_at_home(self, side: str) -> None:
        os.environ["HOME"] = os.environ["TMPDIR"] = self.folders[side]

    def _refresh(self, side: str) -> None:
        path = self.folders[side]
        if not os.path.lexists(path):
            os.mkdir(path, 0o700)
        folders.empty(path)
        self._settle(side)

    def _settle(self, side: str) -> tuple[int, ...]:
        self.crowd.own(self.folders[side], side)
        return folders.mark(self.folders[side])


class Walled(Jail):
    """Levels `full` (with namespaces) and `restricted` (without)."""

    def __init__(self, level: str, folder: str) -> None:
        self.level = level
        self.folder = folder
        self.contained = level == "full"
        self.abi = landlock.abi()
        if not self.abi:
            raise OSError(95, "landlock: not in this kernel")
        limits.hold_proc()
        self._parent = os.open(os.path.dirname(folder), os.O_RDONLY | os.O_DIRECTORY)
        self.group = cgroups.join(os.path.basename(folder))
        self._killed = self.group.killed() if self.group else 0
        read, use = folders.readable(), folders.devices()
        sys.executable = os.path.realpath(sys.executable)  # a virtual environment's own folder is not shown
        if self.contained:
            self._separate(folder, read, use)
        else:
            self._settle_outside(folder, read)
        self._keeper = _split_off(
            self._renew, self._finish, [self._parent, *(self.group.descriptors() if self.group else ())]
        )
        self._pids = namespaces.PidNamespaces() if self.contained else None
        self._marks = {side: folders.mark(path) for side, path in self.folders.items()}
        self._feel_at_home("program")
        self._obey = {
            side: landlock.applied(landlock.rules(self.abi, read, use, [path])) for side, path in self._roots.items()
        }
        # The first fork after new namespaces has to be the zygote, so this is asked below it.
        user = self.users["program"] if self.users else None
        self.read_all = user is not None and not users.can_read(user, read, self.folders["program"])
        self._score = _protected() if self.group else None
        if self.contained:
            limits.enter_pid_namespace()
        limits.prepare()
        seccomp.install(seccomp.build(full=self.contained, abi=self.abi, owns_files=self.users is None))

    def _separate(self, folder: str, read: list[str], use: list[str]) -> None:
        root = os.geteuid() == 0
        if root:
            with contextlib.suppress(PermissionError):
                os.setgroups([])
        two = namespaces.separate(users.private() if root else None)
        # Each folder is mounted inside one that the rules name, since a fresh mount is a fresh thing to them.
        self._roots = {side: f"/{side}" for side in folders.SIDES}
        self.folders = {side: f"/{side}/work" for side in folders.SIDES}
        namespaces.new_root(folder, read, use, self.folders.values(), self.folders["program"])
        inner = {side: namespaces.INNER + number * two for number, side in enumerate(folders.SIDES)}
        for side, path in self.folders.items():
            namespaces.scratch(path, inner[side], _SCRATCH_BYTES, _SCRATCH_FILES)
        self.users = inner if two else None
        self._owners = inner
        self._others = 0

    def _settle_outside(self, folder: str, read: list[str]) -> None:
        self._roots = self.folders = {side: f"{folder}/{side}" for side in folders.SIDES}
        for path in self.folders.values():
            os.mkdir(path, 0o700)
        first = users.private()
        private = {side: first + number for number, side in enumerate(folders.SIDES)}
        self.users = self._owners = private if users.may_change_to(first) else None
        self._others = 0
        if self.users is None:
            self._others = limits.tasks_of(os.getuid()) + limits.SPARE_TASKS
            return
        os.chmod(folder, 0o711)
        for side, path in self.folders.items():
            os.chown(path, self.users[side], self.users[side])

    def fork(self) -> int:
        fork = self._pids.fork if self._pids else os.fork
        if self._score is None:
            return fork()
        self._score.set(_ORDINARY)
        pid = -1
        try:
            pid = fork()
        finally:
            if pid:
                self._score.set(_PROTECTED)
        return pid

    def entering(self, side: str) -> list[limits.Step]:
        user = limits.becoming(self.users[side], read_all=self.read_all) if self.users else limits.having(0)
        alone = [_signal_only_self] if self.abi < 6 and not self.contained else []
        return [*self._going_to(side), self._obey[side], *user, *alone]

    def tasks(self, side: str, processes: int) -> int | None:
        return processes + self._others + _OWN_TASKS

    def limit(self, memory: int, processes: int) -> None:
        # Twice: the tests' process has as much for itself.
        if self.group:
            self.group.limit(2 * memory + _OWN_MEMORY, processes + _OWN_TASKS)

    def starved(self) -> bool:
        before = self._killed
        self._killed = self.group.killed() if self.group else 0
        return self._killed > before

    def _refresh(self, side: str) -> None:
        self._keeper.send(side[:1].encode())
        if not self._keeper.recv(1):
            raise OSError("the keeper of this jail has died")

    def _renew(self, request: bytes) -> None:
        """In the keeper: leave a folder as new."""
        side = next(side for side in folders.SIDES if side.startswith(request.decode()))
        path = self.folders[side]
        if self.contained:
            namespaces.drop(path)
            namespaces.scratch(path, self._owners[side] if self._owners else 0, _SCRATCH_BYTES, _SCRATCH_FILES)
        else:
            folders.empty(path)

    def _finish(self) -> None:
        """In the keeper, after the zygote has ended."""
        if self.group:
            self.group.leave()
        if self.contained:
            os.rmdir(os.path.basename(self.folder), dir_fd=self._parent)
        else:
            _remove(self.folder)

    def end(self) -> None:
        """The keeper does it."""

    def facts(self) -> dict[str, str]:
        """What this jail is made of, in words."""
        if self.users is None:
            user = "this user, without capabilities"
        else:
            user = "a private one" + (
                ", with the right to read all files that the walls leave" if self.read_all else ""
            )
        return {
            "landlock": f"ABI {self.abi}",
            "cgroup": self.group.kind if self.group else "none that can be made",
            "user": user,
        }


def build(level: str, folder: str) -> Jail:
    """The jail of a level, in and below an empty folder. Raises `OSError` that names the step which was refused."""
    return Jail(folder) if level == "process" else Walled(level, folder)


def _protected() -> limits.OwnScore | None:
    """This process, which the kernel now spares for long; None where it may not be asked for that."""
    with contextlib.suppress(OSError):
        score = limits.OwnScore()
        score.set(_PROTECTED)
        return score


def _signal_only_self() -> None:
    seccomp.install(seccomp.own_signals_only(os.getpid()))


def _remove(folder: str) -> None:
    with contextlib.suppress(FileNotFoundError):  # the caller may have been faster
        folders.empty(folder)
        os.rmdir(folder)


def _split_off(renew: Callable[[bytes], None], finish: Callable[[], None], needed: list[int]) -> socket.socket:
    """Returns in a child, with the line to the process that called this and now is the keeper."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid:
        theirs.close()
        _keep(ours, pid, renew, finish, needed)
    ours.close()
    for descriptor in needed:
        os.close(descriptor)
    limits.dying_with_parent()()
    return theirs


def _keep(
    line: socket.socket, zygote: int, renew: Callable[[bytes], None], finish: Callable[[], None], needed: list[int]
) -> NoReturn:
    """Do what is asked until the zygote ends, then end as it did."""
    code = 1
    try:
        kept = [2, *sorted((line.fileno(), *needed)), os.sysconf("SC_OPEN_MAX")]
        for before, after in itertools.pairwise(kept):
            os.closerange(before + 1, after)
        while request := line.recv(1):
            renew(request)
            line.send(request)
        code = os.waitstatus_to_exitcode(os.waitpid(zygote, 0)[1]) & 0xFF
        finish()
    finally:
        os._exit(code)
