"""What a run leaves to read: the fate of every sample, spans of its work, what was special about its data."""

import json
import struct
from collections import Counter
from pathlib import Path

import pytest
from training import GRPO, RAFT, SFT, record, rows

from rlvr.batches import Lost
from rlvr.objectives import grpo, raft
from rlvr.records import Completion, Execution, Rollout, Task, Turn, Verdict
from rlvr.scheduler import Ticket
from rlvr.train import train
from rlvr.train.fates import fates

TASK = Task("t", "p", {}, "unit_tests")


def rollout(text, reward, finish="stop", task=TASK):
    passed = None if reward is None else reward == 1.0
    verdict = Verdict("judge_error" if passed is None else "passed" if passed else "wrong_answer", passed, answer=text)
    tokens = tuple(text.encode())
    completion = Completion(text, (1,), tokens, logprobs=(-1.0,) * len(tokens), finish=finish, policy=3)
    return Rollout(task, (Turn(completion, verdict),), reward)


def found(objective, groups, lost=()):
    made = list(fates(1, groups, lost, objective.examples(groups), objective))
    return [f"{row['fate']} {row['why']}".strip() for row in made]


def test_raft_tells_kept_samples_from_truncated_equal_and_beaten_ones():
    group = [
        rollout("x = 1", 1.0),
        rollout("x  =  1  # spelt differently", 1.0),
        rollout("x = 2", 1.0, finish="length"),
        rollout("x = 3", 0.0),
        rollout("x = 4", None),
        rollout("x = 1", 1.0),
    ]
    assert found(raft.RAFT(6), [group]) == [
        "used",
        "filtered duplicate",
        "filtered truncated",
        "filtered not among the kept",
        "failed not judged",
        "filtered duplicate",
    ]


def test_grpo_uses_equal_samples_alike_and_nothing_of_a_group_without_contrast():
    """The same task stands in the batch twice: once with contrast, once without."""
    flat = [rollout("x", 0.0), rollout("x", 0.0)]
    mixed = [rollout("x", 0.0), rollout("x", 0.0), rollout("y", 1.0)]
    assert found(grpo.GRPO(3), [flat, mixed]) == ["filtered no contrast"] * 2 + ["used"] * 3


def test_samples_that_reached_no_batch_are_named_by_their_ticket():
    lost = [Lost("stale", Ticket(7, 1, 2), TASK, rollout("x", 0.0).turns)]
    row = next(fates(4, [], lost, [], grpo.GRPO()))
    assert row == {
        "step": 4, "task_id": "t", "ticket": 7, "attempt": 2, "index": 0, "fate": "stale", "why": "weights too old",
        "outcome": "wrong_answer", "tokens": 1, "version": 3,
    }  # fmt: skip


class Forgetful:
    """A judge that loses its first calls."""

    def __init__(self, sandbox, calls):
        self._sandbox, self._calls = sandbox, calls

    def run_many(self, jobs):
        self._calls -= 1
        if self._calls >= 0:
            return [Execution(ended="judge_error", tests_total=6, why="lost its worker") for _ in jobs]
        return self._sandbox.run_many(jobs)


def test_every_sample_has_one_fate_and_every_piece_of_work_its_span(recipe, display, tmp_path):
    asked = recipe({**GRPO, "sampling": {"replace_flat": 3}}, "max_unjudged=1", "steps=2", "checkpoint.every=0")
    with asked.sandbox.build().open() as sandbox:
        train(asked, tmp_path / "run", display, sandbox=Forgetful(sandbox, 1))
    made = rows(tmp_path / "run" / "traces" / "samples.jsonl")
    rollouts = rows(tmp_path / "run" / "traces" / "rollouts.jsonl")
    counted = Counter(row["fate"] for row in made)
    assert counted["failed"] == 4 * 8, "the first batch was lost and sampled again"
    last = rows(tmp_path / "run" / "metrics.jsonl")[-1]
    assert counted["replaced"] == last["replaced"] * 8 > 0
    assert counted["used"] + counted["filtered"] == len(rollouts)
    places = [(row["step"], row["group"], row["index"]) for row in made if "group" in row]
    assert places == [(row["step"], row["group"], row["index"]) for row in rollouts]
    totals = json.loads((tmp_path / "run" / "run.json").read_text())["totals"]
    assert totals["judge_errors"] == 4 * 8
    assert totals["seconds"].keys() == {"generate", "judge", "learn", "publish"}
    spans = rows(tmp_path / "run" / "traces" / "trace.jsonl")
    assert {span["name"] for span in spans} == {"generate", "judge", "learn", "publish"}
    assert all(span["start"] <= span["end"] for span in spans)
    starts = [span["start"] for span in spans]
    assert starts == sorted(starts)
    versions = [(span["name"], span["version"]) for span in spans if span["step"] == 2]
    assert versions == [("generate", 1), ("judge", 1)] * (len(versions) // 2 - 1) + [("learn", 1), ("publish", 2)]


def test_validation_data_needs_a_word_of_the_recipe_and_the_run_repeats_it(recipe, display, tmp_path):
    sections = {**RAFT, "tasks": {"name": "programs:validation", "limit": 4}}
    with pytest.raises(ValueError, match=r"4 of the tasks are for validation.*validation_data: true"):
        train(recipe(sections), tmp_path / "run", display)
    train(recipe(sections, "validation_data=true", "steps=1"), tmp_path / "run", display)
    assert "validation_data: true" in (tmp_path / "run" / "config.yaml").read_text()
    assert "4 of these tasks are validation data" in (tmp_path / "run" / "RESULTS.md").read_text()


def test_tensorboard_shows_the_rows_of_metrics_once_after_a_resume(recipe, display, tmp_path):
    asked = recipe(SFT, "trackers=[tensorboard]")
    train(asked, tmp_path / "run", display)
    step_4 = tmp_path / "run" / "checkpoints" / "step_4"
    step_4.rename(tmp_path / "away")
    train(asked, tmp_path / "run", display, resume=True)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    expected = [(row["step"], row["loss"]) for row in record(tmp_path / "run")["metrics"]]
    shown = [(event.step, event.value) for event in events.Scalars("loss")]
    assert shown == [(step, pytest.approx(loss)) for step, loss in expected]
    assert len(shown) == 4
    assert "seconds/learn" in events.Tags()["scalars"]


@pytest.mark.slow
def test_wandb_offline_holds_each_row_once_after_a_resume(recipe, display, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    asked = recipe(SFT, "trackers=[wandb]")
    train(asked, tmp_path / "run", display)
    (tmp_path / "run" / "checkpoints" / "step_4").rename(tmp_path / "away")
    train(asked, tmp_path / "run", display, resume=True)
    (file,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    assert history(file) == [row["loss"] for row in record(tmp_path / "run")["metrics"]]


def history(file: Path) -> list[float]:
    """The losses in a file of W&B's: a LevelDB log of records behind seven bytes of its own."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, record, losses = file.read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        if (room := BLOCK - at % BLOCK) < 7:
            at += room
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (FULL, LAST):
            items = Record.FromString(record).history.item
            losses += [json.loads(item.value_json) for item in items if "loss" in (item.key, *item.nested_key)]
            record = b""
    return losses


BLOCK, FULL, LAST = 32768, 1, 4


def test_a_tracker_that_is_not_installed_is_refused_before_anything_is_written(recipe, display, tmp_path, monkeypatch):
    from rlvr import trackers

    real = trackers.find_spec
    monkeypatch.setattr(trackers, "find_spec", lambda name: None if name == "wandb" else real(name))
    with pytest.raises(ValueError, match=r"the tracker wandb needs the package wandb: pip install .*\[trackers\]'"):
        train(recipe(SFT, "trackers=[tensorboard, wandb]"), tmp_path / "run", display)
    assert not (tmp_path / "run").exists()
