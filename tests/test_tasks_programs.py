"""The source of generated problems: splits that cannot leak, the same bytes for the same seed, records that travel."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import pytest

from rlvr import registry
from rlvr.programs.composition import HELD_OUT, pairs
from rlvr.records import Task
from rlvr.tasks.programs import Programs

DIGEST = """
import hashlib, json
from rlvr.tasks.programs import Programs
rows = [task.to_json() for split in ("train", "test", "demonstrations") for task in Programs(split, limit=60)]
print(hashlib.sha256(json.dumps(rows).encode()).hexdigest())
"""


def owners(task):
    return {pairs()[pair] for pair in pairwise(task.meta["steps"])}


@pytest.fixture(scope="module")
def everything():
    limits = {"train": 1000, "validation": 150, "test": 200, "demonstrations": 3000}
    return {split: list(Programs(split, limit=limit)) for split, limit in limits.items()}


def test_held_out_pairs_are_never_trained_on_and_always_asked_for(everything):
    for split in ("train", "demonstrations"):
        assert all(owners(task) <= {"train"} for task in everything[split])
    for split in HELD_OUT:
        assert all(split in owners(task) <= {"train", split} for task in everything[split])
    prompts = {split: {task.prompt for task in tasks} for split, tasks in everything.items()}
    assert not prompts["test"] & (prompts["train"] | prompts["demonstrations"] | prompts["validation"])


def test_ids_and_problems_are_distinct_and_depths_take_turns(everything):
    for split, tasks in everything.items():
        assert len({task.id for task in tasks}) == len(tasks)
        assert all(task.id.startswith(f"programs/{split}/{task.meta['depth']}-") for task in tasks)
        if split != "demonstrations":
            assert len({task.prompt for task in tasks}) == len(tasks)
    assert Counter(task.meta["depth"] for task in everything["test"]) == {2: 100, 3: 100}
    assert set(Counter(task.meta["depth"] for task in everything["train"])) == {1, 2, 3}


def test_solutions_pass_the_tests_that_travel_with_the_task(everything):
    for task in [*everything["test"], *everything["train"][:200]]:
        names = {}
        exec(task.prompt + task.meta["solution"], names)
        assert len(task.reference["tests"]) == 6
        for test in task.reference["tests"]:
            exec(test, names)


def test_tasks_are_what_the_unit_test_verifier_takes(everything):
    task = everything["test"][0]
    assert task.verifier == "unit_tests"
    assert task.extraction == "continuation"
    assert task.reference["style"] == "asserts"
    assert task.reference["prompt"] == task.prompt
    assert task.prompt.endswith("):\n")
    roles = {split: {task.meta["role"] for task in tasks} for split, tasks in everything.items()}
    assert roles == {
        "train": {"train"},
        "validation": {"validation"},
        "test": {"test_only"},
        "demonstrations": {"train"},
    }


def test_tasks_survive_json(everything):
    for tasks in everything.values():
        for task in tasks[:50]:
            assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task


def test_the_same_seed_gives_the_same_bytes_in_another_process():
    run = subprocess.run(
        [sys.executable, "-c", DIGEST],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "17"},
    )
    rows = [task.to_json() for split in ("train", "test", "demonstrations") for task in Programs(split, limit=60)]
    assert run.stdout.strip() == hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def test_the_seed_changes_training_and_nothing_that_is_held_out():
    def ids(split, seed):
        return [task.id for task in Programs(split, seed=seed, limit=50)]

    for split in ("train", "demonstrations"):
        assert ids(split, 0) != ids(split, 1)
    for split in HELD_OUT:
        assert ids(split, 0) == ids(split, 1)


def test_one_id_is_one_task_whatever_the_seed():
    by_id: dict[str, Task] = {}
    shared = 0
    for seed in (0, 1):
        for task in Programs(seed=seed, limit=300, depths=(1,)):
            shared += task.id in by_id
            assert by_id.setdefault(task.id, task) == task
    assert shared > 50


def test_a_smaller_limit_is_a_prefix_and_exhaustion_ends_the_source():
    assert list(Programs("test", limit=5)) == list(Programs("test", limit=20))[:5]
    singles = list(Programs(limit=100_000, depths=(1,)))
    assert 200 < len(singles) < 2_000


def test_demonstrations_show_a_body_that_is_often_wrong(everything):
    shown = [(task.meta["demonstration"], task.meta["solution"]) for task in everything["demonstrations"]]
    wrong = sum(body != solution for body, solution in shown) / len(shown)
    assert 0.3 < wrong < 0.7
    assert all(body.count("\n") == solution.count("\n") for body, solution in shown)
    flawless = Programs("demonstrations", limit=100, misconception_rate=0, noise_rate=0)
    assert all(task.meta["demonstration"] == task.meta["solution"] for task in flawless)


def test_it_is_found_by_name_and_says_what_exists():
    assert len(list(registry.build("tasks", "programs", split="validation", limit=3))) == 3
    with pytest.raises(ValueError, match=r"no split of programs named 'tests'\. Did you mean 'test'\?.*demonstrations"):
        Programs("tests")
    with pytest.raises(ValueError, match="depths of programs:test start at 2, not 1"):
        Programs("test", depths=(1, 2))
