"""Verdicts over real problems: every reference passes, nothing else does."""

import ast
import gzip
import json
import os
from pathlib import Path

import pytest

from rlvr import registry
from rlvr.judge.jail import levels
from rlvr.records import Completion, Limits, Task, Verdict
from rlvr.sandboxes.local import Local
from rlvr.tasks.mbpp import Mbpp
from rlvr.verifiers.unit_tests import UnitTests

ASSERTS = {"style": "asserts", "tests": ["assert f(1) == 1", "assert f(2) == 4", "assert f(3) == 9"]}
TASK = Task("t/1", "Square it.", ASSERTS, "unit_tests")


def rows(name: str) -> list[dict]:
    folder = os.environ.get("RLVR_DATA")
    if not folder or not (path := Path(folder) / name).exists():
        pytest.skip(f"needs {name} in the folder that RLVR_DATA names")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@pytest.fixture(
    scope="module",
    params=["auto", *(pytest.param(level, marks=pytest.mark.slow) for level in ("full", "restricted", "process"))],
)
def sandbox(request):
    if request.param != "auto" and levels.available()[request.param]:
        pytest.skip(f"{request.param} cannot be had here: {levels.available()[request.param]}")
    with Local(workers=2, isolation=request.param).open() as pool:
        yield pool


def unsolved(verdicts: list[Verdict], tasks: list[Task]) -> list[tuple]:
    return [
        (task.id, verdict.outcome, verdict.trust, verdict.why)
        for task, verdict in zip(tasks, verdicts, strict=True)
        if not (verdict.passed and verdict.trust == "split" and not verdict.parts)
    ]


def test_all_of_humaneval_passes_split_in_every_form(sandbox):
    """As the body that continues the prompt; every fourth also as a bare function and as a whole file in a fence."""
    pairs = []
    for number, row in enumerate(rows("humaneval.jsonl.gz")):
        reference = {"style": "check", "tests": row["test"], "entry_point": row["entry_point"], "prompt": row["prompt"]}
        whole = row["prompt"] + row["canonical_solution"]
        function = whole[whole.rindex(f"def {row['entry_point']}(") :]
        pairs.append(
            (Task(row["task_id"], "", reference, "unit_tests", extraction="continuation"), row["canonical_solution"])
        )
        if number % 4 == 0:
            pairs += [
                (Task(row["task_id"], "", reference, "unit_tests"), text)
                for text in (function, f"So:\n```python\n{whole}```")
            ]
    tasks = [task for task, _ in pairs]
    verdicts = UnitTests().judge_many([(task, Completion(text)) for task, text in pairs], sandbox)
    assert len({task.id for task in tasks}) == 164
    assert unsolved(verdicts, tasks) == []


@pytest.mark.parametrize("nth", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_all_of_mbpp_passes_split_with_one_result_per_assert(sandbox, nth):
    """The default suite looks at every fourth, and at those that need their code to run before their setup."""
    tasks, completions = [], []
    for row in rows("mbpp.jsonl.gz"):
        if row["task_id"] % nth and row["task_id"] not in (367, 601, 927):
            continue
        tests = row["test_list"] if isinstance(row["test_list"], list) else ast.literal_eval(row["test_list"])
        reference = {"style": "asserts", "tests": tests, "setup": row["test_setup_code"]}
        tasks.append(Task(str(row["task_id"]), row["text"], reference, "unit_tests"))
        completions.append(Completion(row["code"]))
    verdicts = UnitTests().judge_many(list(zip(tasks, completions, strict=True)), sandbox)
    assert len(verdicts) == (974 if nth == 1 else 246)
    assert unsolved(verdicts, tasks) == []
    assert all(verdict.tests_passed == verdict.tests_total == len(task.reference["tests"])
               for task, verdict in zip(tasks, verdicts, strict=True))  # fmt: skip


@pytest.mark.slow
def test_all_of_sanitized_mbpp_passes_split(sandbox):
    folder = os.environ.get("RLVR_DATA")
    if not folder or not (Path(folder) / "sanitized-mbpp.json").exists():
        pytest.skip("needs sanitized-mbpp.json in the folder that RLVR_DATA names")
    tasks = list(Mbpp(split="sanitized"))
    pairs = [(task, Completion(f"```python\n{task.meta['solution']}\n```")) for task in tasks]
    verdicts = UnitTests().judge_many(pairs, sandbox)
    assert len(verdicts) == 427
    assert unsolved(verdicts, tasks) == []


def test_an_empty_function_solves_nothing_of_humaneval(sandbox):
    pairs = []
    for row in rows("humaneval.jsonl.gz"):
        reference = {"style": "check", "tests": row["test"], "entry_point": row["entry_point"], "prompt": row["prompt"]}
        pairs.append(
            (Task(row["task_id"], "", reference, "unit_tests", extraction="continuation"), Completion("    pass\n"))
        )
    verdicts = UnitTests().judge_many(pairs, sandbox)
    assert {verdict.outcome for verdict in verdicts} <= {"wrong_answer", "runtime_error"}


def test_a_verdict_tells_what_was_judged_and_how(sandbox):
    verdict = UnitTests().judge(TASK, Completion("Well:\n```python\ndef f(x):\n    return 2 * x - 1\n```"), sandbox)
    assert (verdict.outcome, verdict.passed, verdict.tests_passed, verdict.tests_total) == ("wrong_answer", False, 1, 3)
    assert verdict.answer == "def f(x):\n    return 2 * x - 1\n"
    assert (verdict.extraction, verdict.isolation, verdict.trust) == ("fence", sandbox.isolation, "split")
    assert verdict.why == "assert f(2) == 4: got 3"
    assert set(verdict.cost) == {"cpu_s", "wall_s"}
    assert Verdict.from_json(verdict.to_json()) == verdict


@pytest.mark.parametrize(
    ("text", "outcome", "passed_tests"),
    [
        ("def f(x):\n    return x * x", "passed", 3),
        ("def f(x) return x", "syntax_error", 0),
        ("def g(x):\n    return x * x", "runtime_error", 0),
        ("def f(x):\n    if x > 1: exit()\n    return 1", "early_exit", 1),
        ("def f(x):\n    if x == 2:\n        while True: pass\n    return x * x", "timeout", 1),
        ("I do not know.", "no_answer", 0),
        ("", "no_answer", 0),
    ],
)
def test_each_completion_has_one_outcome_and_a_ratio(sandbox, text, outcome, passed_tests):
    task = Task("t/1", "Square it.", ASSERTS, "unit_tests", limits=Limits(cpu_s=0.3))
    verdict = UnitTests().judge(task, Completion(text), sandbox)
    assert (verdict.outcome, verdict.passed, verdict.tests_total) == (outcome, outcome == "passed", 3)
    assert verdict.tests_passed == passed_tests


def test_tell_tales_are_parts_of_the_verdict(sandbox):
    verdict = UnitTests().judge(
        TASK, Completion("class f:\n    __init__ = lambda *a: None\n    __eq__ = lambda *a: True"), sandbox
    )
    assert verdict.outcome == "wrong_answer"
    assert verdict.parts == {"odd_return_type": 1.0}


def test_two_runs_differ_in_cost_only():
    texts = [
        "def f(x):\n    return x * x",
        "def f(x):\n    return {x, 'a'}",
        "def f(x):\n    return object()",
        "def f(x): 1/0",
    ]
    runs = []
    for workers in (1, 2):
        with Local(workers=workers).open() as sandbox:
            verdicts = UnitTests().judge_many([(TASK, Completion(text)) for text in texts], sandbox)
        runs.append([{**verdict.to_json(), "cost": None} for verdict in verdicts])
    assert runs[0] == runs[1]


def test_a_task_that_cannot_be_judged_is_named():
    with pytest.raises(ValueError, match=r"task t/1: test 0 does not parse"):
        UnitTests().check(Task("t/1", "p", {"style": "asserts", "tests": ["assert f("]}, "unit_tests"))
    with pytest.raises(ValueError, match=r"task t/1: no extraction rule named 'atuo'\. Did you mean 'auto'"):
        UnitTests().check(Task("t/1", "p", ASSERTS, "unit_tests", extraction="atuo"))
    UnitTests().check(TASK)


def test_the_registry_finds_both_shelves():
    assert isinstance(registry.build("verifiers", "unit_tests"), UnitTests)
    assert registry.build("sandboxes", "local", workers=3) == Local(workers=3)
