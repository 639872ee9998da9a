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

from rlvr.judge import assembly
from rlvr.judge.extraction import extract
from rlvr.records import Completion, Job, Task, Verdict
from rlvr.registry import unknown
from rlvr.sandboxes import Sandbox
from rlvr.verifiers._programs import checking, no_answer, verdict_of

_TRUSTS = ("any", "split")


@dataclass(frozen=True)
class UnitTests:
    """Passed where every test ran to its end; else `tests_passed` of `tests_total` (one per assert or function)."""

    trust: str = "any"
    """`split` refuses tasks whose tests would share a process with the program, which could forge their result."""

    def __post_init__(self) -> None:
        if self.trust not in _TRUSTS:
            raise ValueError(unknown("kind of trust", self.trust, _TRUSTS))

    def check(self, task: Task) -> None:
        """Raises `ValueError` that names the task where its reference cannot be used."""
        with checking(task):
            plan = assembly.plan(task.reference)
            if self.trust == "split" and plan.trust != "split":
                raise ValueError(
                    f"trust 'split' refuses it, since {plan.why_shared}, which two processes cannot; a program could "
                    "forge the result (trust 'any' judges it and says so in every verdict)"
                )

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
            verdict_of(next(executions), found.code, found.rule)
            if found.code is not None
            else no_answer(len(assembly.plan(task.reference).tests), found.rule)
            for (task, _), found in zip(pairs, extractions, strict=True)
        ]
