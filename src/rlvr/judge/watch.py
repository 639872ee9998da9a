"""Keeps one program within its limits while its tests run, and ends everything that it started."""

import os
import select
import signal
import socket
import time
from typing import Any

from rlvr.judge import limits
from rlvr.judge.jail.walls import Jail
from rlvr.judge.place import Place

_TICK_S = 0.1
_TESTER_GRACE_S = 60.0
_ASLEEP_S = 0.5
"""A tests' process that sleeps so long after the program has ended waits for nobody: the program had it sleep."""
_STARVED = "the program and what it started needed too much memory together"


class CallerGone(Exception):  # noqa: N818
    """Nobody is there to take results."""


class Watch:
    """Waits for one program's tests to end, and ends the program where it takes too much."""

    def __init__(
        self,
        jail: Jail,
        control: socket.socket,
        jobs: socket.socket,
        pid: int,
        tester_pid: int | None,
        job: dict[str, Any],
    ) -> None:
        self.jail = jail
        self.jobs = jobs
        self.pid = pid
        self.tester_pid = tester_pid
        self.job = job
        self.most = job["limits"]
        self.began = time.monotonic()
        self.tester_began: float | None = None
        self.tester_awake = 0.0
        self.poll = select.poll()
        self.poll.register(jobs, select.POLLIN)
        self.poll.register(control, 0)
        self.ended: limits.Ended | None = None
        self.wall_s = 0.0
        self.limit, self.why = "", ""

    def result(self, place: Place) -> dict[str, Any]:
        lost = self._wait()
        ended = self._end()
        if not self.limit and ended.cpu_s > self.most["cpu_s"]:
            self._over("timeout", f"more than {self.most['cpu_s']:g} CPU-s")
        if self.jail.starved() and not self.limit:
            self._over("memory_limit", _STARVED)
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
                    raise CallerGone
                return not self._heard() and self.tester_pid is not None
            if self.ended is None:
                self._look()
            if self.limit and self._tester_is_late():
                os.kill(self.tester_pid or self.pid, signal.SIGKILL)

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
        elif self.jail.starved():
            self._over("memory_limit", _STARVED)
        elif len(pids) > self.most["processes"]:
            self._over("runtime_error", f"more than {self.most['processes']} processes")
        elif self._tester_cpu_s() > self.most["cpu_s"]:
            self._over("timeout", f"the tests needed more than {self.most['cpu_s']:g} CPU-s to look at the answers")

    def _tester_cpu_s(self) -> float:
        """What the tests' process has used since somebody first looked, so not for tests that are quick."""
        now = limits.cpu_of(self.tester_pid) if self.tester_pid else 0.0
        if self.tester_began is None:
            self.tester_began = now
        return now - self.tester_began

    def _over(self, limit: str, why: str) -> None:
        self.limit, self.why = limit, why
        self._end()

    def _tester_is_late(self) -> bool:
        now = time.monotonic()
        if not self.tester_awake or not self.tester_pid or not limits.is_asleep(self.tester_pid):
            self.tester_awake = now
        late = now - self.began - self.wall_s > _TESTER_GRACE_S or now - self.tester_awake > _ASLEEP_S
        return late or self._tester_cpu_s() > self.most["cpu_s"]

    def _end(self) -> limits.Ended:
        if self.ended is None:
            self.wall_s = time.monotonic() - self.began
            self.ended = limits.end_all(self.tester_pid, self.pid, contained=self.jail.contained)
        return self.ended
