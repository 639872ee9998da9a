"""The sampler in this process: exact log-probs, true draws, and completions that depend on their own seed alone."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import ARCHITECTURES
from scipy.stats import chisquare
from torch.utils._python_dispatch import TorchDispatchMode

from rlvr.config.train_recipe import Optimizer
from rlvr.engines import Request, Sampling
from rlvr.engines._decode import _draws
from rlvr.engines.local import Local
from rlvr.learner.step import Learner
from rlvr.records import Example

PROMPTS = ((40, 41, 42, 43, 44, 45, 46), (50, 51), (60, 61, 62, 63), (40, 41, 42))


def complete(model, requests, **options):
    """Completions by request id, through the engine as a run uses it."""
    with Local(**options).open(model) as engine:
        engine.submit(requests)
        finished = {}
        while len(finished) < len({request.id for request in requests}):
            finished.update(engine.completed())
    return finished


def request(name, prompt, seeds, max_tokens=8, stop=(), **sampling):
    return Request(name, prompt, tuple(seeds), max_tokens, stop, Sampling(**sampling))


def plain_logprobs(model, completion, temperature):
    """Log-probs of a completion's tokens by one forward pass over the full sequence, without cache or padding."""
    model.network.eval()
    with torch.no_grad():
        logits = model.network(torch.tensor([completion.prompt_tokens + completion.tokens])).logits[0].float()
    start = len(completion.prompt_tokens) - 1
    logprobs = (logits[start:-1] / temperature).log_softmax(-1)
    return logprobs.gather(-1, torch.tensor(completion.tokens)[:, None])[:, 0].tolist()


def assert_equal_up_to_an_edge(model, mine, theirs, seed):
    """Equal tokens, or a first difference where the draw lies on the edge between both tokens, up to rounding."""
    at = next((n for n, pair in enumerate(zip(mine.tokens, theirs.tokens, strict=False)) if len(set(pair)) > 1), None)
    if at is None:
        assert mine.tokens == theirs.tokens
        assert mine.text == theirs.text
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-5)
        return
    draw = _draws(seed, at + 1)[at]
    edges = next_token_probabilities(model, mine.prompt_tokens + mine.tokens[:at], 1.0).cumsum()
    for token in (mine.tokens[at], theirs.tokens[at]):
        assert edges[token - 1] - 1e-5 <= draw <= edges[token] + 1e-5


def next_token_probabilities(model, prefix, temperature):
    model.network.eval()
    with torch.no_grad():
        logits = model.network(torch.tensor([prefix])).logits[0, -1].double()
    return (logits / temperature).softmax(-1).numpy()


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("temperature", [0.6, 1.0, 0.0])
def test_logprobs_are_those_of_a_plain_forward_of_the_sequence(tiny, kind, temperature):
    model = tiny(kind)
    requests = [request(str(n), prompt, range(5), 4 + n, temperature=temperature) for n, prompt in enumerate(PROMPTS)]
    for completions in complete(model, requests).values():
        for completion in completions:
            expected = plain_logprobs(model, completion, temperature or 1.0)
            assert completion.logprobs == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize(
    ("device", "precision"), [("cpu", "bfloat16"), pytest.param("cuda", "auto", marks=pytest.mark.gpu)]
)
def test_what_samples_rounds_as_what_learns_does(tiny, kind, device, precision):
    """On a GPU both compute in half precision; here both are told to."""
    model = replace(tiny(kind), precision=precision)
    model.network.to(device)
    (completions,) = complete(model, [request("a", PROMPTS[0], range(16), 24)]).values()
    examples = [Example(c.prompt_tokens + c.tokens, mask_of(c), logprobs=padded(c)) for c in completions]
    gaps = {}
    for name in (precision, "float32"):
        learner = Learner(replace(model, precision=name), Optimizer(), 1, 1.0)
        measured = learner.measured(examples, "start", model.network)
        pairs = [(e.start, e.logprobs, e.mask) for e in measured]
        gaps[name] = np.mean([abs(a - b) for row in pairs for a, b, on in zip(*row, strict=True) if on])
    assert 0 < gaps[precision] < gaps["float32"] / 2


def mask_of(completion):
    return (False,) * len(completion.prompt_tokens) + (True,) * len(completion.tokens)


def padded(completion):
    return (0.0,) * len(completion.prompt_tokens) + completion.logprobs


@pytest.mark.parametrize("frozen", [False, True])
def test_half_precision_copies_no_weight_twice(tiny, frozen):
    """While one batch is decoded, be it learned or frozen. Copies for every token would take most of the time."""
    model, copied = replace(tiny(), precision="bfloat16"), Counter()
    model.network.model.layers.requires_grad_(not frozen)
    learn = [p.requires_grad for p in model.network.parameters()]

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func is torch.ops.aten._to_copy.default:
                copied[args[0].data_ptr()] += 1
            return func(*args, **(kwargs or {}))

    with Counting():
        complete(model, [request("a", PROMPTS[0], (0,), 20)])
    matrices = [layer.mlp.up_proj.weight.data_ptr() for layer in model.network.model.layers]
    assert [copied[matrix] for matrix in matrices] == [1, 1]
    assert [p.requires_grad for p in model.network.parameters()] == learn


def test_greedy_takes_the_most_likely_token_whatever_the_seed(tiny):
    model = tiny()
    first, second = complete(model, [request("a", PROMPTS[0], (1, 2), temperature=0.0)])["a"]
    assert first == second
    prefix = list(PROMPTS[0])
    for token in first.tokens:
        assert token == next_token_probabilities(model, prefix, 1.0).argmax()
        prefix.append(token)


def test_a_completion_depends_on_its_own_seed_and_nothing_else(tiny):
    """Alone, in a large batch, in small chunks, beside equal seeds: the same tokens."""
    model = tiny()
    seeds = (3, 1, 4, 1, 5, 9, 2, 6)
    requests = [request(str(n), prompt, seeds, 10) for n, prompt in enumerate(PROMPTS)]
    together = complete(model, requests)
    chunked = complete(model, requests, sequences=9)
    for n, prompt in enumerate(PROMPTS):
        for k, seed in enumerate(seeds):
            alone = complete(model, [request("a", prompt, (seed,), 10)])["a"][0]
            for other in (together, chunked):
                assert_equal_up_to_an_edge(model, alone, other[str(n)][k], seed)
    assert together["0"][1] == together["0"][3]
    assert len({c.tokens for c in together["0"]}) > 4


def assert_drawn_from(counts, probabilities):
    """Chi-square over tokens that are expected at least five times, the others pooled; nothing of probability 0."""
    total = sum(counts.values())
    assert all(probabilities[token] > 0 for token in counts)
    often = [token for token in range(len(probabilities)) if probabilities[token] * total >= 5]
    if (probabilities > 0).sum() == 1:
        return
    assert len(often) > 1
    observed = [counts[token] for token in often]
    expected = [probabilities[token] * total for token in often]
    rest = total - sum(expected)
    if rest > 1:
        observed.append(total - sum(observed))
        expected.append(rest)
    else:
        expected = list(np.array(expected) * sum(observed) / sum(expected))
    assert chisquare(observed, expected).pvalue > 1e-3


def truncated(probabilities, top_p, top_k):
    """By brute force: tokens from the most likely on, until `top_p` is held or there are `top_k`."""
    kept, held = np.zeros_like(probabilities), 0.0
    for rank, token in enumerate(sorted(range(len(probabilities)), key=lambda t: -probabilities[t])):
        if held >= top_p or (top_k and rank >= top_k):
            break
        kept[token] = probabilities[token]
        held += probabilities[token]
    return kept / kept.sum()


@pytest.mark.parametrize(
    ("top_p", "top_k", "temperature"),
    [(1.0, 0, 1.0), (0.8, 0, 1.3), (1.0, 7, 1.0), (0.5, 9, 1.0), (0.7, 0, 0.5)],
)
def test_tokens_are_drawn_from_the_stated_distribution(tiny, top_p, top_k, temperature):
    model = tiny()
    options = {"top_p": top_p, "top_k": top_k, "temperature": temperature}
    drawn = complete(model, [request("a", PROMPTS[0], range(4000), 2, **options)], sequences=4000)["a"]
    full = next_token_probabilities(model, PROMPTS[0], temperature)
    expected = truncated(full, top_p, top_k)
    counts = Counter(c.tokens[0] for c in drawn)
    assert_drawn_from(counts, expected)
    # Log-probs are stated over the full vocabulary, whatever was cut away.
    for completion in drawn[:50]:
        assert completion.logprobs[0] == pytest.approx(np.log(full[completion.tokens[0]]), abs=1e-5)
    # The second draw knows the first token, and not the first draw.
    most = counts.most_common(1)[0][0]
    after = truncated(next_token_probabilities(model, (*PROMPTS[0], most), temperature), top_p, top_k)
    assert_drawn_from(Counter(c.tokens[1] for c in drawn if c.tokens[0] == most and len(c.tokens) > 1), after)


def test_a_completion_ends_at_the_first_end_token_or_at_its_length(tiny):
    model = tiny()
    drawn = complete(model, [request("a", PROMPTS[1], range(300), 40)])["a"]
    ends = model.end_tokens
    assert {c.finish for c in drawn} == {"stop", "length"}
    for c in drawn:
        assert not any(token in ends for token in c.tokens[:-1])
        assert (c.tokens[-1] in ends) == (c.finish == "stop")
        assert len(c.tokens) == 40 or c.finish == "stop"
        assert c.text == model.decode(token for token in c.tokens if token not in ends)
        assert len(c.logprobs) == len(c.tokens)
        assert c.prompt_tokens == PROMPTS[1]


def test_every_end_token_of_the_generation_config_ends(tiny):
    model = tiny()
    tokens = complete(model, [request("a", PROMPTS[0], (7,), 8)])["a"][0].tokens
    model.network.generation_config.eos_token_id = [tokens[3], 1]
    ended = complete(model, [request("a", PROMPTS[0], (7,), 8)])["a"][0]
    assert ended.tokens == tokens[: tokens.index(tokens[3]) + 1]
    assert ended.finish == "stop"


def test_stop_texts_cut_the_text_and_keep_the_tokens(tiny):
    model = tiny()
    free = complete(model, [request("a", PROMPTS[0], range(20), 12)])["a"]
    for seed, whole in enumerate(free):
        if len(whole.text) < 6:
            continue
        stop = whole.text[4:6]
        cut = complete(model, [request("a", PROMPTS[0], (seed,), 12, stop=("never this", stop))])["a"][0]
        assert cut.finish == "stop"
        assert cut.text == whole.text[: whole.text.index(stop)]
        assert cut.tokens == whole.tokens[: len(cut.tokens)]
        assert stop in model.decode(cut.tokens)
        assert stop not in model.decode(cut.tokens[:-1])


def test_requests_of_several_lengths_and_samplings_are_each_answered_as_asked(tiny):
    model = tiny()
    requests = [
        request("short", PROMPTS[0], (1, 2), 1),
        request("greedy", PROMPTS[0], (1,), 5, temperature=0.0),
        request("long", PROMPTS[1], (1, 2, 3), 17),
        request("cool", PROMPTS[1], (1,), 3, temperature=0.2),
    ]
    finished = complete(model, requests)
    assert {name: len(completions) for name, completions in finished.items()} == {
        "short": 2,
        "greedy": 1,
        "long": 3,
        "cool": 1,
    }
    for asked in requests:
        alone = complete(model, [asked])[asked.id]
        assert [c.tokens for c in finished[asked.id]] == [c.tokens for c in alone]
        assert all(len(c.tokens) <= asked.max_tokens for c in alone)


def test_completions_carry_the_version_and_cancelled_requests_never_come(tiny):
    model = tiny()
    with Local(sequences=1).open(model) as engine:
        assert engine.completed() == []
        engine.submit([request(name, PROMPTS[0], (1,)) for name in ("a", "b", "c")])
        engine.cancel(["b", "unknown"])
        first = dict(engine.completed())
        engine.load(5, model.network)
        second = dict(engine.completed())
        assert engine.completed() == []
    assert (list(first), list(second)) == (["a"], ["c"])
    assert (first["a"][0].policy, second["c"][0].policy) == (0, 5)


def test_sampling_leaves_the_network_in_the_mode_it_was_in(tiny):
    model = tiny("gpt2")
    for training in (True, False):
        model.network.train(training)
        complete(model, [request("a", PROMPTS[0], (1,))])
        assert model.network.training is training


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_completion_ends_where_the_models_positions_end(tiny, kind):
    model = tiny(kind, **{"n_positions" if kind == "gpt2" else "max_position_embeddings": 12})
    drawn = complete(model, [request("a", PROMPTS[0], range(9), 50), request("b", PROMPTS[1], range(9), 4)])
    assert {len(c.tokens) for c in drawn["a"] if c.finish == "length"} == {5}
    assert {len(c.tokens) for c in drawn["b"] if c.finish == "length"} == {4}
    with pytest.raises(ValueError, match="request long has a prompt of 14 tokens, and the model has only 12 positions"):
        complete(model, [request("long", PROMPTS[0] * 2, (1,), 5)])


def test_an_empty_prompt_is_refused(tiny):
    with Local().open(tiny()) as engine, pytest.raises(ValueError, match="request a has an empty prompt"):
        engine.submit([request("a", (), (1,))])


def test_log_probs_are_exact_only_for_full_sampling():
    assert Sampling().exact
    assert Sampling(temperature=0.5).exact
    assert not any(s.exact for s in (Sampling(temperature=0.0), Sampling(top_p=0.9), Sampling(top_k=5)))
