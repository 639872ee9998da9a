"""One story from two witnesses: the zygote knows how a program ended, the tests' process what it showed."""

import os
import signal
from typing import Any

from rlvr.judge.assembly import Plan
from rlvr.records import Execution, TestResult


def joined(plan: Plan, result: dict[str, Any], report: dict[str, Any] | None, level: str) -> Execution:
    """result: the zygote's. report: of the tests' process; None where it did not come to one."""
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
