"""Runs that fine-tune: adapters that resume to the bit, conversations, a measured loss, rows that cannot be learned."""

import json
import os
import signal

import pytest
from conftest import architecture
from test_learner_ranks import PAIRS, SHOWN, on_two_ranks

from rlvr import models
from rlvr.config import load_recipe
from rlvr.config.train_recipe import Lora, Model, Optimizer
from rlvr.learner import checkpoints, ranks, sharding
from rlvr.learner.step import Learner
from rlvr.objectives.dpo import DPO
from rlvr.objectives.sft import SFT
from rlvr.quickstart import recipes
from rlvr.records import Message
from rlvr.storage import write_lines
from rlvr.train import train

LORA = {"rank": 4, "alpha": 8, "targets": "attention", "dropout": 0.1}
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% if m.role == 'assistant' %}<|end|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
TALKS = [
    {
        "messages": [
            {"role": "user", "content": f"say {n % 3}"},
            {"role": "assistant", "content": f"{n % 3}"},
            {"role": "user", "content": "again"},
            {"role": "assistant", "content": f"{n % 3}{n % 3}"},
        ]
    }
    for n in range(12)
]


@pytest.fixture
def recipe(warm, tmp_path):
    def make(**sections):
        data = {
            "command": "train",
            "name": "tiny",
            "steps": 4,
            "batch_size": 4,
            "threads": 1,
            "model": {"path": str(warm), "lora": LORA},
            "tasks": {"name": "programs:demonstrations", "depths": [1], "limit": 40},
            "objective": {"name": "sft"},
            "optimizer": {"lr": 1e-2},
            "checkpoint": {"every": 2},
            **sections,
        }
        (tmp_path / "tiny.yaml").write_text(json.dumps(data))
        return load_recipe(tmp_path / "tiny.yaml")

    return make


@pytest.fixture
def talks(tmp_path):
    write_lines(tmp_path / "talks.jsonl", TALKS)
    return {"name": "supervised", "source": str(tmp_path / "talks.jsonl")}


def rows(run):
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for row in found:
        row.pop("seconds", None)
    return found


def adapter(run, step):
    return (run / "checkpoints" / f"step_{step}" / "model" / "adapter_model.safetensors").read_bytes()


def test_a_killed_run_of_an_adapter_resumes_to_the_bit(recipe, display, tmp_path, warm):
    asked = recipe()
    train(asked, tmp_path / "whole", display)
    update, calls = Learner.update, []

    def dying(*arguments):
        calls.append(1)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return update(*arguments)

    pid = os.fork()
    if pid == 0:
        try:
            Learner.update = dying
            train(asked, tmp_path / "killed", display)
        finally:
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    train(asked, tmp_path / "killed", display, resume=True)
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    for step in (2, 4):
        assert adapter(tmp_path / "killed", step) == adapter(tmp_path / "whole", step)
    assert adapter(tmp_path / "whole", 2) != adapter(tmp_path / "whole", 4)
    assert not list(tmp_path.rglob("model.safetensors")), "the base is where it was, and is not copied"
    config = json.loads((tmp_path / "whole" / "checkpoints" / "step_4" / "model" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"].startswith(str(warm))


def test_conversations_are_learned_from_scratch_and_their_loss_is_measured(recipe, display, tmp_path, talks):
    start = {
        "architecture": architecture("llama", hidden_size=32, initializer_range=0.05),
        "tokenizer": {"vocab_size": 280},
        "chat_template": TEMPLATE,
    }
    asked = recipe(
        model=start, tasks=talks, steps=40, evaluation={"loss": talks, "every": 20}, checkpoint={}, batch_size=6
    )
    train(asked, tmp_path / "run", display)
    losses = {row["step"]: row["evaluation"]["loss"] for row in rows(tmp_path / "run") if "evaluation" in row}
    assert list(losses) == [0, 20, 40]
    assert losses[40] < 0.2 < losses[20] < losses[0]
    card = (tmp_path / "run" / "checkpoints" / "step_40" / "model" / "README.md").read_text()
    facts = json.loads(card.partition("```json")[2].partition("```")[0])
    assert facts["held_out"] == {"loss": losses[40]}
    assert (facts["step"], facts["start"], facts["lora"]) == (40, "a fresh architecture", None)
    assert (facts["objective"]["name"], facts["tasks"]["source"]) == ("sft", talks["source"])
    assert facts["versions"].keys() >= {"rlvr", "torch", "transformers"}
    assert facts["trained"] == facts["parameters"] > 1000
    model = models.load(str(tmp_path / "run"))
    prompt = model.encode_prompt((Message("user", "say 2"), Message("assistant", "2"), Message("user", "again")))
    assert model.decode(prompt).endswith("<user>again<assistant>")


def test_an_adapter_on_weights_of_its_own_run_keeps_its_base_there(recipe, display, tmp_path, talks):
    start = {"architecture": architecture("llama"), "tokenizer": {"vocab_size": 280}, "chat_template": TEMPLATE}
    train(recipe(model={**start, "lora": LORA}, tasks=talks, steps=1), tmp_path / "run", display)
    (tmp_path / "run").rename(tmp_path / "moved")
    model = models.load(str(tmp_path / "moved"))
    assert model.adapter.base == str(tmp_path / "run" / "base")
    assert model.tokenizer.chat_template == TEMPLATE


REFUSED = {
    "no chat template": ({"model": {}}, {}, r"task talks/\d+: the tokenizer has no chat template"),
    "too long": (
        {"model": {"chat_template": TEMPLATE}},
        {"messages": [{"role": "user", "content": "x" * 5000}, {"role": "assistant", "content": "y"}]},
        r"task talks/12: prompt and demonstration have \d+ tokens, the model only 256 positions",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_learned_is_an_error_before_the_first_step(recipe, display, tmp_path, warm, talks, name):
    sections, row, message = REFUSED[name]
    write_lines(tmp_path / "talks.jsonl", [*TALKS, *([row] if row else [])])
    sections = {**sections, "model": {"path": str(warm), **sections["model"]}}
    with pytest.raises(ValueError, match=message):
        train(recipe(tasks=talks, **sections), tmp_path / "run", display)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_adapter_is_what_the_local_engine_samples_from(recipe, display, tmp_path):
    sections = {
        "objective": {"name": "grpo", "group_size": 6, "beta": 0.1, "old": "sampler"},
        "tasks": {"name": "programs:train", "depths": [1], "limit": 24},
        "sandbox": {"name": "local", "workers": 1},
        "steps": 6,
    }
    train(recipe(**sections), tmp_path / "run", display)
    learned = [row for row in rows(tmp_path / "run") if row["examples"]]
    assert len(learned) > 2
    assert all(row["logprob_gap"] < 1e-5 for row in learned)
    assert learned[0]["reference_kl"] == 0
    assert learned[-1]["reference_kl"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "given"), [(SFT(), SHOWN), (DPO(group_size=0), PAIRS)], ids=["sft", "dpo"])
def test_two_processes_train_an_adapter_as_one_does_and_resume_to_the_bit(tiny, tmp_path, objective, given):
    models.save(tiny(), tmp_path / "base", {})
    section = Model(path=str(tmp_path / "base"), lora=Lora(rank=4, alpha=8))

    def made():
        model = models.start(section, section.path, (), 3, tmp_path / "none", print)
        settings = Optimizer(lr=1e-2, schedule="constant", tokens_per_microbatch=26)
        return Learner(model, settings, 10, 1.0, needs=objective.needs)

    def work():
        one, again = made(), made()
        for step in range(3):
            one.update(given, objective.loss, step, 0)
        checkpoints.save(tmp_path / f"of_{ranks.world()}", one, {}, {})
        checkpoints.restore(tmp_path / f"of_{ranks.world()}", again)
        assert again.update(given, objective.loss, 3, 0) == one.update(given, objective.loss, 3, 0)
        return {name: sharding.whole(p.detach()) for name, p in one.model.network.named_parameters()}

    alone, two = work(), on_two_ranks(work, tmp_path)
    for weights in two:
        assert max((weights[name] - alone[name]).abs().max().item() for name in alone) < 2e-6
    assert models.load(str(tmp_path / "of_2" / "model")).adapter.base == str(tmp_path / "base")


@pytest.mark.slow
def test_the_recipe_for_a_small_model_trains(display, tmp_path):
    asked = load_recipe(recipes() / "sft_lora_small.yaml", ["evaluation.samples=2"])
    train(asked, tmp_path / "run", display)
    measured = [row["evaluation"] for row in rows(tmp_path / "run") if "evaluation" in row]
    assert measured[-1]["pass@1"]["value"] > measured[0]["pass@1"]["value"] + 0.2
    assert measured[-1]["loss"] < measured[0]["loss"] / 2
    model = models.load(str(tmp_path / "run"))
    assert model.adapter.config.r == 8
    assert model.trained < model.parameters / 10
