"""Generations go to a file row by row, and an interrupted call is completed to the bytes of one that was not."""

import json
from dataclasses import replace

import pytest

from rlvr.engines import Sampling
from rlvr.engines.local import Local
from rlvr.evaluation import generate as room
from rlvr.evaluation.generate import Plan, generate
from rlvr.tasks.programs import Programs

PLAN = Plan(samples=3, seeds=(0, 1), max_tokens=12)


@pytest.fixture(scope="module")
def tasks():
    return list(Programs("validation", limit=10))


@pytest.fixture
def write(tiny, display, monkeypatch):
    """Generate with a fresh engine and, unless given, the same tiny model; batches of four tasks."""
    monkeypatch.setattr(room, "TASKS_AT_ONCE", 4)

    def call(out, tasks, plan=PLAN, model=None):
        model = model or tiny()
        with Local().open(model) as engine:
            submit = engine.submit
            engine.submit = lambda requests: (call.batches.append([r.id for r in requests]), submit(requests))
            call.batches = []
            generate(model, engine, tasks, plan, out, {"model": "tiny"}, display)
        return (out / "generations.jsonl").read_bytes()

    return call


def test_every_task_has_its_rows_in_order(write, tasks, tmp_path):
    rows = [json.loads(line) for line in write(tmp_path, tasks).splitlines()]
    expected = [
        (task.id, seed, index)
        for task in tasks
        for seed, index in [*((seed, n) for seed in (0, 1) for n in range(3)), (None, 0)]
    ]
    assert [(row["task_id"], row["seed"], row["index"]) for row in rows] == expected
    assert all(0 < row["tokens"] <= 12 for row in rows)
    assert len({row["text"] for row in rows}) > 20
    assert [json.loads(line)["id"] for line in (tmp_path / "tasks.jsonl").open()] == [task.id for task in tasks]


def test_an_interrupted_call_is_completed_to_the_same_bytes(write, tasks, tmp_path):
    whole = write(tmp_path / "whole", tasks)
    batches = write.batches
    lines = whole.splitlines(keepends=True)
    for cut in (0, 3, len(lines[0]), len(b"".join(lines[:30])), len(b"".join(lines[:45])) + 17, len(whole) - 1):
        out = tmp_path / f"cut{cut}"
        out.mkdir()
        for name in ("plan.json", "tasks.jsonl"):
            (out / name).write_bytes((tmp_path / "whole" / name).read_bytes())
        (out / "generations.jsonl").write_bytes(whole[:cut])
        assert write(out, tasks) == whole, cut
        # The same batches, for other shapes round otherwise.
        assert write.batches == batches[len(batches) - len(write.batches) :]
    assert write(tmp_path / "whole", tasks) == whole


def test_a_call_killed_before_its_first_row_is_completed_too(write, tasks, tmp_path):
    whole = write(tmp_path / "whole", tasks)
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "tasks.jsonl").touch()
    assert write(tmp_path / "killed", tasks) == whole


def test_a_finished_call_samples_nothing(write, tasks, tmp_path, tiny):
    whole = write(tmp_path, tasks)
    model = tiny()
    model.network.forward = None
    assert write(tmp_path, tasks, model=model) == whole


def test_another_model_other_tasks_or_another_plan_are_refused(write, tasks, tmp_path, tiny):
    before = write(tmp_path, tasks)
    others = [
        {"model": tiny(seed=1)},
        {"tasks": tasks[:-1]},
        {"tasks": [replace(tasks[0], max_tokens=5), *tasks[1:]]},
        {"tasks": [replace(tasks[0], stop=("x",)), *tasks[1:]]},
        {"plan": replace(PLAN, samples=4)},
        {"plan": replace(PLAN, sampling=Sampling(temperature=0.5))},
        {"plan": replace(PLAN, greedy=False)},
    ]
    for other in others:
        with pytest.raises(FileExistsError, match="generations of another model, other tasks or another plan"):
            write(tmp_path, **{"tasks": tasks, **other})
    assert (tmp_path / "generations.jsonl").read_bytes() == before


def test_tests_that_were_corrected_since_are_those_that_score_reads(write, tasks, tmp_path):
    before = write(tmp_path, tasks)
    corrected = [replace(task, reference={**task.reference, "tests": ["assert True"]}) for task in tasks]
    assert write(tmp_path, corrected) == before
    stored = [json.loads(line) for line in (tmp_path / "tasks.jsonl").open()]
    assert all(task["reference"]["tests"] == ["assert True"] for task in stored)


def test_samples_alone_and_greedy_alone(write, tasks, tmp_path):
    both = [json.loads(line) for line in write(tmp_path / "both", tasks).splitlines()]
    for name, plan, wanted in (
        ("greedy", replace(PLAN, samples=0), [row for row in both if row["seed"] is None]),
        ("sampled", replace(PLAN, greedy=False), [row for row in both if row["seed"] is not None]),
    ):
        assert [json.loads(line) for line in write(tmp_path / name, tasks, plan).splitlines()] == wanted


def test_a_seed_has_the_same_samples_beside_other_seeds(write, tasks, tmp_path):
    both = [json.loads(line) for line in write(tmp_path / "both", tasks).splitlines()]
    alone = [json.loads(line) for line in write(tmp_path / "alone", tasks, replace(PLAN, seeds=(1,))).splitlines()]
    assert [row for row in both if row["seed"] != 0] == alone


def test_a_task_named_twice_is_refused(write, tasks, tmp_path):
    with pytest.raises(ValueError, match=f"1 task ids occur more than once, for instance {tasks[2].id}"):
        write(tmp_path, [*tasks, tasks[2]])
