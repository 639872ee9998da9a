"""A small interpreter that stays warm and forks: per task one tests' process, per program one candidate's process.

Its own memory never holds a test: the plan goes from the caller straight to the tests' process, and results go straight
back, over a socket that this process only hands on. Nor does it hold a program: each is a file that only its own
process reads, so that none can copy what another one has solved. What it knows is limits, and how processes ended.
`worker` starts it with a whitelisted environment and without site packages.
"""

import builtins
import contextlib
import fcntl
import gc
import importlib
import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from rlvr.judge import candidate, limits, rehearsal, stdio, tester
from rlvr.judge.jail import walls
from rlvr.judge.jail.walls import Jail
from rlvr.judge.languages import read_all
from rlvr.judge.place import Place
from rlvr.judge.watch import CallerGone, Watch
from rlvr.judge.wire import read_frame, receive_files, write_frame

# What programs import most; importing in every child would cost more than the fork.
_WARM = (
    "abc", "bisect", "cmath", "collections.abc", "contextlib", "copy", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "heapq", "itertools", "json", "math", "numbers", "operator", "random", "re", "statistics",
    "string", "struct", "textwrap", "time", "typing",
)  # fmt: skip
READY = b"ready"
_RESERVED = 8
"""The numbers below are those that processes in a jail give to their descriptors: in the zygote nothing else has them,
so that they can be given in any order."""
_OPEN_MAX = os.sysconf("SC_OPEN_MAX")
_RESULTS_PER_MESSAGE = 8
_TESTER_CPU_S = 24 * 3600.0
"""Backstop over all groups; what it spends on one program is watched."""
_GROUPS_PER_TESTER = 500
Serve = Callable[[socket.socket, socket.socket], NoReturn]
"""Life of a process on the tests' side, with the socket for reports and the line to the zygote."""


def _fork(jail: Jail, run: Callable[[], NoReturn]) -> int:
    """Pid of a new process that runs this and never comes back here."""
    pid = jail.fork()
    if pid:
        return pid
    try:
        run()
    finally:
        os._exit(1)


class _Walls:
    """What turns a fresh fork into a confined process."""

    def __init__(self, jail: Jail, side: str, most: dict[str, Any], memory: int, cpu_s: float) -> None:
        processes = jail.tasks(side, most["processes"])
        bounds = limits.bounds(cpu_s, memory, most["output_kb"] << 10, most["open_files"], processes)
        self._entering = [os.setsid, *jail.entering(side)]
        self._confining = limits.confining(bounds)
        if not jail.contained:  # else everything ends with the zygote, which is the init of its world
            self._confining.append(limits.dying_with_parent())

    def enter(self, *descriptors: int) -> None:
        """Have these descriptors, numbered from 0, and no others."""
        limits.take(self._entering)
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number, number < 3)
        os.closerange(len(descriptors), _OPEN_MAX)
        limits.take(self._confining)


class _Tester:
    """A tests' process and the line to it; messages have four bytes, so that two of them never run together."""

    def __init__(self, pid: int, line: socket.socket, kind: tuple[dict[str, Any], Serve]) -> None:
        self.pid = pid
        self.line = line
        self.kind = kind
        self.groups = 0

    def tell(self, message: bytes, *descriptors: int) -> None:
        # Where it is gone, the watch over the next candidate sees that.
        with contextlib.suppress(OSError):
            socket.send_fds(self.line, [message], descriptors)


class Zygote:
    """control: jobs in, results out. reports: handed to tests' processes."""

    def __init__(self, control: socket.socket, reports: socket.socket, jail: Jail) -> None:
        self.control = control
        self.reports = reports
        self.jail = jail
        self.mapped = limits.address_space()
        self.tester: _Tester | None = None
        self.walls: tuple[dict[str, Any], _Walls] | None = None
        self.contest = stdio.Contest(self)
        self.ready = candidate.Candidate()

    def run(self) -> None:
        while (frame := read_frame(self.control)) is not None:
            group = json.loads(frame)
            shared = group["trust"] == "shared"
            files = receive_files(self.control, len(group["jobs"]) + shared)
            for job, program in zip(group["jobs"], files, strict=False):
                job["program"] = program
            if group["cases"]:
                results = self.contest.run(group)
            else:
                results = [self._alone(group["jobs"][0], files[-1])] if shared else self._split(group["jobs"])
            for file in files:
                os.close(file)
            if not group["plain"]:
                self.end_tests_side()
            self.send(results, end=True)

    def _split(self, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Results of the last jobs; those of earlier ones have been sent."""
        tests = self._tester(jobs[0]["limits"])
        results: list[dict[str, Any]] = []
        for job in jobs:
            results.append(self._candidate(job, tests))
            if results[-1]["tester_lost"]:
                self.end_tests_side()
                break
            if len(results) == _RESULTS_PER_MESSAGE:
                self.send(results, end=False)
                results = []
        return results

    def _tester(self, most: dict[str, Any]) -> "_Tester":
        """A tests' process that has been told to read the plan which the caller has sent."""
        tests = self.tests_side(most, tester.serve)
        tests.tell(tester.PLAN)
        return tests

    def tests_side(self, most: dict[str, Any], serve: Serve) -> "_Tester":
        """The process on the tests' side that serves so under these limits; there is one at a time."""
        if self.tester is None or self.tester.kind != (most, serve) or self.tester.groups == _GROUPS_PER_TESTER:
            self.end_tests_side()
            ours, theirs = socket.socketpair()
            walls = _Walls(self.jail, "tests", most, self._memory(most), _TESTER_CPU_S)

            def start() -> NoReturn:
                walls.enter(0, 0, 0, self.reports.fileno(), theirs.fileno())
                serve(socket.socket(fileno=3), socket.socket(fileno=4))

            pid = _fork(self.jail, start)
            theirs.close()
            self.tester = _Tester(pid, ours, (most, serve))
        self.tester.groups += 1
        return self.tester

    def launch(self, most: dict[str, Any], descriptors: list[int], run: Callable[[], NoReturn]) -> int:
        """Pid of a new confined process of a program that has these descriptors and runs this."""
        walls = self._walls(most)

        def start() -> NoReturn:
            walls.enter(*descriptors)
            run()

        return _fork(self.jail, start)

    def end(self) -> None:
        self.end_tests_side()
        self.jail.end()

    def end_tests_side(self) -> None:
        if self.tester is not None:
            self.tester.line.close()
            limits.end_all(None, self.tester.pid, contained=self.jail.contained)
            self.jail.clean("tests")
            self.tester = None

    def _candidate(self, job: dict[str, Any], tests: "_Tester") -> dict[str, Any]:
        ours, theirs = socket.socketpair()
        place, walls = self._place(job["limits"])

        def serve() -> NoReturn:
            walls.enter(place.input, *place.outputs, theirs.fileno(), job["program"])
            self.ready.serve(_taken(4))

        pid = _fork(self.jail, serve)
        theirs.close()
        tests.tell(b"%04d" % job["id"], ours.fileno())
        ours.close()
        return Watch(self.jail, self.control, tests.line, pid, tests.pid, job).result(place)

    def _alone(self, job: dict[str, Any], report: int) -> dict[str, Any]:
        self.end_tests_side()
        ours, theirs = socket.socketpair()
        place, walls = self._place(job["limits"])

        def serve() -> NoReturn:
            walls.enter(place.input, *place.outputs, self.reports.fileno(), theirs.fileno(), job["program"], report)
            tester.serve_shared(socket.socket(fileno=3), socket.socket(fileno=4), _taken(5), 6)

        pid = _fork(self.jail, serve)
        theirs.close()
        result = Watch(self.jail, self.control, ours, pid, None, job).result(place)
        ours.close()
        return result

    def _place(self, most: dict[str, Any]) -> tuple[Place, _Walls]:
        self.jail.limit(most["memory_mb"] << 20, most["processes"])
        return Place(self.jail), self._walls(most)

    def _walls(self, most: dict[str, Any]) -> _Walls:
        """Those of a program with these limits, which mostly are those of the one before."""
        if self.walls is None or self.walls[0] != most:
            self.walls = most, _Walls(self.jail, "program", most, self._memory(most), most["cpu_s"])
        return self.walls[1]

    def _memory(self, most: dict[str, Any]) -> int:
        return self.mapped + (most["memory_mb"] << 20)

    def send(self, results: list[dict[str, Any]], *, end: bool) -> None:
        write_frame(self.control, json.dumps({"results": results, "end": end}).encode())


def _taken(program: int) -> bytes:
    """What is in the file of a program, which nobody needs any more."""
    source = read_all(program)
    os.close(program)
    return source


def warm_up(profile: str) -> None:
    """Import and play through what processes below this one will need."""
    modules, folders = json.loads(profile)
    sys.path += folders
    # `random` would reseed itself in every child, where it is seeded anyway.
    hook, os.register_at_fork = os.register_at_fork, lambda **_: None
    for name in (*_WARM, *modules):
        importlib.import_module(name)
    if "pytest" in modules:
        importlib.import_module("rlvr.judge.suites").warm_up()
    os.register_at_fork = hook
    # As in an interpreter with site packages.
    for name in ("exit", "quit"):
        setattr(builtins, name, sys.exit)
    candidate.settle()
    rehearsal.rehearse()


def _settle() -> None:
    """What there is now stays, and no collection looks at it again: looking writes to memory."""
    gc.collect()
    gc.freeze()
    gc.disable()


def _moved(descriptor: int) -> socket.socket:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _RESERVED)
    os.close(descriptor)
    return socket.socket(fileno=moved)


def main(control: int, reports: int, folder: str, level: str, profile: str) -> None:
    os.environ.pop("LD_BIND_NOW", None)
    lines = _moved(control), _moved(reports)
    for number in range(3, _RESERVED):
        os.dup2(0, number, inheritable=False)
    warm_up(profile)
    jail = walls.build(level, folder)
    limits.prepare()
    zygote = Zygote(*lines, jail)
    _settle()
    with contextlib.suppress(CallerGone, ConnectionError):
        write_frame(zygote.control, READY)
        zygote.run()
    zygote.end()
