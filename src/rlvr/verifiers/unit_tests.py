"""Programs judged by unit tests: HumanEval's `check`, MBPP's asserts, files of pytest.

    unit_tests = UnitTests()
    unit_tests.check(task)                                   # ValueError where the reference cannot be used
    with Local().open() as sandbox:
        verdict = unit_tests.judge(task, completion, sandbox)
        verdicts = unit_tests.judge_many([(task, completion), ...], sandbox)   # much cheaper than one by one

References: `{"style": "asserts", "tests": [str], "setup": str}`, `{"style": "check", "tests": str, "entry_point": str,
"setup": str}` and `{"style": "pytest", "tests": str, "module": str}`, a file that imports the program as `module`
(`solution` where it is not given; needs the extra `pytest`). All may have `prompt` (code before the completion); the
first two `entry_point`, a name that the program must define.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rlvr.judge import assembly
from rlvr.judge.extraction import RULES, extract
from rlvr.records import Completion, Execution, Job, Outcome, Task, Verdict
from rlvr.registry import unknown

_TRUSTS = ("any", "split")


class _Sandbox(Protocol):
    def run_many(self, jobs: Sequence[Job]) -> list[Execution]: ...


@dataclass(frozen=True)
class UnitTests:
    """Passed where every test ran to its end; else `tests_passed` of `tests_total` (one per assert or function)."""

    trust: str = "any"
    """`split` refuses tasks whose tests would share a process with the program, which could forge their result."""

    def __post_init__(self) -> None:
        if self.trust not in _TRUSTS:
            raise ValueError(unknown("kind of trust", self.trust, _TRUSTS))

    @property
    def sandbox_needed(self) -> bool:
        """The caller opens one sandbox for everything and hands it in."""
        return True

    def check(self, task: Task) -> None:
        """Raises `ValueError` that names the task where its reference cannot be used."""
        try:
            plan = assembly.plan(task.reference)
            if self.trust == "split" and plan.trust != "split":
                raise ValueError(
                    f"trust 'split' refuses it, since {plan.why_shared}, which two processes cannot; a program could "
                    "forge the result (trust 'any' judges it and says so in every verdict)"
                )
            if task.extraction not in RULES:
                raise ValueError(unknown("extraction rule", task.extraction, RULES))
        except ValueError as error:
            raise ValueError(f"task {task.id}: {error}") from error

    def judge(self, task: Task, completion: Completion, sandbox: _Sandbox) -> Verdict:
        return self.judge_many([(task, completion)], sandbox)[0]

    def judge_many(self, pairs: Sequence[tuple[Task, Completion]], sandbox: _Sandbox) -> list[Verdict]:
        """One verdict per pair, in order. Raises `ValueError` for references that cannot be used."""
        extractions = [extract(completion.text, task.extraction) for task, completion in pairs]
        jobs = [
            Job(assembly.program(task.reference, found.code), task.reference, limits=task.limits)
            for (task, _), found in zip(pairs, extractions, strict=True)
            if found.code is not None
        ]
        executions = iter(sandbox.run_many(jobs))
        return [
            _verdict(next(executions), found.code, found.rule)
            if found.code is not None
            else Verdict(
                outcome="no_answer",
                passed=False,
                tests_total=len(assembly.plan(task.reference).tests),
                extraction=found.rule,
                why="no program was found in the text",
            )
            for (task, _), found in zip(pairs, extractions, strict=True)
        ]


def _verdict(execution: Execution, answer: str, rule: str) -> Verdict:
    outcome, why = _outcome(execution)
    return Verdict(
        outcome=outcome,
        passed=None if outcome == "judge_error" else outcome == "passed",
        tests_passed=sum(test.outcome == "passed" for test in execution.tests),
        tests_total=execution.tests_total,
        answer=answer,
        extraction=rule,
        why=why,
        parts=dict.fromkeys(execution.telltales, 1.0),
        isolation=execution.isolation,
        trust=execution.trust,
        cost={"cpu_s": execution.cpu_s, "wall_s": execution.wall_s},
    )


def _outcome(execution: Execution) -> tuple[Outcome, str]:
    """How the run ended where it did not finish, else the first test that failed."""
    if execution.ended != "finished":
        return execution.ended, execution.why
    failed = next((test for test in execution.tests if test.outcome != "passed"), None)
    if failed:
        return failed.outcome, failed.why
    assert len(execution.tests) == execution.tests_total > 0
    return "passed", ""
