"""The log-probs that are trained on are the network's own, chunked or not, however it shapes its logits."""

import pytest
import torch
from conftest import ARCHITECTURES
from torch.utils._python_dispatch import TorchDispatchMode

from rlvr import models
from rlvr.config.train_recipe import Optimizer
from rlvr.learner import logprobs as room
from rlvr.learner.logprobs import check, selected_logprobs
from rlvr.learner.step import Learner


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    lengths = (9, 4, 12, 2)
    tokens = torch.zeros(4, 12, dtype=torch.long)
    learned = torch.zeros(4, 12, dtype=torch.bool)
    for row, length in enumerate(lengths):
        tokens[row, :length] = torch.randint(10, 300, (length,), generator=generator)
        learned[row, 1:length] = torch.rand(length - 1, generator=generator) < 0.7
    learned[2, 11] = True
    return tokens, learned


def plain(network, tokens, learned, temperature):
    """The same from the full tensor of logits."""
    logits = network(tokens, use_cache=False).logits.float() / temperature
    logprobs = logits.log_softmax(-1)
    selected = logprobs[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0][learned[:, 1:]]
    entropy = -(logprobs.exp() * logprobs).sum(-1)[:, :-1][learned[:, 1:]]
    return selected, entropy


def gradients(network, value):
    network.zero_grad()
    value.backward()
    return {name: p.grad.clone() for name, p in network.named_parameters()}


@pytest.mark.parametrize("chunk", [None, 300 * 5])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_selected_logprobs_and_their_gradient_are_the_networks_own(tiny, kind, chunk, monkeypatch):
    if chunk:
        monkeypatch.setitem(room.CHUNK, "cpu", chunk)
    network = tiny(kind).network.eval()
    tokens, learned = batch()
    weights = torch.linspace(-1, 1, int(learned.sum()))
    found, entropy = selected_logprobs(network, tokens, learned, 0.7)
    expected, expected_entropy = plain(network, tokens, learned, 0.7)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(entropy, expected_entropy, atol=1e-4)
    assert not entropy.requires_grad
    mine = gradients(network, (found * weights).sum())
    theirs = gradients(network, (expected * weights).sum())
    for name, gradient in theirs.items():
        assert torch.allclose(mine[name], gradient, atol=1e-5 * max(1.0, gradient.abs().max().item())), name


@pytest.mark.parametrize("length", [60, 240])
def test_no_more_logits_than_a_chunk_exist_at_once_however_long_the_rows_are(tiny, monkeypatch, length):
    chunk, sizes = 300 * 8, []
    monkeypatch.setitem(room.CHUNK, "cpu", chunk)
    network = tiny().network.eval()

    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            found = func(*args, **(kwargs or {}))
            if isinstance(found, torch.Tensor) and found.shape[-1:] == (300,):
                sizes.append(found.numel())
            return found

    tokens = torch.arange(length)[None] % 290 + 2
    learned = torch.ones_like(tokens, dtype=torch.bool)
    learned[:, 0] = False
    with Sizes():
        selected_logprobs(network, tokens, learned, 1.0)[0].sum().backward()
    # The embedding's transpose, 16 x 300, is the only other thing as wide as the vocabulary.
    assert chunk in sizes
    assert max(sizes) <= 2 * chunk


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_architectures_that_are_known_pass_the_check(tiny, kind, dtype):
    network = tiny(kind, initializer_range=0.02).network.to(dtype).train()
    check(network)
    assert network.training


def test_an_architecture_that_shapes_its_logits_in_an_unknown_way_is_refused(tokenizer):
    """Falcon-H1 multiplies them by a number of its own."""
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    mamba = {"mamba_d_ssm": 32, "mamba_n_heads": 2, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 1}
    kind = {"model_type": "falcon_h1", "num_key_value_heads": 1, "lm_head_multiplier": 2.0}
    model = models.build({**kind, **sizes, **mamba}, tokenizer, 0)
    with pytest.raises(ValueError, match="FalconH1ForCausalLM does something to its logits"):
        Learner(model, Optimizer(), 1, 1.0)
