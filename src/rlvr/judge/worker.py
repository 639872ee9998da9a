"""The caller's side of one zygote: start it, hand it groups of jobs, join what it and the tests' process say."""

import contextlib
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rlvr.judge.assembly import Plan
from rlvr.judge.cases import Cases
from rlvr.judge.failures import shorten
from rlvr.judge.jail import cgroups
from rlvr.judge.languages import write_all
from rlvr.judge.profiles import LEAN, Profile
from rlvr.judge.referee import scratch
from rlvr.judge.tester import EXPLAINED
from rlvr.judge.wire import read_frame, send_files, write_frame
from rlvr.records import TELLTALES, Execution, Job, Outcome, Record, TestResult

_BOOT = """
import sys
sys.path.insert(0, sys.argv[1])
from rlvr.judge.zygote import main
sys.path.pop(0)
main(int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
"""
_ENVIRONMENT = {
    "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/bin:/bin",
    "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    "LD_BIND_NOW": "1",
}  # fmt: skip
"""With all symbols bound at once, forks need not bind them again. The zygote takes this last one away again."""
_CLOSE_S = 5.0
_LONGEST_REPORT = 1 << 20
_DRAIN_MS = 200


class LostError(Exception):
    """The zygote, or the tests' process below it, died. `results`: what was known before, by index in the group."""

    def __init__(self, results: dict[int, Execution]) -> None:
        super().__init__("a process of the judge died")
        self.results = results


class Worker:
    """One zygote, started at the first group and replaced after it was lost. For one thread."""

    def __init__(self, level: str, profile: Profile = LEAN) -> None:
        self.level, self.profile = level, profile
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = ""

    def run(self, plan: Plan | Cases, jobs: Sequence[Job]) -> dict[int, Execution]:
        """Executions by index in `jobs`. Raises `LostError` where the judge died, `OSError` where none starts."""
        self._start()
        assert self._process is not None
        try:
            return self._run(plan, jobs)
        except (OSError, EOFError) as error:
            known = getattr(error, "known", {})
            self.close()
            raise LostError(known) from error
        except BaseException:
            self.close()  # nobody knows which of its messages were read
            raise

    def interrupt(self) -> None:
        """From another thread: have the zygote end what runs and leave; a `run` under way raises `LostError`."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the zygote and everything below it; a later `run` starts a new one."""
        if self._process is None:
            return
        self._control.close()
        self._reports.close()
        try:
            self._process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        cgroups.remove(os.path.basename(self._folder))
        _end_stray(self._folder)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        if self._process is not None:
            return
        self._folder = tempfile.mkdtemp(prefix="rlvr-judge-")
        self._control, control = socket.socketpair()
        self._reports, reports = socket.socketpair()
        root = str(Path(__file__).resolve().parents[2])
        arguments = [root, str(control.fileno()), str(reports.fileno()), self._folder, self.level]
        arguments.append(self.profile.to_text())
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-s", "-P", "-W", "ignore", "-X", "utf8", "-c", _BOOT, *arguments],
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(control.fileno(), reports.fileno()),
                start_new_session=True,
            )
        finally:
            control.close()
            reports.close()
        # Whatever goes wrong before this word is no program's doing.
        if read_frame(self._control) is None:
            self.close()
            raise OSError("a zygote ended before it was ready; its own words are on the standard error")

    def _run(self, plan: Plan | Cases, jobs: Sequence[Job]) -> dict[int, Execution]:
        known: dict[int, Execution] = {}
        try:
            rows = [
                {"id": number, "hash": _hash(job), "language": job.language, "limits": _limits(job)}
                for number, job in enumerate(jobs)
            ]
            cases = len(plan.cases) if isinstance(plan, Cases) else 0
            # Through tests that leave something behind, a program could reach the next one's.
            together = plan.trust == "split" and plan.plain
            for group in [rows] if together else [[row] for row in rows]:
                head = {"trust": plan.trust, "plain": plan.plain, "cases": cases, "jobs": group}
                write_frame(self._control, json.dumps(head).encode())
                told = scratch(self._folder) if plan.trust == "shared" else None
                try:
                    self._send_files([jobs[row["id"]].program for row in group], told)
                    write_frame(self._reports, json.dumps(plan.to_json()).encode())
                    self._collect(plan, known, told)
                finally:
                    if told is not None:
                        os.close(told)
        except (OSError, EOFError) as error:
            error.known = known  # type: ignore[attr-defined]
            raise
        if len(known) < len(jobs):
            raise LostError(known)
        return known

    def _send_files(self, programs: list[str], told: int | None) -> None:
        """Programs as files, which the zygote does not read: what a process of one has in memory is its own only.

        told: where a process of program and tests writes its report, which has no part in the line of the others'.
        """
        files: list[int] = []
        try:
            for program in programs:
                files.append(scratch(self._folder))
                write_all(files[-1], program.encode("utf-8", "surrogatepass"))
            send_files(self._control, files if told is None else [*files, told])
        finally:
            for file in files:
                os.close(file)

    def _collect(self, plan: Plan | Cases, known: dict[int, Execution], told: int | None) -> None:
        reports = _Reports(self._reports)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        while True:
            # Wakes for the zygote's messages only; a full buffer of reports is emptied in passing.
            while not poll.poll(_DRAIN_MS):
                reports.drain()
            frame = read_frame(self._control)
            if frame is None:
                raise EOFError
            message = json.loads(frame)
            reports.drain()
            for result in message["results"]:
                report = reports.by_job.get(result["id"]) if told is None else _told(told)
                if report is not None or result["limit"] or told is not None:
                    known[result["id"]] = (
                        plan.execution(result, report, self.level)
                        if isinstance(plan, Cases)
                        else _execution(plan, result, report, self.level)
                    )
            if message["end"]:
                return


@dataclass(frozen=True, slots=True)
class _Report(Record):
    """What a tests' process writes, as far as a program that shares it may."""

    ended: Outcome | Literal["finished", "left"]
    why: str
    tests: tuple[Outcome, ...]
    whys: dict[str, str]
    telltales: tuple[str, ...]


def _told(file: int) -> dict[str, Any] | None:
    """The report of a process that program and tests had together; None for what is none."""
    try:
        report = _Report.from_json(json.loads(os.pread(file, _LONGEST_REPORT, 0)))
    except (ValueError, RecursionError):
        return None
    if "judge_error" in (report.ended, *report.tests) or (report.ended == "finished" and not report.tests):
        return None
    whys = {number: shorten(why, 1000) for number, why in list(report.whys.items())[:EXPLAINED]}
    telltales = [kind for kind in report.telltales if kind in TELLTALES]
    # Its time is in the program's account.
    return {**report.to_json(), "why": shorten(report.why, 1000), "whys": whys, "telltales": telltales, "cpu_s": 0.0}


class _Reports:
    """What tests' processes have written so far; half a report of one that was killed is dropped with this object."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.by_job: dict[int, dict[str, Any]] = {}
        self._buffer = b""

    def drain(self) -> None:
        while True:
            try:
                part = self.connection.recv(1 << 20, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            if not part:
                raise EOFError
            self._buffer += part
        while len(self._buffer) >= 4:
            end = 4 + int.from_bytes(self._buffer[:4], "big")
            if len(self._buffer) < end:
                break
            try:
                report = json.loads(self._buffer[4:end])
            except ValueError as error:
                raise EOFError("no report, so nobody knows what else that process would say") from error
            self.by_job[report["job"]] = report
            self._buffer = self._buffer[end:]


def _hash(job: Job) -> str:
    source = job.program.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(source, person=job.language[:16].encode()).hexdigest()


def _limits(job: Job) -> dict[str, Any]:
    return {**job.limits.to_json(), "wall_s": job.limits.wall()}


def _execution(plan: Plan, result: dict[str, Any], report: dict[str, Any] | None, level: str) -> Execution:
    """One story from two witnesses: the zygote knows how the program ended, the tests' process what it showed."""
    report = report or {"ended": "left", "why": "", "tests": [], "whys": {}, "telltales": [], "cpu_s": 0.0}
    ended: Any = report["ended"]
    why: str = report["why"]
    if result["limit"]:
        ended, why = result["limit"], result["why"]
    elif ended == "left" or (ended == "finished" and plan.trust == "split" and not _was_there(result["status"])):
        ended, why = _departure(result["status"])
    tests = [
        TestResult("passed") if outcome == "passed" else TestResult(outcome, report["whys"].get(str(number), ""))
        for number, outcome in enumerate(report["tests"])
    ]
    if ended != "finished":
        # Tests that did not get their turn, or lost the program while they ran, end as the program did.
        tests = [TestResult(ended, why) if test.outcome == "early_exit" else test for test in tests]
        tests += [TestResult(ended, why)] * (len(plan.tests) - len(tests))
    telltales = set(report["telltales"])
    if ended == "early_exit" or any(test.outcome == "early_exit" for test in tests):
        telltales.add("early_exit")
    return Execution(
        ended=ended,
        tests=tuple(tests),
        tests_total=len(tests),
        why=why,
        stdout=result["stdout"],
        stderr=result["stderr"],
        cpu_s=round(result["cpu_s"] + report["cpu_s"], 6),
        wall_s=round(result["wall_s"], 6),
        max_rss_mb=round(result["rss_mb"], 3),
        isolation=level,
        trust=plan.trust,
        telltales=tuple(sorted(telltales)),
    )


def _was_there(status: int) -> bool:
    """Whether the program's process was there until the zygote ended it."""
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _departure(status: int) -> tuple[str, str]:
    """How a program that left before its tests were done is called."""
    if not os.WIFSIGNALED(status):
        return (
            "early_exit",
            f"the program left with exit code {os.waitstatus_to_exitcode(status)} before its tests were done",
        )
    number = os.WTERMSIG(status)
    name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
    if number == signal.SIGXCPU:
        return "timeout", "the program was ended by the kernel's CPU limit"
    if number in (signal.SIGKILL, signal.SIGTERM):
        return "early_exit", f"the program ended itself ({name}) or hung up before its tests were done"
    return "runtime_error", f"the program was ended by {name}"


def _end_stray(folder: str) -> None:
    """After a zygote was killed: end what still works in one of its folders."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return
    for pid in pids:
        try:
            if os.readlink(f"/proc/{pid}/cwd").startswith(folder + "/"):
                os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
