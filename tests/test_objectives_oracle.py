"""Our losses and gradients equal TRL's on the same tiny model and the same ragged batch, in float32, to 1e-5.

Where a gradient is greater than 1, to 1e-5 of the greatest.
"""

import math
from dataclasses import replace

import pytest
import torch

from rlvr import models
from rlvr.config.train_recipe import Lora, Optimizer
from rlvr.config.train_recipe import Model as Section
from rlvr.learner.step import Learner
from rlvr.objectives.dpo import DPO
from rlvr.objectives.grpo import GRPO
from rlvr.objectives.sft import SFT
from rlvr.records import Example

pytestmark = pytest.mark.slow

trl = pytest.importorskip("trl", reason="needs TRL, the oracle: install the extra dev")

LONGEST = 16
# Prompts, completions, advantages: two groups of three, as different in length as can be.
ROWS = [
    ((40, 41, 42), (50, 51, 52, 53, 54, 1), 1.1),
    ((40, 41, 42), (60, 1), -0.7),
    ((40, 41, 42), (61, 62, 63, 64, 65, 66, 67, 68, 1), -0.4),
    ((43,), (70, 71, 72, 1), 0.9),
    ((43,), (1,), -1.3),
    ((43,), (80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90), 0.4),
]


def examples(tiny, old_seed, reference_seed) -> list[Example]:
    """Rows whose sampler is another, similar model, so that ratios differ from 1 and some are clipped."""
    rows = [
        Example((*prompt, *completion), (False,) * len(prompt) + (True,) * len(completion), credit)
        for prompt, completion, credit in ROWS
    ]
    found = rows
    for field, seed in (("start", old_seed), ("reference", reference_seed)):
        found = _learner(tiny).measured(found, field, near(tiny, seed).network)
    return [replace(row, logprobs=row.start) for row in found]


def near(tiny, seed):
    """The model with a little noise on every weight."""
    model = tiny()
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.network.parameters():
            weight += 0.03 * torch.randn_like(weight)
    return model


def _learner(tiny, **more) -> Learner:
    settings = Optimizer(schedule="constant", clip_norm=math.inf, tokens_per_microbatch=40)
    return Learner(tiny(), settings, 10, 1.0, **more)


def ours(tiny, monkeypatch, objective, rows):
    """Loss and gradients of one optimizer step, cut into several micro-batches."""
    learner = _learner(tiny, needs=objective.needs)
    found = {}

    def keep(parameters, limit):
        named = learner.model.network.named_parameters()
        found.update({name: p.grad.clone() for name, p in named if p.grad is not None})
        return torch.tensor(1.0)

    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.utils, "clip_grad_norm_", keep)
        metrics = learner.update(rows, objective.loss, 0, 0)
    return metrics["loss"], found


def padded(rows, side):
    width = max(map(len, rows))
    fill = [([0] * (width - len(r)), list(r)) for r in rows]
    tokens = [pad + r if side == "left" else r + pad for pad, r in fill]
    mask = [[0] * len(p) + [1] * len(r) if side == "left" else [1] * len(r) + [0] * len(p) for p, r in fill]
    return torch.tensor(tokens), torch.tensor(mask)


def theirs(loss, network):
    network.zero_grad()
    loss.backward()
    return loss.item(), {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


def of_completions(rows, field):
    values = [getattr(row, field)[len(prompt) :] for row, (prompt, _, _) in zip(rows, ROWS, strict=True)]
    width = max(map(len, values))
    return torch.tensor([[*v, *(0.0,) * (width - len(v))] for v in values])


def assert_equal(mine, other):
    assert mine[0] == pytest.approx(other[0], rel=1e-5, abs=1e-5)
    assert mine[1].keys() == other[1].keys()
    greatest = max(gradient.abs().max().item() for gradient in other[1].values())
    assert greatest > 1e-2, "nothing was compared"
    for name, expected in other[1].items():
        assert torch.allclose(mine[1][name], expected, atol=1e-5 * max(1.0, greatest), rtol=1e-5), name


def quiet(tmp_path, **settings):
    return {
        "output_dir": str(tmp_path),
        "use_cpu": True,
        "report_to": [],
        "bf16": False,
        "disable_tqdm": True,
        **settings,
    }


GRPO_FAMILY = {
    "grpo": (
        GRPO(over="sequences", clip_low=0.2, clip_high=0.2, beta=0.05),
        {"loss_type": "grpo", "epsilon": 0.2},
    ),
    "grpo with plain k3": (
        GRPO(over="sequences", clip_low=0.2, clip_high=0.2, beta=0.05, unbiased=False),
        {"loss_type": "grpo", "epsilon": 0.2, "use_bias_correction_kl": False},
    ),
    "dr_grpo": (
        GRPO(over="constant", constant=LONGEST, clip_low=0.2, clip_high=0.2),
        {"loss_type": "dr_grpo", "epsilon": 0.2},
    ),
    "dapo": (
        GRPO(over="tokens", clip_low=0.2, clip_high=0.28),
        {"loss_type": "dapo", "epsilon": 0.2, "epsilon_high": 0.28},
    ),
    "gspo": (
        GRPO(over="sequences", ratio="sequence_mean", clip_low=0.01, clip_high=0.02),
        {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 0.01, "epsilon_high": 0.02},
    ),
    "cispo": (
        GRPO(over="tokens", surrogate="cispo", clip_high=0.1),
        {"loss_type": "cispo", "epsilon_high": 1.1},
    ),
    "dual clip": (
        GRPO(over="tokens", clip_low=0.2, clip_high=0.2, dual_clip=1.25),
        {"loss_type": "dapo", "epsilon": 0.2, "epsilon_high": 0.2, "delta": 1.25},
    ),
    "entropy": (
        GRPO(over="tokens", clip_low=0.2, clip_high=0.2, entropy=0.1),
        {"loss_type": "dapo", "epsilon": 0.2, "epsilon_high": 0.2, "entropy_coef": 0.1},
    ),
}


@pytest.mark.parametrize("name", GRPO_FAMILY)
def test_the_grpo_family(name, tiny, tokenizer, tmp_path, monkeypatch):
    objective, settings = GRPO_FAMILY[name]
    rows = examples(tiny, 1, 2)
    arguments = trl.GRPOConfig(
        **quiet(
            tmp_path,
            per_device_train_batch_size=6,
            num_generations=3,
            max_completion_length=LONGEST,
            temperature=1.0,
            **settings,
        )
    )
    trainer = trl.GRPOTrainer(
        tiny().network, reward_funcs=_nothing, args=arguments, train_dataset=_prompts(), processing_class=tokenizer
    )
    trainer.model.train()
    # Given in its settings it would look for the reference on the hub; here the reference's log-probs are given.
    trainer.beta = objective.beta
    trainer.current_gradient_accumulation_steps = 1
    prompt_ids, prompt_mask = padded([prompt for prompt, _, _ in ROWS], "left")
    completion_ids, completion_mask = padded([completion for _, completion, _ in ROWS], "right")
    inputs = {
        "prompt_ids": prompt_ids,
        "prompt_mask": prompt_mask,
        "completion_ids": completion_ids,
        "completion_mask": completion_mask,
        "advantages": torch.tensor([credit for _, _, credit in ROWS]),
        "old_per_token_logps": of_completions(rows, "logprobs"),
        "ref_per_token_logps": of_completions(rows, "reference"),
        "num_items_in_batch": completion_mask.sum(),
    }
    other = theirs(trainer._compute_loss(trainer.model, inputs), trainer.model)
    assert_equal(ours(tiny, monkeypatch, objective, rows), other)


def test_rloo(tiny, tokenizer, tmp_path, monkeypatch):
    rows = examples(tiny, 1, 2)
    arguments = trl.RLOOConfig(
        **quiet(
            tmp_path,
            per_device_train_batch_size=6,
            num_generations=3,
            max_completion_length=LONGEST,
            epsilon=0.2,
            beta=0.0,
        )
    )
    trainer = trl.RLOOTrainer(
        tiny().network, reward_funcs=_nothing, args=arguments, train_dataset=_prompts(), processing_class=tokenizer
    )
    trainer.model.train()
    prompt_ids, prompt_mask = padded([prompt for prompt, _, _ in ROWS], "left")
    completion_ids, completion_mask = padded([completion for _, completion, _ in ROWS], "right")
    inputs = {
        "prompt_ids": prompt_ids,
        "prompt_mask": prompt_mask,
        "completion_ids": completion_ids,
        "completion_mask": completion_mask,
        "advantages": torch.tensor([credit for _, _, credit in ROWS]),
        "old_logps": of_completions(rows, "logprobs").sum(1),
    }
    objective = GRPO(
        baseline="leave_one_out", scale="none", ratio="sequence", over="sequences", clip_low=0.2, clip_high=0.2
    )
    other = theirs(trainer._compute_loss(trainer.model, inputs), trainer.model)
    assert_equal(ours(tiny, monkeypatch, objective, rows), other)


PREFERENCES = {
    "dpo": (DPO(beta=0.3), {"loss_type": "sigmoid", "beta": 0.3}),
    "per token": (DPO(beta=2.0, normalise=True), {"loss_type": "sigmoid_norm", "beta": 2.0}),
    "ipo": (DPO(beta=0.5, kind="ipo"), {"loss_type": "ipo", "beta": 0.5}),
}


@pytest.mark.parametrize("name", PREFERENCES)
def test_preferences(name, tiny, tokenizer, tmp_path, monkeypatch):
    objective, settings = PREFERENCES[name]
    better, worse = (0, 3), (2, 5)
    rows = [
        replace(row, credit=credit, pair=str(pair))
        for credit, places in ((1.0, better), (-1.0, worse))
        for pair, row in enumerate(examples(tiny, 1, 2)[n] for n in places)
    ]
    trainer = trl.DPOTrainer(
        tiny().network,
        ref_model=near(tiny, 2).network,
        args=trl.DPOConfig(**quiet(tmp_path, per_device_train_batch_size=2, **settings)),
        train_dataset=_preferences(),
        processing_class=tokenizer,
    )
    trainer.model.train()
    order = [*better, *worse]
    tokens, attention = padded([(*ROWS[n][0], *ROWS[n][1]) for n in order], "right")
    learned, _ = padded([(0,) * len(ROWS[n][0]) + (1,) * len(ROWS[n][1]) for n in order], "right")
    inputs = {"input_ids": tokens, "attention_mask": attention, "completion_mask": learned}
    other = theirs(trainer._compute_loss(trainer.model, inputs, False), trainer.model)
    assert_equal(ours(tiny, monkeypatch, objective, rows), other)


def supervised_inputs():
    tokens, attention = padded([(*prompt, *completion) for prompt, completion, _ in ROWS], "right")
    learned, _ = padded([(0,) * len(prompt) + (1,) * len(completion) for prompt, completion, _ in ROWS], "right")
    return {"input_ids": tokens, "attention_mask": attention, "labels": tokens.masked_fill(learned == 0, -100)}


def test_supervised_fine_tuning(tiny, tokenizer, tmp_path, monkeypatch):
    rows = [replace(row, logprobs=None, credit=1.0) for row in examples(tiny, 1, 2)]
    trainer = trl.SFTTrainer(
        tiny().network,
        args=trl.SFTConfig(**quiet(tmp_path, per_device_train_batch_size=6)),
        train_dataset=_texts(),
        processing_class=tokenizer,
    )
    trainer.model.train()
    other = theirs(trainer.compute_loss(trainer.model, supervised_inputs()), trainer.model)
    assert_equal(ours(tiny, monkeypatch, SFT(), rows), other)


@pytest.mark.parametrize("targets", ["attention", "all-linear"])
def test_supervised_fine_tuning_of_an_adapter(targets, tiny, tokenizer, tmp_path, monkeypatch):
    """The same peft adapter, no longer fresh, in TRL's trainer and in ours."""
    from peft import PeftModel

    models.save(tiny(), tmp_path / "base", {})
    section = Section(path=str(tmp_path / "base"), lora=Lora(rank=4, alpha=8, targets=targets))
    model = models.start(section, section.path, (), 0, tmp_path / "none", print)
    torch.manual_seed(7)
    with torch.no_grad():
        for name, weight in model.network.named_parameters():
            if "lora_" in name:
                weight += 0.1 * torch.randn_like(weight)
    models.save(model, tmp_path / "adapter", {})
    network = PeftModel.from_pretrained(tiny().network, tmp_path / "adapter", is_trainable=True)
    trainer = trl.SFTTrainer(
        network,
        args=trl.SFTConfig(**quiet(tmp_path, per_device_train_batch_size=6)),
        train_dataset=_texts(),
        processing_class=tokenizer,
    )
    trainer.model.train()
    loss, gradients = theirs(trainer.compute_loss(trainer.model, supervised_inputs()), trainer.model)
    rows = [replace(row, logprobs=None, credit=1.0) for row in examples(tiny, 1, 2)]
    adapted = {name.removeprefix("base_model.model."): gradient for name, gradient in gradients.items()}
    assert all("lora_" in name for name in adapted)
    assert_equal(ours(lambda: model, monkeypatch, SFT(), rows), (loss, adapted))


def _nothing(completions, **_):
    return [0.0] * len(completions)


def _prompts():
    from datasets import Dataset

    return Dataset.from_dict({"prompt": ["def f(s):\n"] * 6})


def _preferences():
    from datasets import Dataset

    return Dataset.from_dict({"prompt": ["a"] * 2, "chosen": ["b"] * 2, "rejected": ["c"] * 2})


def _texts():
    from datasets import Dataset

    return Dataset.from_dict({"text": ["def f(s):\n    return s\n"] * 6})
