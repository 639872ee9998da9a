"""Programs judged by unit tests: HumanEval's `check`, MBPP's asserts.

    unit_tests = UnitTests()
    unit_tests.check(task)                                   # ValueError where the reference cannot be used
    with Local().open() as sandbox:
        verdict = unit_tests.judge(task, completion, sandbox)
        verdicts = unit_tests.judge_many([(task, completion), ...], sandbox)   # much cheaper than one by one

References: `{"style": "asserts", "tests": [str], "setup": str}` and `{"style": "check", "tests": str,
"entry_point": str, "setup": str}`; both may have `prompt` (code before the completion) and `entry_point` (a name
that the program must define).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rlvr.judge import assembly
from rlvr.judge.extraction import RULES, extract
from rlvr.records import Completion, Execution, Job, Outcome, Task, Verdict
from rlvr.registry import unknown
from rlvr.sandboxes import Sandbox


@dataclass(frozen=True)
class UnitTests:
    """Passed where every test ran to its end; `tests_passed` of `tests_total` otherwise (one per assert)."""

    def check(self, task: Task) -> None:
        """Raises `ValueError` that names the task where its reference cannot be used."""
        try:
            assembly.plan(task.reference)
            if task.extraction not in RULES:
                raise ValueError(unknown("extraction rule", task.extraction, RULES))
        except ValueError as error:
            raise ValueError(f"task {task.id}: {error}") from error

    def judge(self, task: Task, completion: Completion, sandbox: Sandbox) -> Verdict:
        return self.judge_many([(task, completion)], sandbox)[0]

    def judge_many(self, pairs: Sequence[tuple[Task, Completion]], sandbox: Sandbox) -> list[Verdict]:
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
