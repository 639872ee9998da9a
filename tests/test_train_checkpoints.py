"""What a run keeps: the latest, every N-th, the best; where it ends early; what survives numbers that are none."""

import json
import shutil
from random import Random

import pytest
import torch
from training import (
    GRPO,
    SFT,
    assert_equal_records,
    calls_of,
    dying_after_calls,
    dying_at,
    in_child,
    record,
    rows,
    status,
)

from rlvr import models
from rlvr.learner.step import Learner
from rlvr.train import train
from rlvr.train.best import Best


def facts(folder):
    return json.loads((folder / "run.json").read_text())


def kept(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


EVALUATION = {"tasks": [{"name": "programs:validation", "limit": 2}], "every": 1, "samples": 1, "greedy": False}


def fake_evaluations(monkeypatch, values):
    """The run's own evaluations, with these shares of solved tasks, from step 0."""
    from rlvr.train import loop

    real, given = loop.summarise, iter(values)

    def summarise(tasks, scores, ks):
        return {**real(tasks, scores, ks), "pass@1": {"value": next(given), "low": 0.0, "high": 1.0}}

    monkeypatch.setattr(loop, "summarise", summarise)


def test_the_best_and_every_nth_stay_and_a_run_that_no_longer_gains_ends(recipe, display, tmp_path, monkeypatch):
    checkpoint = {"every": 0, "keep": 1, "keep_every": 4, "best": "pass@1"}
    asked = recipe({**SFT, "evaluation": {**EVALUATION, "patience": 3}, "checkpoint": checkpoint}, "steps=20")
    fake_evaluations(monkeypatch, [0.9, 0.2, 0.6, 0.6, 0.5, 0.4, 0.9])
    train(asked, tmp_path / "run", display)
    assert kept(tmp_path / "run") == ["step_2", "step_4", "step_5"]
    found = facts(tmp_path / "run")
    assert found["best"] == {"metric": "pass@1", "value": 0.6, "step": 2, "checkpoint": "checkpoints/step_2"}
    assert found["status"] == "finished"
    assert found["stopped"] == "pass@1 has not been better than 0.6 (step 2) for 3 evaluations"
    page = (tmp_path / "run" / "RESULTS.md").read_text()
    assert "Best by pass@1: `checkpoints/step_2` (pass@1 0.6)." in page
    assert "| held-out, 2 tasks | before | best (step 2) | last (step 5) |" in page
    assert "| pass@1 | 90.0 (0.0 to 100.0) | 60.0 (0.0 to 100.0) | 40.0 (0.0 to 100.0) |" in page
    assert "sft on 60 tasks of `programs` from" in page
    assert "this folder stands for its best checkpoint, and `checkpoints/step_5` inside it for that one." in page
    taken = models.load(str(tmp_path / "run")).checkpoint
    assert "checkpoints/step_2 is taken, the best by pass@1 (0.6); the newest is checkpoints/step_5" in taken
    before = record(tmp_path / "run")
    train(asked, tmp_path / "run", display, resume=True)
    assert record(tmp_path / "run") == before


def test_a_loss_is_best_when_it_is_least_and_the_best_outlives_a_kill(recipe, display, tmp_path):
    asked = recipe(SFT, "checkpoint={every: 1, keep: 1, best: loss}", "steps=6", "optimizer.lr=0.1")
    train(asked, tmp_path / "whole", display)
    losses = {row["step"]: row["loss"] for row in rows(tmp_path / "whole" / "metrics.jsonl")}
    best = min(losses, key=lambda step: losses[step])
    assert best < 6, "a run whose last step is its best shows nothing"
    assert kept(tmp_path / "whole") == [f"step_{best}", "step_6"]

    def killed():
        Learner.update = dying_at(best + 2, Learner.update)
        train(asked, tmp_path / "run", display)

    in_child(killed)
    train(asked, tmp_path / "run", display, resume=True)
    assert_equal_records(tmp_path / "run", tmp_path / "whole")
    assert facts(tmp_path / "run")["best"] == facts(tmp_path / "whole")["best"]


def test_patience_counts_from_the_last_gain_and_survives_a_checkpoint():
    best = Best("loss", patience=2)
    looks = [best.look({"step": n, "loss": loss}) for n, loss in enumerate([3.0, 2.0, 2.0, 1.0, 5.0, float("nan")], 1)]
    assert looks == [True, True, False, True, False, False]
    assert not best.exhausted
    again = Best("loss", patience=2)
    again.restore(json.loads(json.dumps(best.state())))
    again.look({"step": 7, "loss": 1.5})
    assert again.exhausted == "loss has not been better than 1 (step 4) for 2 evaluations"


def test_a_held_out_loss_counts_before_that_of_the_batch():
    best = Best("loss", patience=0)
    assert best.look({"step": 1, "loss": 1.0, "evaluation": {"loss": 2.0}})
    assert not best.look({"step": 2, "loss": 0.5, "evaluation": {"loss": 2.5}})
    assert (best.step, best.value) == (1, 2.0)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("checkpoint.best=pass@3", "should be 'pass@1', 'pass@k', 'greedy', 'loss' or 'reward'"),
        ("checkpoint.best=greedy", "checkpoint.best is greedy, but evaluation.greedy is false"),
        ("evaluation={patience: 2}", "evaluation.patience counts evaluations, but evaluation.every is 0"),
        ("evaluation={loss: {name: programs:validation}, every: 2}", "pass@1, but evaluation.tasks is empty"),
    ],
)
def test_what_can_never_be_measured_is_refused(recipe, override, message):
    with pytest.raises(ValueError, match=message):
        recipe({**SFT, "evaluation": EVALUATION, "checkpoint": {"best": "pass@1"}}, override)


def test_numbers_that_are_none_stop_the_run_and_the_last_good_checkpoint_stays(recipe, display, tmp_path, monkeypatch):
    asked = recipe(SFT)
    train(asked, tmp_path / "whole", display)
    real = torch.nn.utils.clip_grad_norm_
    calls = []

    def spoiled(parameters, *rest):
        calls.append(1)
        return torch.tensor(float("nan")) if len(calls) == 4 else real(parameters, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.utils, "clip_grad_norm_", spoiled)
        with pytest.raises(FloatingPointError, match=r"step 4: .*not finite.*the last good checkpoint is .*step_2"):
            train(asked, tmp_path / "run", display)
    assert status(tmp_path / "run") == "failed"
    assert kept(tmp_path / "run") == ["step_2"]
    models.load(str(tmp_path / "run"))
    assert "not finite" in (tmp_path / "run" / "log.txt").read_text()
    assert "The run failed" in (tmp_path / "run" / "RESULTS.md").read_text()
    train(asked, tmp_path / "run", display, resume=True)
    assert_equal_records(tmp_path / "run", tmp_path / "whole")


def test_a_checkpoint_of_another_recipe_is_refused_with_the_difference(recipe, display, tmp_path):
    train(recipe(SFT), tmp_path / "other", display)
    asked = recipe(SFT, "optimizer.lr=0.25")
    train(asked, tmp_path / "run", display)
    shutil.copytree(tmp_path / "other" / "checkpoints" / "step_4", tmp_path / "run" / "checkpoints" / "step_5")
    with pytest.raises(ValueError, match=r"made by another recipe") as error:
        train(asked, tmp_path / "run", display, resume=True)
    assert "-  lr: 0.005" in str(error.value)
    assert "+  lr: 0.25" in str(error.value)


@pytest.fixture(scope="module")
def lives():
    """Per objective: the uninterrupted run, and how many calls of functions it was."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
@pytest.mark.parametrize("name", ["sft", "grpo"])
def test_a_run_killed_at_any_moment_resumes_to_the_bit(
    recipe, display, tmp_path, tmp_path_factory, lives, name, number
):
    """Moments are numbers of calls of Python functions, drawn from the whole life of the process."""
    asked = recipe({"sft": SFT, "grpo": GRPO}[name], "checkpoint={every: 1, keep: 2, keep_every: 3, best: loss}")
    if name not in lives:
        folder = tmp_path_factory.mktemp(name)
        lives[name] = (folder / "run", calls_of(lambda: train(asked, folder / "run", display)))
    whole, life = lives[name]
    moment = Random(f"{name} {number}").randrange(life)
    ended = in_child(lambda: dying_after_calls(moment, lambda: train(asked, tmp_path / "run", display)))
    assert ended == -9
    train(asked, tmp_path / "run", display, resume=True)
    assert_equal_records(tmp_path / "run", whole)
    assert facts(tmp_path / "run")["best"] == facts(whole)["best"]


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_tasks_that_its_curriculum_has_left(recipe, display, tmp_path):
    asked = recipe({**GRPO, "curriculum": {"groups": 1, "band": [0.1, 0.9], "revisit": 2}}, "steps=6", "tasks.limit=8")
    train(asked, tmp_path / "whole", display)
    drawn = [row["task_id"] for row in record(tmp_path / "whole")["rollouts"]]
    assert len(set(drawn[-32:])) <= 4 < len(set(drawn)), "it retires tasks"

    def killed():
        Learner.update = dying_at(4, Learner.update)
        train(asked, tmp_path / "run", display)

    in_child(killed)
    train(asked, tmp_path / "run", display, resume=True)
    assert_equal_records(tmp_path / "run", tmp_path / "whole")
