"""Batched decoding with a key-value cache over any transformers causal LM.

Rows of the batch are distinct prefixes, not samples: all samples of a prompt start as one row, and a row splits only
where its samples draw different tokens. Splitting, merging and dropping finished samples are one index selection on
the cache. With short, concentrated answers (small models, late training) most of the work disappears.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import DynamicCache

from rlvr.engines import Request, Sampling
from rlvr.models import Model, autocast
from rlvr.records import Completion, Finish


@dataclass
class _Sample:
    """One completion under way."""

    request: Request
    draws: np.ndarray
    """float64 in [0, 1), one for each token."""
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: Finish | None = None
    text: str | None = None


@torch.no_grad()
def decode(model: Model, requests: Sequence[Request], version: int) -> list[list[Completion]]:
    """Complete the requests, which share one `Sampling`. Returns one list of completions for each request."""
    samples = [[_Sample(request, _draws(seed, request.max_tokens)) for seed in request.seeds] for request in requests]
    was_training = model.network.training
    # Autocast keeps the half copies only of weights that learn; inference_mode would keep none.
    frozen = [p for p in model.network.parameters() if p.is_floating_point() and not p.requires_grad]
    model.network.eval()
    try:
        for weight in frozen:
            weight.requires_grad_(True)
        # Around all tokens: while it is open each weight is copied once.
        with autocast(model.device.type, model.precision):
            _fill(model, requests, samples)
    finally:
        for weight in frozen:
            weight.requires_grad_(False)
        model.network.train(was_training)
    return [[_completion(model, sample, version) for sample in group] for group in samples]


def _fill(model: Model, requests: Sequence[Request], samples: list[list[_Sample]]) -> None:
    network, device = model.network, model.device
    tokens, attention = _left_padded([request.prompt for request in requests], device)
    positions = attention.cumsum(1).sub(1).clamp(min=0)
    cache = DynamicCache(config=network.config)
    active = [sample for group in samples for sample in group]
    rows = torch.tensor([row for row, group in enumerate(samples) for _ in group], device=device)
    ends = model.end_tokens
    step = 0
    while True:
        logits = network(
            input_ids=tokens,
            attention_mask=attention,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        draws = torch.tensor([sample.draws[step] for sample in active], device=device)
        drawn, logprobs = _draw(logits, rows, draws, requests[0].sampling)
        for sample, token, logprob in zip(active, drawn.tolist(), logprobs.tolist(), strict=True):
            sample.tokens.append(token)
            sample.logprobs.append(logprob)
            _finish(model, sample, token in ends)
        alive = [n for n, sample in enumerate(active) if sample.finish is None]
        if not alive:
            return
        active = [active[n] for n in alive]
        kept = torch.tensor(alive, device=device)
        prefixes, following = torch.unique(rows[kept] * logits.shape[1] + drawn[kept], return_inverse=True)
        parents = prefixes // logits.shape[1]
        if len(parents) != len(logits) or not torch.equal(parents, torch.arange(len(logits), device=device)):
            cache.batch_select_indices(parents)
            attention, positions = attention[parents], positions[parents]
        tokens = (prefixes % logits.shape[1])[:, None]
        attention = torch.cat([attention, attention.new_ones(len(parents), 1)], dim=1)
        positions = positions[:, -1:] + 1
        rows = following
        step += 1


def _draw(
    logits: torch.Tensor, rows: torch.Tensor, draws: torch.Tensor, sampling: Sampling
) -> tuple[torch.Tensor, torch.Tensor]:
    """A token and its log-prob for each sample. logits: [rows, vocabulary]; rows, draws: [samples]."""
    if sampling.temperature == 0:
        logprobs = logits.float().log_softmax(-1)
        tokens = logits.argmax(-1)[rows]
        return tokens, logprobs[rows, tokens]
    logprobs = (logits.float() / sampling.temperature).log_softmax(-1)
    cumulative = _truncated(logprobs.exp(), sampling).cumsum(-1, dtype=torch.float64)
    mine = cumulative[rows]
    tokens = torch.searchsorted(mine, draws[:, None] * mine[:, -1:], right=True)[:, 0].clamp(max=logits.shape[1] - 1)
    return tokens, logprobs[rows, tokens]


def _truncated(probabilities: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Zero outside the `top_k` most likely tokens and outside the smallest set that holds `top_p`."""
    if sampling.top_k == 0 and sampling.top_p == 1.0:
        return probabilities
    ordered, order = probabilities.sort(-1, descending=True)
    dropped = ordered.cumsum(-1) - ordered >= sampling.top_p
    if sampling.top_k:
        dropped[:, sampling.top_k :] = True
    return probabilities.masked_fill(dropped.gather(-1, order.argsort(-1)), 0.0)


def _finish(model: Model, sample: _Sample, ended: bool) -> None:
    if ended:
        sample.finish = "stop"
        return
    if sample.request.stop:
        # A stop text cannot be longer than its own number of bytes in tokens, so the tail is enough to notice it.
        reach = max(len(stop.encode()) for stop in sample.request.stop) + 1
        tail = model.decode(sample.tokens[-reach:])
        if any(stop in tail for stop in sample.request.stop):
            text = model.decode(sample.tokens)
            sample.text = text[: min(at for stop in sample.request.stop if (at := text.find(stop)) >= 0)]
            sample.finish = "stop"
            return
    if len(sample.tokens) >= sample.request.max_tokens:
        sample.finish = "length"


def _completion(model: Model, sample: _Sample, version: int) -> Completion:
    assert sample.finish is not None
    return Completion(
        text=sample.text if sample.text is not None else model.decode(sample.tokens),
        prompt_tokens=sample.request.prompt,
        tokens=tuple(sample.tokens),
        logprobs=tuple(sample.logprobs),
        finish=sample.finish,
        policy=version,
    )


def _draws(seed: int, count: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=seed)).random(count)


def _left_padded(prompts: Sequence[tuple[int, ...]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(prompt) for prompt in prompts)
    tokens = torch.zeros(len(prompts), width, dtype=torch.long)
    attention = torch.zeros_like(tokens)
    for row, prompt in enumerate(prompts):
        tokens[row, width - len(prompt) :] = torch.tensor(prompt)
        attention[row, width - len(prompt) :] = 1
    return tokens.to(device), attention.to(device)
