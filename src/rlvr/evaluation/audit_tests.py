"""How strong are a task's tests? Wrong programs made from its reference solution tell: any that passes is rewarded.

    found = audit_tests(tasks, sandbox, most=12, seed=0)
    found.rows        # one per task, the weakest tests first
    found.summary()   # over all tasks, and by operator

Some survivors are equivalent to the reference (see `rlvr.judge.mutants`), so each deserves a look and none is a proof;
a task whose mutants mostly survive has tests that notice little.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from rlvr.judge import assembly
from rlvr.judge.mutants import OPERATORS, Mutant, mutants
from rlvr.progress import Display, Stage
from rlvr.records import Completion, Json, Record, Task, Verdict
from rlvr.rollout import check, judge
from rlvr.storage import write_lines

TASKS_AT_ONCE = 64
LEAST_CPU_S = 0.5
SLOWER = 10.0
"""A mutant that needs more than this many times the solution's CPU time, and more than `LEAST_CPU_S`, counts as
killed: to wait for endless loops until the task's own limit would take most of the time."""


@dataclass(frozen=True, slots=True)
class Survivor(Record):
    """A wrong program, or one equivalent to the reference, that passed all tests."""

    operator: str
    line: int
    """Of the solution, from 1."""
    change: str


@dataclass(frozen=True, slots=True)
class Row(Record):
    """What mutants say about one task's tests."""

    task_id: str
    mutants: int
    """Those that were judged."""
    killed: int
    survivors: tuple[Survivor, ...] = ()
    operators: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """For each operator: killed, judged."""
    unjudged: int = 0
    """Mutants that the judge could give no verdict on; they count nowhere else."""
    skipped: str = ""
    """Why there are no mutants: no solution, one that does not parse, one that does not pass."""


@dataclass(frozen=True, slots=True)
class Audit:
    rows: tuple[Row, ...]
    """The task with most survivors among its mutants first; those without mutants last."""
    cpu_s: float
    """CPU seconds that the judged programs took."""

    def summary(self) -> dict[str, Json]:
        """Tasks, mutants, killed and share over everything, and killed, mutants and share for each operator."""
        judged, killed = sum(row.mutants for row in self.rows), sum(row.killed for row in self.rows)
        operators = {}
        for operator in OPERATORS:
            counts = [row.operators.get(operator, (0, 0)) for row in self.rows]
            dead, all_ = (sum(count[n] for count in counts) for n in (0, 1))
            if all_:
                operators[operator] = {"killed": dead, "mutants": all_, "share": dead / all_}
        return {
            "tasks": len(self.rows),
            "skipped": sum(bool(row.skipped) for row in self.rows),
            "with_survivors": sum(bool(row.survivors) for row in self.rows),
            "mutants": judged,
            "killed": killed,
            "share": killed / judged if judged else None,
            "unjudged": sum(row.unjudged for row in self.rows),
            "cpu_s": self.cpu_s,
            "operators": operators,
        }

    def write(self, path: str | Path) -> None:
        """One JSON line for each task, in the order of `rows`."""
        write_lines(path, [row.to_json() for row in self.rows])


def audit_tests(
    tasks: Sequence[Task], sandbox: Any, *, most: int = 12, seed: int = 0, progress: Display | None = None
) -> Audit:
    """Judge at most `most` mutants of each task's `meta.solution`; the same arguments give the same mutants.

    sandbox: an opened one of the sandboxes' shelf. Raises `ValueError` where no task has a solution, and what
    `rlvr.rollout.check` raises for references that cannot be used.
    """
    check(tasks)
    if not any(isinstance(task.meta.get("solution"), str) for task in tasks):
        raise ValueError("none of these tasks has a reference solution in meta.solution to make mutants of")
    auditor = _Auditor(sandbox, most, seed)
    stage = progress.stage("audit tests", len(tasks)) if progress else None
    rows = list(auditor.rows(tasks, stage))
    order = sorted(range(len(rows)), key=lambda n: (bool(rows[n].skipped), _share(rows[n]), n))
    return Audit(tuple(rows[n] for n in order), auditor.cpu_s)


def _share(row: Row) -> float:
    return row.killed / row.mutants if row.mutants else 1.0


@dataclass
class _Case:
    """One task on its way: first the solution is judged, then what was made of it."""

    task: Task
    solution: Any
    skipped: str = ""
    mutants: list[Mutant] = field(default_factory=list)
    above: int = 0
    """Lines of the program before the solution."""

    def prepare(self, verdict: Verdict | None, most: int, seed: int) -> None:
        """verdict: on the solution; None: there is none."""
        language = self.task.reference.get("language") or "python"
        if verdict is None:
            self.skipped = "no solution in meta.solution"
        elif verdict.outcome != "passed":
            self.skipped = f"the solution does not pass: {verdict.outcome}: {verdict.why}"
        elif language != "python":
            self.skipped = f"mutants are made of Python programs, and this is {language}"
        else:
            cpu_s = max(LEAST_CPU_S, SLOWER * verdict.cost.get("cpu_s", 0.0))
            limits = replace(self.task.limits, cpu_s=min(cpu_s, self.task.limits.cpu_s))
            # A mutant is a whole program, whatever form the task's answers have.
            self.task = replace(self.task, limits=limits, extraction="continuation")
            self._make(verdict.answer or "", most, seed)

    def _make(self, code: str, most: int, seed: int) -> None:
        program, prompt = assembly.program(self.task.reference, code), self.task.reference.get("prompt") or ""
        self.above = program[: len(program) - len(code)].count("\n")
        given = prompt.count("\n") if prompt and code.startswith(prompt) else 0
        script = self.task.verifier != "unit_tests"
        self.mutants = mutants(program, most=most, seed=seed, first_line=self.above + given + 1, script=script)
        if not self.mutants:
            self.skipped = "nothing in the solution can be changed"

    def row(self, verdicts: Sequence[Verdict]) -> Row:
        judged = [pair for pair in zip(self.mutants, verdicts, strict=True) if pair[1].passed is not None]
        survivors = [mutant for mutant, verdict in judged if verdict.passed]
        totals, survived = (Counter(mutant.operator for mutant in some) for some in ([m for m, _ in judged], survivors))
        return Row(
            task_id=self.task.id,
            mutants=len(judged),
            killed=len(judged) - len(survivors),
            survivors=tuple(Survivor(mutant.operator, mutant.line - self.above, mutant.change) for mutant in survivors),
            operators={name: (totals[name] - survived[name], totals[name]) for name in OPERATORS if totals[name]},
            unjudged=len(verdicts) - len(judged),
            skipped=self.skipped,
        )


class _Auditor:
    def __init__(self, sandbox: Any, most: int, seed: int) -> None:
        self.sandbox, self.most, self.seed = sandbox, most, seed
        self.cpu_s = 0.0
        self.killed = self.judged = 0

    def rows(self, tasks: Sequence[Task], stage: Stage | None) -> Iterator[Row]:
        for start in range(0, len(tasks), TASKS_AT_ONCE):
            chunk = tasks[start : start + TASKS_AT_ONCE]
            for row in self._chunk([_Case(task, task.meta.get("solution")) for task in chunk]):
                self.killed += row.killed
                self.judged += row.mutants
                yield row
            if stage:
                stage.advance(len(chunk), {"killed": self.killed / max(1, self.judged)})

    def _chunk(self, cases: list[_Case]) -> list[Row]:
        solved = [case for case in cases if isinstance(case.solution, str)]
        references = iter(self._judge([(case.task, case.solution) for case in solved]))
        for case in cases:
            case.prepare(next(references) if isinstance(case.solution, str) else None, self.most, self.seed)
        verdicts = iter(self._judge([(case.task, mutant.source) for case in cases for mutant in case.mutants]))
        return [case.row(list(islice(verdicts, len(case.mutants)))) for case in cases]

    def _judge(self, pairs: Sequence[tuple[Task, str]]) -> list[Verdict]:
        verdicts = judge([(task, Completion(text)) for task, text in pairs], self.sandbox)
        self.cpu_s += sum(verdict.cost.get("cpu_s", 0.0) for verdict in verdicts)
        return verdicts
