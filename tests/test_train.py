"""Runs of the loop on programs that really run: repeatable, resumable to the bit, refused before they start."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import architecture
from training import GRPO, OBJECTIVES, RAFT, SFT, assert_equal_records, dying_at, in_child, record, rows, status

from rlvr import models
from rlvr import train as room
from rlvr.batches import live as live_batches
from rlvr.learner import checkpoints
from rlvr.learner.step import Learner
from rlvr.records import Execution
from rlvr.run import Run, RunStoppedError
from rlvr.storage import write_lines
from rlvr.tasks.programs import Programs
from rlvr.train import train


@pytest.mark.parametrize(
    "name", ["sft", "grpo", *(pytest.param(name, marks=pytest.mark.slow) for name in ("raft", "dpo"))]
)
def test_each_objective_trains_and_the_same_seed_gives_the_same_run(recipe, display, tmp_path, warm, name):
    for out in ("a", "b"):
        totals = train(recipe(OBJECTIVES[name]), tmp_path / out, display)
    assert_equal_records(tmp_path / "a", tmp_path / "b")
    other = recipe(OBJECTIVES[name], "seed=5")
    train(other, tmp_path / "other", display)
    found = record(tmp_path / "a")
    assert record(tmp_path / "other")["weights"] != found["weights"]
    assert [row["step"] for row in found["metrics"]] == [1, 2, 3, 4]
    assert sorted(found["weights"]) == ["step_2", "step_4"]
    assert found["weights"]["step_2"] != found["weights"]["step_4"]
    assert status(tmp_path / "a") == "finished"
    trained = models.load(str(tmp_path / "a")).fingerprint()
    assert trained == models.load(str(tmp_path / "a" / "checkpoints" / "step_4")).fingerprint()
    assert trained != models.load(str(warm)).fingerprint()
    ids = {row["id"] for row in rows(tmp_path / "a" / "tasks.jsonl")}
    if name == "sft":
        assert totals["judged"] == len(found["rollouts"]) == 0
        return
    size = OBJECTIVES[name]["objective"]["group_size"]
    assert len(found["rollouts"]) == totals["judged"] == 4 * 4 * size
    assert totals["judge_errors"] == 0
    assert {row["task_id"] for row in found["rollouts"]} <= ids
    assert 0 < sum(row["reward"] for row in found["rollouts"]) < len(found["rollouts"])
    for row in found["metrics"]:
        step = [rollout for rollout in found["rollouts"] if rollout["step"] == row["step"]]
        assert row["reward"] == pytest.approx(sum(rollout["reward"] for rollout in step) / len(step))
        assert sum(row["outcomes"].values()) == len(step) == 4 * size


@pytest.mark.slow
def test_stored_samples_train_the_same_weights_and_may_have_another_reward(recipe, display, tmp_path):
    """With a reference model, solutions that join the groups, and replaced groups: all of it is in what is stored."""
    objective = {"name": "grpo", "group_size": 6, "beta": 0.1, "imitate": 0.1, "over": "sequences", "old": "start"}
    sections = {**GRPO, "objective": objective, "sampling": {"replace_flat": 2}}
    train(recipe(sections), tmp_path / "live", display)
    train(recipe(sections), tmp_path / "again", display, rereward=tmp_path / "live")
    live, again = record(tmp_path / "live"), record(tmp_path / "again")
    assert live["weights"] == again["weights"]
    assert live["rollouts"] == again["rollouts"]
    assert live["metrics"][-1]["replaced"] > 0
    assert all(row["imitation"] > 0 and row["reference_kl"] >= 0 for row in live["metrics"][1:])
    train(recipe({**sections, "reward": "dense"}), tmp_path / "dense", display, rereward=tmp_path / "live")
    dense = record(tmp_path / "dense")
    assert [row["turns"] for row in dense["rollouts"]] == [row["turns"] for row in live["rollouts"]]
    assert {row["reward"] for row in dense["rollouts"]} > {row["reward"] for row in live["rollouts"]}
    assert dense["weights"] != live["weights"]
    with pytest.raises(ValueError, match=r"has rollouts of 4 steps, and the recipe asks for 5; set steps=4"):
        train(recipe({**sections, "steps": 5}), tmp_path / "longer", display, rereward=tmp_path / "live")
    with pytest.raises(FileNotFoundError, match="holds no rollouts to learn from"):
        train(recipe(sections), tmp_path / "none", display, rereward=tmp_path / "nowhere")


def test_preferences_that_tasks_bring_are_learned(recipe, display, tmp_path):
    tasks = [
        {"id": str(n), "prompt": f"# {n}\ndef solve(s):\n", "reference": {}, "verifier": "", "meta": meta}
        for n, meta in enumerate([{"chosen": "    return s\n", "rejected": "    return 0\n"}] * 4)
    ]
    write_lines(tmp_path / "pairs.jsonl", tasks)
    given = {"name": str(tmp_path / "pairs.jsonl")}
    sections = {"objective": {"name": "dpo", "group_size": 0, "beta": 0.5}, "tasks": given, "optimizer": {"lr": 3e-3}}
    train(recipe(sections), tmp_path / "run", display)
    margins = [row["margin"] for row in rows(tmp_path / "run" / "metrics.jsonl")]
    assert margins[0] == pytest.approx(0, abs=1e-5)
    assert margins[-1] > margins[1] > 0
    write_lines(tmp_path / "pairs.jsonl", [*tasks[:3], {**tasks[3], "meta": {"chosen": "x"}}])
    with pytest.raises(ValueError, match="task 3 has no preference to learn from: meta needs two different texts"):
        train(recipe(sections), tmp_path / "no", display)


def test_an_alarm_that_stops_leaves_a_checkpoint_and_says_why(recipe, display, tmp_path):
    alarms = {"zero_contrast_share": {"above": -1.0, "steps": 3}, "grad_norm": None}
    with pytest.raises(RunStoppedError, match=r"step 3: zero_contrast_share is .*, above -1\.0 for 3 steps in a row"):
        train(recipe({**GRPO, "alarms": alarms}, "checkpoint.every=0"), tmp_path / "run", display)
    found = record(tmp_path / "run")
    assert list(found["weights"]) == ["step_3"]
    assert [row["alarms"] for row in found["metrics"]] == [[], [], ["zero_contrast_share"]]
    assert "alarm: zero_contrast_share is" in (tmp_path / "run" / "log.txt").read_text()
    assert "alarm at step 3: zero_contrast_share is" in display.console.file.getvalue()


@pytest.mark.parametrize(
    ("precision", "gap"), [("float32", 1e-5), pytest.param("bfloat16", 2e-3, marks=pytest.mark.slow)]
)
def test_on_policy_the_learner_agrees_with_the_sampler(recipe, display, tmp_path, precision, gap):
    once = ("optimizer.epochs=1", "optimizer.minibatch=0", "sampling.temperature=0.8", f"compute.precision={precision}")
    train(recipe(GRPO, *once), tmp_path / "run", display)
    learned = [row for row in rows(tmp_path / "run" / "metrics.jsonl") if row["examples"]]
    assert learned
    assert all(row["logprob_gap"] < gap for row in learned)
    assert precision == "bfloat16" or all(row["clip_share"] == 0 for row in learned)


@pytest.mark.slow
def test_reinforcement_raises_the_reward(recipe, display, tmp_path):
    train(
        recipe(GRPO, "steps=25", "tasks.limit=4", "tasks.seed=0", "optimizer.lr=3e-3", "checkpoint.every=0"),
        tmp_path / "r",
        display,
    )
    reward = [row["reward"] for row in rows(tmp_path / "r" / "metrics.jsonl")]
    assert sum(reward[-5:]) / 5 > sum(reward[:5]) / 5 + 0.2


@pytest.mark.slow
def test_evaluation_is_reported_and_changes_nothing_else(recipe, display, tmp_path):
    evaluation = {"tasks": [{"name": "programs:validation", "limit": 3}], "every": 2, "samples": 2}
    train(recipe(), tmp_path / "without", display)
    totals = train(recipe({**GRPO, "evaluation": evaluation}), tmp_path / "with", display)
    found, bare = record(tmp_path / "with"), record(tmp_path / "without")
    assert found["weights"] == bare["weights"]
    assert found["rollouts"] == bare["rollouts"]
    evaluated = {row["step"]: row["evaluation"] for row in found["metrics"] if "evaluation" in row}
    assert list(evaluated) == [0, 2, 4]
    assert all(part["n"] == 3 and sum(part["outcomes"].values()) == 6 for part in evaluated.values())
    assert totals["judged"] == 4 * 4 * 8 + 3 * 3 * 3
    assert set(totals["seconds"]) == {"generate", "judge", "learn", "publish"}


MOMENTS = {
    "before the first update": (Learner, "update", 1),
    "after a checkpoint": (Learner, "update", 3),
    "between rollouts and metrics": (Run, "metrics", 3),
    "between metrics and checkpoint": (checkpoints, "save", 2),
    "inside a checkpoint": (checkpoints.torch, "save", 2),
    "while old checkpoints are removed": (Run, "forget_checkpoints", 2),
}


@pytest.fixture(scope="module")
def whole():
    """The uninterrupted run, made by the first test that needs it."""
    return {}


SLOW_MOMENTS = {"between rollouts and metrics", "between metrics and checkpoint", "while old checkpoints are removed"}


@pytest.mark.parametrize(
    "moment", [pytest.param(m, marks=pytest.mark.slow if m in SLOW_MOMENTS else ()) for m in MOMENTS]
)
def test_a_killed_run_resumes_to_the_bit(recipe, display, tmp_path, tmp_path_factory, whole, moment):
    owner, name, number = MOMENTS[moment]
    asked = recipe(GRPO, "checkpoint.keep=1")
    if not whole:
        whole["run"] = tmp_path_factory.mktemp("whole") / "run"
        train(asked, whole["run"], display)

    def killed():
        setattr(owner, name, dying_at(number, getattr(owner, name)))
        train(asked, tmp_path / "killed", display)

    assert in_child(killed) == -signal.SIGKILL
    assert status(tmp_path / "killed") == "running"
    train(asked, tmp_path / "killed", display, resume=True)
    assert_equal_records(tmp_path / "killed", whole["run"])
    assert status(tmp_path / "killed") == "finished"


def test_a_batch_that_was_half_sampled_is_not_sampled_again(recipe, display, tmp_path):
    """RAFT over all tasks at once, in rounds of two tasks: killed in the third round of the second cycle."""
    raft = {"name": "raft", "group_size": 6, "keep": 0.5}
    sections = {
        **RAFT,
        "objective": raft,
        "engine": {"name": "local", "sequences": 12},
        "batch_size": 0,
        "sampling": {"temperature": 1.0, "last_temperature": 0.7},
        "checkpoint": {"every": 1, "name": "cycle"},
    }
    asked = recipe(sections, "steps=2", "tasks.limit=8")
    train(asked, tmp_path / "whole", display)

    def killed():
        live_batches.judge = dying_at(7, live_batches.judge)
        train(asked, tmp_path / "cut", display)

    assert in_child(killed) == -signal.SIGKILL
    stored = rows(tmp_path / "cut" / "checkpoints" / "pending.jsonl")
    assert [row["version"] for row in stored] == [1] * 4
    train(asked, tmp_path / "cut", display, resume=True)
    assert_equal_records(tmp_path / "cut", tmp_path / "whole")
    assert sorted(record(tmp_path / "cut")["weights"]) == ["cycle_1", "cycle_2"]
    assert not (tmp_path / "cut" / "checkpoints" / "pending.jsonl").exists()
    assert models.load(str(tmp_path / "cut")).fingerprint() == models.load(str(tmp_path / "whole")).fingerprint()
    with pytest.raises(ValueError, match=r"leave sampling\.last_temperature out"):
        train(recipe(GRPO, "sampling.last_temperature=0.5"), tmp_path / "no", display)


@pytest.mark.slow
def test_a_run_killed_in_its_warm_up_resumes_there(recipe, display, tmp_path):
    """From an architecture, through SFT with dropout, to GRPO: everything is made again or found again."""
    start = {"architecture": architecture("gpt2", n_embd=32), "tokenizer": {"vocab_size": 300, "documents": 60}}
    recipe({**SFT, "model": start})
    (tmp_path / "tiny.yaml").rename(tmp_path / "start.yaml")
    asked = recipe({**GRPO, "steps": 2, "model": {"recipe": str(tmp_path / "start.yaml")}})
    train(asked, tmp_path / "whole", display)

    def killed():
        Learner.update = dying_at(4, Learner.update)
        train(asked, tmp_path / "killed", display)

    assert in_child(killed) == -signal.SIGKILL
    assert not (tmp_path / "killed" / "metrics.jsonl").exists()
    train(asked, tmp_path / "killed", display, resume=True)
    for run in ("warmup", "."):
        assert (tmp_path / "killed" / run / "metrics.jsonl").exists()
        assert_equal_records(tmp_path / "killed" / run, tmp_path / "whole" / run)


def test_an_interrupt_ends_the_step_and_the_run_goes_on_from_there(recipe, display, tmp_path, monkeypatch):
    asked = recipe(GRPO, "checkpoint.every=0")
    train(asked, tmp_path / "whole", display)
    update = Learner.update

    def interrupting(self, examples, loss, step, seed):
        if step == 1:
            signal.raise_signal(signal.SIGINT)
        return update(self, examples, loss, step, seed)

    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "update", interrupting)
        with pytest.raises(KeyboardInterrupt, match="stopped after step 2 of 4; continue with --resume --out /"):
            train(asked, tmp_path / "run", display)
    assert signal.getsignal(signal.SIGINT) is before
    assert status(tmp_path / "run") == "interrupted"
    assert list(record(tmp_path / "run")["weights"]) == ["step_2"]
    train(asked, tmp_path / "run", display, resume=True)
    whole, found = record(tmp_path / "whole"), record(tmp_path / "run")
    assert (found["metrics"], found["rollouts"]) == (whole["metrics"], whole["rollouts"])
    assert found["weights"]["step_4"] == whole["weights"]["step_4"]


@pytest.mark.slow
def test_ctrl_c_at_the_command_line_is_exit_code_130_with_a_checkpoint(recipe, tmp_path):
    recipe({**GRPO, "steps": 100_000, "checkpoint": {"every": 0}})
    command = ["train", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "run")]
    process = subprocess.Popen(
        [sys.executable, "-c", "from rlvr.cli import main; main()", *command],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    metrics = tmp_path / "run" / "metrics.jsonl"
    try:
        while process.poll() is None and not (metrics.exists() and metrics.stat().st_size):
            time.sleep(0.02)
        # As a terminal does: to every process of the group.
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, said
    steps = len(rows(metrics))
    assert "Traceback" not in said
    assert f"rlvr: interrupted. stopped after step {steps} of 100000; continue with --resume" in said
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == [f"step_{steps}"]
    assert status(tmp_path / "run") == "interrupted"
    assert sum(row["outcomes"].get("judge_error", 0) for row in rows(metrics)) == 0


def test_resuming_a_finished_run_changes_nothing(recipe, display, tmp_path):
    train(recipe(GRPO, "steps=1"), tmp_path / "run", display)
    before = record(tmp_path / "run")
    train(recipe(GRPO, "steps=1"), tmp_path / "run", display, resume=True)
    assert record(tmp_path / "run") == before


def test_a_run_is_neither_overwritten_nor_resumed_with_another_recipe(recipe, display, tmp_path):
    train(recipe(GRPO, "steps=1"), tmp_path / "run", display)
    before = record(tmp_path / "run")
    with pytest.raises(FileExistsError, match="already holds a run; continue it with --resume"):
        train(recipe(GRPO, "steps=1"), tmp_path / "run", display)
    with pytest.raises(ValueError, match="made by another recipe"):
        train(recipe(GRPO, "steps=2"), tmp_path / "run", display, resume=True)
    assert record(tmp_path / "run") == before


REFUSED = {
    "test-only tasks": (
        {**GRPO, "tasks": {"name": "programs:test", "limit": 7}},
        r"7 of the tasks are test-only and cannot be trained on, for instance programs/test/",
    ),
    "stale weights of a local engine": ({**GRPO, "staleness": 1}, r"staleness must be 0"),
    "truncated sampling with exact log-probs": (
        {**GRPO, "sampling": {"top_p": 0.9}},
        r"grpo weighs samples .* sampling.top_p must be 1 and sampling.top_k 0, not 0.9 and 0",
    ),
    "an unknown reward": ({**GRPO, "reward": "spars"}, r"no reward named 'spars'. Did you mean 'sparse'"),
    "no tasks": ({**GRPO, "tasks": {"name": "programs:train", "limit": 0}}, r"limit should be 1 or more"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_recipe_that_cannot_work_is_refused_before_anything_is_written(recipe, display, tmp_path, name):
    sections, message = REFUSED[name]
    with pytest.raises((ValueError, LookupError), match=message):
        train(recipe(sections), tmp_path / "run", display)
    assert not (tmp_path / "run").exists()


def tasks_file(folder: Path, change):
    write_lines(folder / "tasks.jsonl", [{**task.to_json(), **change} for task in Programs("train", limit=3)])
    return {"name": str(folder / "tasks.jsonl")}


def test_tasks_that_cannot_be_used_are_refused_before_anything_is_written(recipe, display, tmp_path):
    unknown = tasks_file(tmp_path, {"verifier": "maths"})
    with pytest.raises(LookupError, match="no verifiers plug-in named 'maths'"):
        train(recipe({**GRPO, "tasks": unknown}), tmp_path / "run", display)
    silent = tasks_file(tmp_path, {"meta": {"depth": 1}})
    with pytest.raises(ValueError, match="has no demonstration to learn from"):
        train(recipe({**SFT, "tasks": silent}), tmp_path / "run", display)
    (tmp_path / "tiny.yaml").rename(tmp_path / "start.yaml")
    with pytest.raises(ValueError, match="has no demonstration to learn from"):
        train(recipe({**GRPO, "model": {"recipe": str(tmp_path / "start.yaml")}}), tmp_path / "run", display)
    assert not (tmp_path / "run").exists()


class Broken:
    """A judge that loses every second program."""

    def run_many(self, jobs):
        lost = Execution(ended="judge_error", tests_total=6, why="lost its worker")
        failed = Execution(ended="runtime_error", tests_total=6)
        return [lost if n % 2 else failed for n, _ in enumerate(jobs)]


def test_a_run_stops_when_its_judge_fails_too_often(recipe, display, tmp_path):
    with pytest.raises(
        RunStoppedError, match=r"step 1: \d+ of 32 rollouts could not be judged, more than max_unjudged=0"
    ):
        train(recipe(), tmp_path / "run", display, sandbox=Broken())
    assert status(tmp_path / "run") == "failed"
    assert "could not be judged" in (tmp_path / "run" / "log.txt").read_text()
    totals = train(recipe(GRPO, "max_unjudged=1"), tmp_path / "tolerant", display, sandbox=Broken())
    unjudged = [row for row in rows(tmp_path / "tolerant" / "traces" / "rollouts.jsonl") if row["reward"] is None]
    assert totals["judge_errors"] == len(unjudged) > 0
    assert {row["turns"][0]["verdict"]["outcome"] for row in unjudged} == {"judge_error"}


class Gone:
    """A judge that answers for nothing any more."""

    def run_many(self, jobs):
        return [Execution(ended="judge_error", tests_total=6, why="lost its worker") for _ in jobs]


def test_a_group_that_nobody_can_judge_is_sampled_again_and_then_ends_the_run(recipe, display, tmp_path):
    with pytest.raises(RunStoppedError, match=r"group \d+ could not be produced or judged in 3 attempts"):
        train(recipe(GRPO, "max_unjudged=1"), tmp_path / "run", display, sandbox=Gone())
    assert status(tmp_path / "run") == "failed"


def test_a_recipe_that_fails_before_its_first_step_leaves_the_folder_free(recipe, display, tmp_path):
    asked = recipe(GRPO, f"model.path={tmp_path / 'nowhere'}")
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            train(asked, tmp_path / "run", display)
    assert not (tmp_path / "run").exists()


def test_other_tasks_are_noticed_on_resume(recipe, display, tmp_path):
    tasks = list(Programs("train", depths=(1,), limit=8))
    write_lines(tmp_path / "T.jsonl", [task.to_json() for task in tasks])
    asked = recipe({**GRPO, "tasks": {"name": str(tmp_path / "T.jsonl")}}, "steps=1")
    train(asked, tmp_path / "run", display)
    write_lines(tmp_path / "T.jsonl", [task.to_json() for task in tasks[:5]])
    with pytest.raises(ValueError, match="the tasks have changed since this run began"):
        train(asked, tmp_path / "run", display, resume=True)


def test_threads_and_dtype_of_the_recipe_are_those_of_the_learner(recipe, display, tmp_path, monkeypatch):
    seen = []
    update = Learner.update

    def noting(self, examples, loss, step, seed):
        seen.append((torch.get_num_threads(), next(self.model.network.parameters()).dtype))
        return update(self, examples, loss, step, seed)

    monkeypatch.setattr(Learner, "update", noting)
    before = torch.get_num_threads()
    train(recipe(SFT, "threads=2", "steps=1", "model.dtype=bfloat16"), tmp_path / "run", display)
    torch.set_num_threads(before)
    assert seen == [(2, torch.bfloat16)]


@pytest.mark.slow
def test_the_last_step_is_evaluated_whatever_the_rhythm(recipe, display, tmp_path):
    asked = recipe(GRPO, "evaluation={tasks: [{name: programs:validation, limit: 2}], every: 3, samples: 1}")
    train(asked, tmp_path / "run", display)
    assert [row["step"] for row in rows(tmp_path / "run" / "metrics.jsonl") if "evaluation" in row] == [0, 3, 4]


def test_tasks_with_too_long_prompts_are_left_out_and_counted(recipe, display, tmp_path):
    first, second = list(Programs("train", depths=(1,), limit=2))
    endless = {**first.to_json(), "id": "endless", "prompt": first.prompt * 100}
    write_lines(tmp_path / "T.jsonl", [first.to_json(), endless, second.to_json()])
    asked = recipe({**GRPO, "tasks": {"name": str(tmp_path / "T.jsonl")}, "batch_size": 0}, "steps=1")
    train(asked, tmp_path / "run", display)
    assert {row["task_id"] for row in record(tmp_path / "run")["rollouts"]} == {first.id, second.id}
    assert "1 of 3 tasks left out: prompts too long, for instance endless" in (tmp_path / "run" / "log.txt").read_text()
    with pytest.raises(ValueError, match="every prompt is too long for the model or max_prompt_tokens"):
        train(recipe({**GRPO, "max_prompt_tokens": 2}), tmp_path / "none", display)


def test_tests_that_a_program_could_forge_are_refused_unless_the_recipe_allows_them(recipe, tmp_path):
    task = next(iter(Programs("train", depths=(1,)))).to_json()
    task["reference"]["tests"] = ["import inspect\nassert inspect.signature(solve)"]
    write_lines(tmp_path / "T.jsonl", [task])
    sections = {**GRPO, "tasks": {"name": str(tmp_path / "T.jsonl")}}
    with pytest.raises(ValueError, match="trust 'split' refuses it"):
        room.resolve(recipe(sections))
    assert len(room.resolve(recipe(sections, "trust=any")).tasks) == 1
