"""Strong tests kill every mutant that is wrong, weak ones do not, and the audit says which are which."""

import json

import pytest

from rlvr.evaluation.audit_tests import Audit, Row, audit_tests
from rlvr.records import Task
from rlvr.sandboxes.local import Local
from rlvr.tasks import load

SIGN = "def sign(x):\n    if x > 0:\n        return 1\n    if x < 0:\n        return -1\n    return 0\n"
STRONG = [
    f"assert sign({x}) == {y} and type(sign({x})) is int" for x, y in ((-2, -1), (-1, -1), (0, 0), (1, 1), (2, 1))
]
WEAK = ["assert sign(5) == 1"]


def task(tests, name="sign", **meta) -> Task:
    meta = {"solution": SIGN, **meta}
    return Task(name, "", {"style": "asserts", "tests": tests, "setup": ""}, "unit_tests", meta=meta)


@pytest.fixture(scope="module")
def sandbox():
    with Local(workers=1).open() as opened:
        yield opened


@pytest.fixture(scope="module")
def audit(sandbox) -> Audit:
    tasks = [
        task(STRONG, "strong"),
        task(WEAK, "weak"),
        task(WEAK, "unsolved", solution=None),
        task(WEAK, "wrong", solution="def sign(x):\n    return 0\n"),
    ]
    return audit_tests(tasks, sandbox, most=40)


def row(audit: Audit, name: str) -> Row:
    return next(row for row in audit.rows if row.task_id == name)


def test_strong_tests_kill_every_mutant_that_is_wrong(audit):
    strong = row(audit, "strong")
    assert strong.mutants > 15
    # `if x > 0` and `if x >= 1` would be the same for whole numbers; no mutant here is equivalent.
    assert strong.survivors == ()
    assert strong.killed == strong.mutants


def test_one_weak_assert_lets_wrong_programs_pass(audit):
    weak = row(audit, "weak")
    assert len(weak.survivors) == weak.mutants - weak.killed > 5
    assert ("constant", 5) in {(survivor.operator, survivor.line) for survivor in weak.survivors}
    assert "return -1 => return -2" in {survivor.change for survivor in weak.survivors}
    assert weak.killed > 0


def test_the_weakest_come_first_and_those_without_mutants_last(audit):
    assert [row.task_id for row in audit.rows] == ["weak", "strong", "unsolved", "wrong"]
    assert "no solution" in row(audit, "unsolved").skipped
    assert "wrong_answer" in row(audit, "wrong").skipped


def test_the_summary_is_the_sum_of_the_rows(audit):
    found = audit.summary()
    assert found["tasks"] == 4
    assert found["skipped"] == 2
    assert found["with_survivors"] == 1
    assert (
        found["mutants"]
        == sum(row.mutants for row in audit.rows)
        == sum(o["mutants"] for o in found["operators"].values())
    )
    assert found["killed"] == sum(o["killed"] for o in found["operators"].values())
    assert found["share"] == found["killed"] / found["mutants"]


def test_rows_are_written_as_json_lines_and_come_out_the_same_again(audit, sandbox, tmp_path):
    audit.write(tmp_path / "A.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "A.jsonl").read_text().splitlines()]
    assert [Row.from_json(row) for row in rows] == list(audit.rows)
    again = audit_tests([task(STRONG, "strong"), task(WEAK, "weak")], sandbox, most=40)
    assert list(again.rows) == list(audit.rows[:2])


def test_an_endless_mutant_is_killed_long_before_the_limit_of_the_task(sandbox):
    loop = "def count(n):\n    i = 0\n    while i < n:\n        i += 1\n    return i\n"
    endless = task(["assert count(3) == 3"], "count", solution=loop)
    found = audit_tests([endless], sandbox, most=8)
    assert found.rows[0].mutants == 8
    assert "drop" in found.rows[0].operators
    # The one without `i += 1` never ends, and the task allows 10 CPU-s.
    assert 0.5 < found.cpu_s < 6


def test_the_body_of_a_humaneval_solution_is_mutated_and_its_prompt_is_not(data, sandbox):
    tasks = list(load("humaneval", source=str(data), limit=4))
    found = audit_tests(tasks, sandbox, most=5)
    assert sum(row.mutants for row in found.rows) == 20
    lines = {task.id: task.meta["solution"].count("\n") for task in tasks}
    assert all(1 <= s.line <= lines[row.task_id] for row in found.rows for s in row.survivors)
    assert found.summary()["share"] > 0.7


def test_tasks_without_any_solution_are_refused(sandbox):
    with pytest.raises(ValueError, match=r"meta\.solution"):
        audit_tests([task(WEAK, solution=None)], sandbox)
