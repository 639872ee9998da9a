"""What tests' processes have written about programs, read by the caller."""

import json
import os
import socket
from dataclasses import dataclass
from typing import Any, Literal

from rlvr.judge.failures import shorten
from rlvr.judge.tester import EXPLAINED
from rlvr.records import TELLTALES, Outcome, Record

_LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class SharedReport(Record):
    """What a tests' process writes, as far as a program that shares it may."""

    ended: Outcome | Literal["finished", "left"]
    why: str
    tests: tuple[Outcome, ...]
    whys: dict[str, str]
    telltales: tuple[str, ...]


def shared_report(file: int) -> dict[str, Any] | None:
    """The report of a process that program and tests had together; None for what is none."""
    try:
        report = SharedReport.from_json(json.loads(os.pread(file, _LONGEST, 0)))
    except (ValueError, RecursionError):
        return None
    if "judge_error" in (report.ended, *report.tests) or (report.ended == "finished" and not report.tests):
        return None
    whys = {number: shorten(why, 1000) for number, why in list(report.whys.items())[:EXPLAINED]}
    telltales = [kind for kind in report.telltales if kind in TELLTALES]
    # Its time is in the program's account.
    return {**report.to_json(), "why": shorten(report.why, 1000), "whys": whys, "telltales": telltales, "cpu_s": 0.0}


class Reports:
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
