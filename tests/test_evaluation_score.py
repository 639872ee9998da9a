"""Stored completions are judged by programs that really run, with the same bytes each time."""

import json

import pytest

from rlvr.evaluation.score import score
from rlvr.sandboxes.local import Local
from rlvr.storage import write_lines
from rlvr.tasks.programs import Programs


@pytest.fixture(scope="module")
def sandbox():
    with Local(workers=1).open() as opened:
        yield opened


@pytest.fixture(scope="module")
def tasks():
    return list(Programs("validation", limit=4))


def row(task, seed, index, text):
    return {"task_id": task.id, "seed": seed, "index": index, "text": text, "tokens": 7, "finish": "stop"}


@pytest.fixture
def folder(tasks, tmp_path):
    """For each task: its solution, a wrong and a broken sample, and the solution as the greedy answer."""
    rows = []
    for task in tasks:
        texts = [task.meta["solution"], "    return None\n", "    return ((\n"]
        rows += [row(task, 0, n, text) for n, text in enumerate(texts)]
        rows.append(row(task, None, 0, task.meta["solution"]))
    write_lines(tmp_path / "tasks.jsonl", [task.to_json() for task in tasks])
    write_lines(tmp_path / "generations.jsonl", rows)
    return tmp_path


def test_scores_are_verdicts_of_programs_that_ran(folder, tasks, sandbox, display):
    results = score(folder, (1, 3), sandbox, display)
    assert results == json.loads((folder / "results.json").read_text())
    assert results["pass@1"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert results["pass@3"]["value"] == results["greedy"]["value"] == 1
    assert results["outcomes"] == {"passed": 4, "syntax_error": 4, "wrong_answer": 4}
    assert list(results["by"]["depth"]) == ["2", "3"]
    scores = [json.loads(line) for line in (folder / "scores.jsonl").open()]
    costs = [json.loads(line) for line in (folder / "costs.jsonl").open()]
    assert len(scores) == len(costs) == 16
    for one, cost in zip(scores, costs, strict=True):
        assert "cost" not in one
        assert {key: one[key] for key in ("task_id", "seed", "index")} == {
            key: cost[key] for key in ("task_id", "seed", "index")
        }
        assert one["tests_total"] in (0, 6)
        assert {"text", "answer", "extraction", "outcome", "passed"} <= one.keys()


def test_scoring_twice_gives_the_same_bytes(folder, sandbox, display):
    stored = []
    for _ in range(2):
        score(folder, (1,), sandbox, display)
        stored.append([(folder / name).read_bytes() for name in ("scores.jsonl", "results.json")])
    assert stored[0] == stored[1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"task_id": "no such task", "seed": 0, "index": 0, "text": "", "tokens": 1, "finish": "stop"}', "no task"),
        ('{"task_id": "x", "seed": 0}', "has the fields task_id, .*; no index"),
        ("[1]", "has the fields task_id"),
        ('{"task_id": ', "not JSON"),
    ],
)
def test_a_row_that_does_not_fit_is_named_by_its_line(folder, sandbox, display, line, message):
    with open(folder / "generations.jsonl", "a") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match=rf"generations\.jsonl:17: .*{message}"):
        score(folder, (1,), sandbox, display)


def test_generations_that_are_not_complete_are_not_scored(folder, sandbox, display):
    (folder / "plan.json").write_text(json.dumps({"plan": {"samples": 2, "seeds": [0, 1], "greedy": True}}))
    with pytest.raises(ValueError, match=r"has 16 of 20 rows; let `generate` complete it first"):
        score(folder, (1,), sandbox, display)


def test_an_empty_folder_says_what_is_missing(tmp_path, sandbox, display):
    with pytest.raises(FileNotFoundError, match=r"no file .*tasks\.jsonl"):
        score(tmp_path, (1,), sandbox, display)
