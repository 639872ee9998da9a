"""Packed, recomputed, compiled or in half precision, a pass gives what the plain one gives."""

import json
import math
import shutil
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ARCHITECTURES

from rlvr import models
from rlvr.config import load_recipe
from rlvr.config.train_recipe import Compute, Optimizer
from rlvr.learner.batching import cut, microbatch
from rlvr.learner.forward import Forward, keeps_apart
from rlvr.learner.step import Learner
from rlvr.objectives.grpo import GRPO
from rlvr.objectives.sft import SFT
from rlvr.records import Example
from rlvr.train import train

LENGTHS = (3, 9, 5, 4, 12, 7, 1, 10)
ROWS = [
    Example(
        tokens=tuple((17 * n + 31 * place) % 290 + 2 for place in range(length + 2)),
        mask=(False, False, *(True,) * length),
        credit=(-1.0) ** n * (1 + n / 7),
        weight=1.0 + n % 3,
        logprobs=(0.0, 0.0, *(-4.0 - place / 9 for place in range(length))),
    )
    for n, length in enumerate(LENGTHS)
]


def stepped(tiny, kind, objective, compute, budget=10_000, **changes):
    """The move of every weight in one step of plain gradient descent, which is the gradient; and the metrics."""
    one = Learner(
        replace(tiny(kind, **changes), precision=compute.precision),
        Optimizer(lr=1.0, schedule="constant", clip_norm=math.inf, tokens_per_microbatch=budget),
        1,
        0.8,
        compute=compute,
        dropout=False,
        needs=objective.needs,
    )
    before = {key: p.detach().clone() for key, p in one.model.network.named_parameters()}
    parameters = list(one.model.network.parameters())
    one.optimizers = [torch.optim.SGD(parameters, lr=1.0)]
    metrics = one.update(ROWS, objective.loss, 0, 0)
    return {key: p.detach() - before[key] for key, p in one.model.network.named_parameters()}, metrics


def assert_same(mine, theirs, tolerance):
    for key, expected in theirs[0].items():
        size = max(1.0, expected.abs().max().item())
        assert (mine[0][key] - expected).abs().max() <= tolerance * size, key
    assert mine[1] == pytest.approx(theirs[1], rel=10 * tolerance, abs=10 * tolerance)


@pytest.mark.parametrize("objective", [SFT(), GRPO(old="start", entropy=0.1)], ids=["sft", "grpo"])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_packed_sequences_learn_what_padded_ones_do(tiny, kind, objective):
    padded = stepped(tiny, kind, objective, Compute(pack=False))
    for budget in (10_000, 30):
        packed = stepped(tiny, kind, objective, Compute(pack=True), budget)
        assert_same(packed, padded, 1e-5)


def test_logprobs_of_packed_sequences_are_those_of_padded_ones(tiny):
    network = tiny().network.eval()
    pass_ = Forward(network, Compute(pack=True))
    found = []
    for packed in (True, False):
        micro = microbatch(ROWS, torch.device("cpu"), packed=packed)
        assert micro.tokens.shape == ((1, sum(map(len, (row.tokens for row in ROWS)))) if packed else (8, 14))
        found.append((pass_(micro.tokens, micro.learned, 1.0, micro.positions)[0], micro.row))
    assert torch.equal(found[0][1], found[1][1])
    assert (found[0][0] - found[1][0]).abs().max() < 1e-5


def test_packing_fills_a_budget_of_tokens_where_padding_counts_against_it():
    packed = [sum(len(ROWS[n].tokens) for n in places) for places, _ in cut(ROWS, 40, packed=True)]
    padded = [max(len(ROWS[n].tokens) for n in places) * len(places) for places, _ in cut(ROWS, 40)]
    assert max(*packed, *padded) <= 40
    assert len(packed) < len(padded)


STATEFUL = {
    # Its state runs on through the row, whatever the positions say.
    "mamba": {"state_size": 4, "expand": 2, "conv_kernel": 4, "hidden_size": 16, "num_hidden_layers": 2},
    # Its attention counts distances inside the row.
    "bloom": {"hidden_size": 16, "n_layer": 2, "n_head": 2, "initializer_range": 0.4},
}


@pytest.mark.parametrize("kind", STATEFUL)
def test_a_network_that_cannot_tell_packed_sequences_apart_is_refused(tokenizer, kind):
    model = models.build({"model_type": kind, **STATEFUL[kind]}, tokenizer, 0)
    assert not keeps_apart(model.network)
    with pytest.raises(ValueError, match=r"does not keep the sequences of one packed row apart.*set compute.pack to f"):
        Learner(model, Optimizer(), 1, 1.0, compute=Compute(pack=True))
    Learner(model, Optimizer(), 1, 1.0)


def test_a_recipe_decides_how_its_steps_are_computed(display, tmp_path):
    recipe = {
        "command": "train",
        "steps": 1,
        "model": {"architecture": {"model_type": "mamba", **STATEFUL["mamba"]}, "tokenizer": {"vocab_size": 300}},
        "tasks": {"name": "programs:demonstrations", "depths": [1], "limit": 10},
        "objective": {"name": "sft"},
        "compute": {"pack": True},
    }
    (tmp_path / "r.yaml").write_text(json.dumps(recipe))
    with pytest.raises(ValueError, match="MambaForCausalLM does not keep the sequences"):
        train(load_recipe(tmp_path / "r.yaml"), tmp_path / "run", display)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_recomputing_changes_no_bit_and_keeps_less(tiny, kind, monkeypatch):
    kept = {}
    for recompute in (False, True):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, sizes=sizes: sizes.append(x.numel()) or x, lambda x: x):
            kept[recompute] = stepped(tiny, kind, GRPO(old="start"), Compute(recompute=recompute)), sum(sizes)
    plain, again = kept[False], kept[True]
    assert again[0][1] == plain[0][1]
    assert all(torch.equal(again[0][0][key], value) for key, value in plain[0][0].items())
    assert again[1] < 0.6 * plain[1]


def test_recomputing_draws_the_same_dropout(tiny):
    """Where it did not, the gradient would be of another network than the loss."""
    found = []
    for recompute in (False, True):
        model = tiny("gpt2", resid_pdrop=0.5, embd_pdrop=0.5, attn_pdrop=0.5)
        one = Learner(model, Optimizer(), 1, 1.0, compute=Compute(recompute=recompute))
        one.update(ROWS, SFT().loss, 0, 0)
        found.append(model.fingerprint())
    assert found[0] == found[1]


def test_what_a_pass_changes_in_a_network_ends_with_it(tiny):
    network = tiny().network
    before = [dict(vars(layer)) for layer in network.model.layers]
    pass_ = Forward(network, Compute(recompute=True))
    micro = microbatch(ROWS, torch.device("cpu"))
    pass_(micro.tokens, micro.learned, 1.0, micro.positions)[0].sum().backward()
    assert [vars(layer).keys() for layer in network.model.layers] == [entry.keys() for entry in before]


def test_half_precision_learns_nearly_the_same_in_whole_weights(tiny):
    whole = stepped(tiny, "llama", SFT(), Compute())
    half = stepped(tiny, "llama", SFT(), Compute(precision="bfloat16"))
    assert all(value.dtype == torch.float32 for value in half[0].values())
    assert half[1]["loss"] != whole[1]["loss"]
    assert half[1]["loss"] == pytest.approx(whole[1]["loss"], rel=0.02)
    mine, theirs = (torch.cat([value.flatten() for value in run[0].values()]) for run in (half, whole))
    assert torch.cosine_similarity(mine, theirs, dim=0) > 0.99


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")
def test_compiled_layers_learn_the_same(tiny):
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if shutil.which("g++") is None or not header.exists():
        pytest.skip("torch.compile needs a C++ compiler and Python's headers")
    plain = stepped(tiny, "llama", GRPO(old="start"), Compute())
    compiled = stepped(tiny, "llama", GRPO(old="start"), Compute(compile=True))
    assert_same(compiled, plain, 1e-5)
    both = stepped(tiny, "llama", GRPO(old="start"), Compute(compile=True, recompute=True), 30)
    assert_same(both, plain, 1e-5)
