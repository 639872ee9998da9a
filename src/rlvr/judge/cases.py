"""The caller's side of stdio tests: what a reference may say, and the story of one program over all its cases."""

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlvr.judge.languages import NAMES, find
from rlvr.records import Execution, Json, Record, TestResult
from rlvr.registry import unknown

CHECKERS = ("tokens", "exact", "float", "program")
_FIELDS: dict[str, Any] = {
    "cases": list, "checker": str, "tolerance": int | float, "program": str, "language": str,
}  # fmt: skip
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Cases(Record):
    """How to test a program that reads an input and prints an answer."""

    cases: tuple[tuple[str, ...], ...]
    """Pairs of an input and the answer that is expected."""
    checker: str = "tokens"
    tolerance: float = _TOLERANCE
    program: str = ""
    """Source of the checker, for `program`."""

    @property
    def tests(self) -> tuple[tuple[str, ...], ...]:
        return self.cases

    @property
    def trust(self) -> str:
        """Answers never share a process with a program."""
        return "split"

    @property
    def plain(self) -> bool:
        """Nothing of these tests stays behind in the process that holds them."""
        return True

    def execution(self, result: Mapping[str, Any], report: Mapping[str, Any] | None, isolation: str) -> Execution:
        """What the zygote knows of the program's processes, with what the referee saw in its output."""
        report = report or {"tests": [], "whys": {}, "stdout": "", "stderr": "", "cpu_s": 0.0}
        tests = [TestResult(outcome, report["whys"].get(str(n), "")) for n, outcome in enumerate(report["tests"])]
        ended: Any = result["limit"] or "finished"
        rest = TestResult("timeout", result["stopped"]) if ended == "finished" else TestResult(ended, result["why"])
        tests += [rest] * (len(self.cases) - len(tests))
        return Execution(
            ended=ended,
            tests=tuple(tests),
            tests_total=len(tests),
            why=result["why"],
            stdout=report["stdout"],
            stderr=report["stderr"],
            cpu_s=round(result["cpu_s"] + report["cpu_s"], 6),
            wall_s=round(result["wall_s"], 6),
            max_rss_mb=round(result["rss_mb"], 3),
            isolation=isolation,
        )


def is_stdio(reference: Json) -> bool:
    """Whether tests are cases of input and output, rather than Python that calls the program."""
    return isinstance(reference, dict) and "cases" in reference


def language(reference: Json) -> str:
    """What the program is written in."""
    return reference.get("language") or "python"


def plan(reference: Json, written_in: str | None = None) -> Cases:
    """The cases of a reference. Raises `ValueError` that says what is wrong with it, or what is missing here.

    written_in: the program's language where that is known already, else the reference's.
    """
    if not is_stdio(reference):
        raise ValueError(f"a reference for stdio is an object with 'cases', not {reference!r:.60}")
    _check_language(written_in or reference.get("language") or "python")
    for name, value in reference.items():
        if name not in _FIELDS:
            raise ValueError(unknown("field of a stdio reference", name, _FIELDS))
        if not isinstance(value, _FIELDS[name]) or isinstance(value, bool):
            expected = {list: "a list", str: "a text"}.get(_FIELDS[name], "a number")
            raise ValueError(f"field {name} should be {expected}, not {value!r:.60}")
    checker = reference.get("checker", "tokens")
    if checker not in CHECKERS:
        raise ValueError(unknown("checker", checker, CHECKERS))
    tolerance = reference.get("tolerance", _TOLERANCE)
    if not 0 <= tolerance < math.inf:
        raise ValueError(f"field tolerance should be a number from 0, not {tolerance}")
    source = reference.get("program", "")
    if checker == "program":
        _check_source(source)
    elif source:
        raise ValueError(f'there is a \'program\', but the checker is {checker!r}; say "checker": "program"')
    return Cases(_pairs(reference["cases"]), checker, float(tolerance), source)


def _pairs(rows: list[Any]) -> tuple[tuple[str, ...], ...]:
    if not rows:
        raise ValueError("field cases is empty; a program needs at least one case")
    for number, row in enumerate(rows):
        good = isinstance(row, dict) and set(row) == {"stdin", "stdout"}
        if not good or not all(isinstance(text, str) for text in row.values()):
            raise ValueError(f"cases[{number}] should be an object with the texts stdin and stdout, not {row!r:.60}")
    return tuple((row["stdin"], row["stdout"]) for row in rows)


def _check_language(name: str) -> None:
    if name not in NAMES:
        raise ValueError(unknown("language", name, NAMES))
    missing = find(name).missing()
    if missing:
        raise ValueError(f"programs in {name} cannot be run here: {missing}")


def _check_source(source: str) -> None:
    if not source.strip():
        raise ValueError("the checker 'program' needs its source in the field 'program'")
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"the checker's program does not parse: {error}") from error
