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
from pathlib import Path
from typing import Any

from rlvr.judge.assembly import Plan
from rlvr.judge.cases import Cases
from rlvr.judge.jail import cgroups
from rlvr.judge.languages import write_all
from rlvr.judge.profiles import LEAN, Profile
from rlvr.judge.referee import scratch
from rlvr.judge.reports import Reports, shared_report
from rlvr.judge.wire import read_frame, send_files, write_frame
from rlvr.judge.witnesses import joined
from rlvr.records import Execution, Job

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
        reports = Reports(self._reports)
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
                report = reports.by_job.get(result["id"]) if told is None else shared_report(told)
                if report is not None or result["limit"] or told is not None:
                    known[result["id"]] = (
                        plan.execution(result, report, self.level)
                        if isinstance(plan, Cases)
                        else joined(plan, result, report, self.level)
                    )
            if message["end"]:
                return


def _hash(job: Job) -> str:
    source = job.program.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(source, person=job.language[:16].encode()).hexdigest()


def _limits(job: Job) -> dict[str, Any]:
    return {**job.limits.to_json(), "wall_s": job.limits.wall()}


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
