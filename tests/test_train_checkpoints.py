"""What a run keeps: the latest, every N-th, the best; where it ends early; what survives numbers that are none."""

import json
import shutil
from pathlib import Path
from random import Random

import pytest
import torch
from conftest import architecture
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
from rlvr.run import Run, RunStoppedError
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


def spoil_the_fourth_step(patch):
    real = torch.nn.utils.clip_grad_norm_
    calls = []

    def spoiled(parameters, *rest):
        calls.append(1)
        return torch.tensor(float("nan")) if len(calls) == 4 else real(parameters, *rest)

    patch.setattr(torch.nn.utils, "clip_grad_norm_", spoiled)


def test_numbers_that_are_none_stop_the_run_and_the_last_good_checkpoint_stays(recipe, display, tmp_path, monkeypatch):
    asked = recipe(SFT)
    train(asked, tmp_path / "whole", display)
    with monkeypatch.context() as patch:
        spoil_the_fourth_step(patch)
        with pytest.raises(FloatingPointError, match=r"step 4: .*not finite.*the last good checkpoint is .*step_2"):
            train(asked, tmp_path / "run", display)
    assert status(tmp_path / "run") == "failed"
    assert kept(tmp_path / "run") == ["step_2"]
    models.load(str(tmp_path / "run"))
    assert "not finite" in (tmp_path / "run" / "log.txt").read_text()
    assert "The run failed" in (tmp_path / "run" / "RESULTS.md").read_text()
    train(asked, tmp_path / "run", display, resume=True)
    assert_equal_records(tmp_path / "run", tmp_path / "whole")


def test_numbers_that_are_none_cost_nothing_where_no_checkpoint_was_wanted(recipe, display, tmp_path, monkeypatch):
    asked = recipe(SFT, "checkpoint.every=0")
    train(asked, tmp_path / "whole", display)
    with monkeypatch.context() as patch:
        spoil_the_fourth_step(patch)
        with pytest.raises(FloatingPointError, match=r"step 4: .*not finite.*the last good checkpoint is .*step_3"):
            train(asked, tmp_path / "run", display)
    assert kept(tmp_path / "run") == ["step_3"]
    assert status(tmp_path / "run") == "failed"
    train(asked, tmp_path / "run", display, resume=True)
    mine, theirs = record(tmp_path / "run"), record(tmp_path / "whole")
    assert mine["metrics"] == theirs["metrics"]
    assert mine["weights"]["step_4"] == theirs["weights"]["step_4"]


def test_weights_that_are_no_numbers_are_never_saved(recipe, display, tmp_path):
    asked = recipe({**SFT, "optimizer": {"lr": 1e39}}, "checkpoint={every: 1, keep: 1}")
    with pytest.raises(
        FloatingPointError, match=r"step 1 made weights that are no finite numbers: .*not saved, and the"
    ):
        train(asked, tmp_path / "run", display)
    assert kept(tmp_path / "run") == []


def test_a_model_whose_weights_are_no_numbers_is_refused_before_the_first_step(recipe, display, tmp_path, warm):
    model = models.load(str(warm))
    with torch.no_grad():
        next(iter(model.network.parameters()))[0, 0] = float("nan")
    models.save(model, tmp_path / "spoiled", {})
    with pytest.raises(ValueError, match="the model has weights that are no finite numbers: "):
        train(recipe(GRPO, f"model.path={tmp_path / 'spoiled'}"), tmp_path / "run", display)
    assert not (tmp_path / "run").exists()


def test_a_judge_that_fails_late_costs_no_step_before_it(recipe, display, tmp_path, monkeypatch):
    from rlvr.train.ledger import Ledger

    real = Ledger.count

    def count(self, step, account):
        if step == 3:
            account.judge_errors = account.judged
        real(self, step, account)

    asked = recipe(GRPO, "checkpoint.every=0", "steps=3")
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "count", count)
        with pytest.raises(RunStoppedError, match=r"step 3: .* could not be judged.*last good checkpoint is .*step_2"):
            train(asked, tmp_path / "run", display)
    assert kept(tmp_path / "run") == ["step_2"]
    train(asked, tmp_path / "run", display, resume=True)
    train(asked, tmp_path / "whole", display)
    assert record(tmp_path / "run")["metrics"] == record(tmp_path / "whole")["metrics"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", ["tasks.jsonl", "log.txt"])
def test_a_full_disk_is_a_sentence_wherever_the_run_writes(recipe, display, tmp_path, monkeypatch, name):
    real = Run.create

    def create(path, *rest):
        run = real(path, *rest)
        (run.path / name).symlink_to("/dev/full")
        return run

    with monkeypatch.context() as patch:
        patch.setattr(Run, "create", create)
        with pytest.raises(RunStoppedError, match=r"the disk of .*run is full .* and continue with --resume"):
            train(recipe(SFT), tmp_path / "run", display)
    # A run that had not begun to learn is gone altogether.
    (tmp_path / "run" / name).unlink(missing_ok=True)
    train(recipe(SFT), tmp_path / "run", display, resume=True)
    assert status(tmp_path / "run") == "finished"


def test_a_checkpoint_of_another_recipe_is_refused_with_the_difference(recipe, display, tmp_path):
    train(recipe(SFT), tmp_path / "other", display)
    asked = recipe(SFT, "optimizer.lr=0.25")
    train(asked, tmp_path / "run", display)
    shutil.copytree(tmp_path / "other" / "checkpoints" / "step_4", tmp_path / "run" / "checkpoints" / "step_5")
    with pytest.raises(ValueError, match=r"made by another recipe") as error:
        train(asked, tmp_path / "run", display, resume=True)
    assert "-  lr: 0.005" in str(error.value)
    assert "+  lr: 0.25" in str(error.value)


def test_a_resumed_run_begins_where_it_began_though_its_model_has_a_better_checkpoint_now(
    recipe, display, tmp_path, warm
):
    """What it is compared with is the start, so another start would be another loss."""
    given = tmp_path / "given"
    shutil.copytree(warm, given)
    asked = recipe(GRPO, f"model.path={given}", "objective.beta=0.5")
    train(asked, tmp_path / "whole", display)
    assert facts(tmp_path / "whole")["began_from"] == "checkpoints/step_120"
    assert f"{given} is a run, of which checkpoints/step_120 is taken" in (tmp_path / "whole" / "log.txt").read_text()
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "step_4")
    models.save(models.load(str(tmp_path / "whole")), given / "checkpoints" / "step_200" / "model", {})
    train(asked, tmp_path / "cut", display, resume=True)
    assert_equal_records(tmp_path / "cut", tmp_path / "whole")
    shutil.rmtree(given / "checkpoints" / "step_120")
    gone = r"cut began from checkpoints/step_120 of .*given, which is gone; .*given is checkpoints/step_200 today"
    with pytest.raises(FileNotFoundError, match=gone):
        train(asked, tmp_path / "cut", display, resume=True)


def test_weights_of_a_run_for_an_architecture_are_those_it_began_with_too(recipe, display, tmp_path, tiny):
    for step in (2, 9):
        models.save(tiny(seed=step), tmp_path / "given" / "checkpoints" / f"step_{step}" / "model", {})
    model = {"architecture": architecture("llama"), "tokenizer": {"vocab_size": 300}}
    model["init_checkpoint"] = str(tmp_path / "given")
    asked = recipe({**SFT, "model": model}, "steps=1")
    train(asked, tmp_path / "run", display)
    assert facts(tmp_path / "run")["began_from"] == "checkpoints/step_9"
    (tmp_path / "given" / "checkpoints" / "step_9").rename(tmp_path / "aside")
    with pytest.raises(FileNotFoundError, match=r"began from checkpoints/step_9 .* is checkpoints/step_2 today"):
        train(asked, tmp_path / "run", display, resume=True)


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
