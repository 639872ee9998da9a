"""A small interpreter that stays warm and forks: per task one tests' process, per program one candidate's process.

Its own memory never holds a test: the plan goes from the caller straight to the tests' process, and results go straight
back, over a socket that this process only hands on. What it knows is programs, limits, and how processes ended.
`worker` starts it with a whitelisted environment and without site packages.
"""

import builtins
import contextlib
import fcntl
import gc
import importlib
import json
import os
import select
import socket
import sys
import time
from typing import Any

from rlvr.judge import candidate, limits, tester
from rlvr.judge.wire import read_frame, write_frame

# What programs import most; importing in every child would cost more than the fork.
_WARM = (
    "abc", "bisect", "cmath", "collections.abc", "contextlib", "copy", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "heapq", "itertools", "json", "math", "numbers", "operator", "random", "re", "statistics",
    "string", "struct", "textwrap", "time", "typing",
)  # fmt: skip
READY = b"ready"
_SHOWN = 8192
_RESULTS_PER_MESSAGE = 8
_TICK_S = 0.1
_TESTER_GRACE_S = 60.0
_TESTER_CPU_S = 24 * 3600.0
"""Backstop over all groups; what it spends on one program is watched."""
_GROUPS_PER_TESTER = 500


class _Place:
    """Where one program runs: an empty folder of its own, and two capped places for what it prints."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        os.mkdir(folder, 0o700)
        self.outputs = [_scratch(folder), _scratch(folder)]

    def close(self) -> list[str]:
        """Remove everything; returns the heads of both outputs."""
        heads = [os.pread(output, _SHOWN, 0).decode("utf-8", "replace") for output in self.outputs]
        for output in self.outputs:
            os.close(output)
        _remove(self.folder)
        return heads


def _scratch(folder: str) -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("output")
    descriptor = os.open(f"{folder}.out", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(f"{folder}.out")
    return descriptor


def _remove(folder: str) -> None:
    """Remove a folder whatever is in it: what nests is first moved up, since a path can be too long to name."""
    try:
        os.rmdir(folder)
        return
    except OSError:
        os.chmod(folder, 0o700)
    moved = 0
    while names := os.listdir(folder):
        for name in names:
            path = os.path.join(folder, name)
            try:
                os.unlink(path)
                continue
            except OSError:
                os.chmod(path, 0o700)
            for inner in os.listdir(path):
                moved += 1
                os.rename(os.path.join(path, inner), os.path.join(folder, f"{moved}.moved"))
            os.rmdir(path)
    os.rmdir(folder)


def _become(
    descriptors: list[int], most: dict[str, Any], memory: int, cpu_s: float, crowd: limits.Crowd | None = None
) -> None:
    """Turn a fresh fork into a confined process that has these descriptors, numbered from 0, and no others."""
    os.setsid()
    for number, descriptor in enumerate([fcntl.fcntl(given, fcntl.F_DUPFD, 64) for given in descriptors]):
        os.dup2(descriptor, number, inheritable=number < 3)
    os.closerange(len(descriptors), os.sysconf("SC_OPEN_MAX"))
    limits.confine(cpu_s, memory, most["output_kb"] << 10, most["open_files"])
    if crowd:
        crowd.enter(most["processes"])
    limits.die_with_parent()


class _Tester:
    """A tests' process and the line to it; messages have four bytes, so that two of them never run together."""

    def __init__(self, pid: int, line: socket.socket, most: dict[str, Any]) -> None:
        self.pid = pid
        self.line = line
        self.most = most
        self.groups = 0

    def tell(self, message: bytes, *descriptors: int) -> None:
        # Where it is gone, the watch over the next candidate sees that.
        with contextlib.suppress(OSError):
            socket.send_fds(self.line, [message], descriptors)


class Zygote:
    """control: jobs in, results out. reports: handed to tests' processes. folder: where work folders are made."""

    def __init__(self, control: socket.socket, reports: socket.socket, folder: str) -> None:
        self.control = control
        self.reports = reports
        self.folder = folder
        self.empty = os.open(os.devnull, os.O_RDWR)
        self.mapped = limits.address_space()
        self.crowd = limits.Crowd()
        self.made = 0
        self.tester: _Tester | None = None

    def run(self) -> None:
        while (frame := read_frame(self.control)) is not None:
            group = json.loads(frame)
            results = self._shared(group["jobs"]) if group["trust"] == "shared" else self._split(group["jobs"])
            if not group["plain"]:
                self._end_tester()
            self._send(results, end=True)

    def _split(self, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Results of the last jobs; those of earlier ones have been sent."""
        tests = self._tester(jobs[0]["limits"])
        results: list[dict[str, Any]] = []
        for job in jobs:
            results.append(self._candidate(job, tests))
            if results[-1]["tester_lost"]:
                self._end_tester()
                break
            if len(results) == _RESULTS_PER_MESSAGE:
                self._send(results, end=False)
                results = []
        return results

    def _tester(self, most: dict[str, Any]) -> "_Tester":
        """A tests' process that has been told to read the plan which the caller has sent."""
        if self.tester is None or self.tester.most != most or self.tester.groups == _GROUPS_PER_TESTER:
            self._end_tester()
            ours, theirs = socket.socketpair()
            pid = os.fork()
            if not pid:
                descriptors = [self.empty, self.empty, self.empty, self.reports.fileno(), theirs.fileno()]
                _become(descriptors, most, self._memory(most), _TESTER_CPU_S)
                tester.serve(socket.socket(fileno=3), socket.socket(fileno=4))
            theirs.close()
            self.tester = _Tester(pid, ours, most)
        self.tester.groups += 1
        self.tester.tell(tester.PLAN)
        return self.tester

    def _end_tester(self) -> None:
        if self.tester is not None:
            self.tester.line.close()
            limits.end_all(None, self.tester.pid)
            self.tester = None

    def _candidate(self, job: dict[str, Any], tests: "_Tester") -> dict[str, Any]:
        ours, theirs = socket.socketpair()
        place = self._place()
        pid = os.fork()
        if not pid:
            os.chdir(place.folder)
            most = job["limits"]
            descriptors = [self.empty, *place.outputs, theirs.fileno()]
            _become(descriptors, most, self._memory(most), most["cpu_s"], self.crowd)
            candidate.serve(job["program"].encode("utf-8", "surrogatepass"))
        theirs.close()
        tests.tell(b"%04d" % job["id"], ours.fileno())
        ours.close()
        return _Watch(self.control, tests.line, pid, tests.pid, job).result(place)

    def _shared(self, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self._end_tester()
        results = []
        for job in jobs:
            ours, theirs = socket.socketpair()
            place = self._place()
            pid = os.fork()
            if not pid:
                os.chdir(place.folder)
                most = job["limits"]
                descriptors = [self.empty, *place.outputs, self.reports.fileno(), theirs.fileno()]
                _become(descriptors, most, self._memory(most), most["cpu_s"], self.crowd)
                program = job["program"].encode("utf-8", "surrogatepass")
                tester.serve_shared(socket.socket(fileno=3), socket.socket(fileno=4), job["id"], program)
            theirs.close()
            results.append(_Watch(self.control, ours, pid, None, job).result(place))
            ours.close()
        return results

    def _place(self) -> _Place:
        self.made += 1
        place = _Place(f"{self.folder}/{self.made}")
        self.crowd.own(place.folder)
        return place

    def _memory(self, most: dict[str, Any]) -> int:
        return self.mapped + (most["memory_mb"] << 20)

    def _send(self, results: list[dict[str, Any]], *, end: bool) -> None:
        write_frame(self.control, json.dumps({"results": results, "end": end}).encode())


class _Watch:
    """Waits for one program's tests to end, and ends the program where it takes too much."""

    def __init__(
        self, control: socket.socket, jobs: socket.socket, pid: int, tester_pid: int | None, job: dict[str, Any]
    ) -> None:
        self.jobs = jobs
        self.pid = pid
        self.tester_pid = tester_pid
        self.job = job
        self.most = job["limits"]
        self.began = time.monotonic()
        self.tester_began = limits.cpu_of(tester_pid) if tester_pid else 0.0
        self.poll = select.poll()
        self.poll.register(jobs, select.POLLIN)
        self.poll.register(control, 0)
        self.ended: limits.Ended | None = None
        self.wall_s = 0.0
        self.limit, self.why = "", ""

    def result(self, place: _Place) -> dict[str, Any]:
        lost = self._wait()
        ended = self._end()
        if not self.limit and ended.cpu_s > self.most["cpu_s"]:
            self._over("timeout", f"more than {self.most['cpu_s']:g} CPU-s")
        stdout, stderr = place.close()
        return {
            "id": self.job["id"], "limit": self.limit, "why": self.why, "status": ended.statuses[self.pid],
            "cpu_s": ended.cpu_s, "wall_s": self.wall_s, "rss_mb": ended.rss_mb, "stdout": stdout, "stderr": stderr,
            "tester_lost": lost,
        }  # fmt: skip

    def _wait(self) -> bool:
        """Whether the tests' process was lost on the way."""
        wait = min(_TICK_S, self.most["cpu_s"] / 2)
        while True:
            for descriptor, _ in self.poll.poll(wait * 1000):
                if descriptor != self.jobs.fileno():
                    self._end()
                    sys.exit(0)  # the caller is gone
                return not self._heard() and self.tester_pid is not None
            if self.ended is None:
                self._look()
            if self.limit and self._tester_is_late():
                os.kill(self.tester_pid or self.pid, 9)

    def _heard(self) -> bytes:
        try:
            return self.jobs.recv(16)
        except OSError:
            return b""

    def _look(self) -> None:
        """Compare with the limits what the program and everything that it started have used by now."""
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            self._end()  # what it left behind may hold the channel open
            return
        pids = limits.tree(pid for pid in limits.children(os.getpid()) if pid != self.tester_pid)
        wall = self.most["wall_s"]
        if sum(map(limits.cpu_of, pids)) > self.most["cpu_s"]:
            self._over("timeout", f"more than {self.most['cpu_s']:g} CPU-s")
        elif time.monotonic() - self.began > wall:
            self._over("timeout", f"more than {wall:g} s")
        elif len(pids) > self.most["processes"]:
            self._over("runtime_error", f"more than {self.most['processes']} processes")
        elif self.tester_pid and limits.cpu_of(self.tester_pid) - self.tester_began > self.most["cpu_s"]:
            self._over("timeout", f"the tests needed more than {self.most['cpu_s']:g} CPU-s to look at the answers")

    def _over(self, limit: str, why: str) -> None:
        self.limit, self.why = limit, why
        self._end()

    def _tester_is_late(self) -> bool:
        spent = limits.cpu_of(self.tester_pid) - self.tester_began if self.tester_pid else 0.0
        return spent > self.most["cpu_s"] or time.monotonic() - self.began - self.wall_s > _TESTER_GRACE_S

    def _end(self) -> limits.Ended:
        if self.ended is None:
            self.wall_s = time.monotonic() - self.began
            self.ended = limits.end_all(self.tester_pid, self.pid)
        return self.ended


def _warm_up(profile: str) -> None:
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
    gc.collect()
    gc.freeze()
    gc.disable()


def main(control: int, reports: int, folder: str, profile: str) -> None:
    _warm_up(profile)
    limits.prepare()
    os.chdir(folder)
    zygote = Zygote(socket.socket(fileno=control), socket.socket(fileno=reports), folder)
    write_frame(zygote.control, READY)
    zygote.run()
