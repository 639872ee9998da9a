"""Examples to micro-batches: sorted by length, cut by a budget of tokens, padded on the right."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlvr.records import Example


@dataclass(frozen=True)
class MicroBatch:
    """B rows of T tokens, with N learned tokens in all."""

    tokens: Tensor
    """[B, T]"""
    learned: Tensor
    """[B, T] bool"""
    credit: Tensor
    """[B]"""
    weight: Tensor
    """[B]"""
    row: Tensor
    """[N]"""
    sampler: Tensor | None
    """[N]"""


def minibatches(examples: Sequence[Example], size: int, epochs: int, seed: str) -> Iterator[list[Example]]:
    """The optimizer steps of one batch: `epochs` passes over it in a seeded order, `size` rows each (0: all)."""
    size = size or len(examples)
    for epoch in range(epochs):
        order = list(examples)
        if size < len(examples):
            random.Random(f"minibatches {seed} {epoch}").shuffle(order)
        for start in range(0, len(order), size):
            yield order[start : start + size]


def microbatches(examples: Sequence[Example], budget: int, device: torch.device) -> Iterator[MicroBatch]:
    """Rows of similar length together, at most `budget` tokens with padding (a longer row stands alone)."""
    ordered = sorted(examples, key=lambda example: len(example.tokens))
    start = 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or len(ordered[end].tokens) * (end + 1 - start) > budget:
            yield _padded(ordered[start:end], device)
            start = end


def _padded(examples: Sequence[Example], device: torch.device) -> MicroBatch:
    width = max(len(example.tokens) for example in examples)
    tokens = torch.zeros(len(examples), width, dtype=torch.long)
    learned = torch.zeros(len(examples), width, dtype=torch.bool)
    for n, example in enumerate(examples):
        tokens[n, : len(example.tokens)] = torch.tensor(example.tokens)
        learned[n, : len(example.mask)] = torch.tensor(example.mask)
    # The first token is predicted from nothing, so it cannot be learned.
    learned[:, 0] = False
    sampler = None
    if all(example.logprobs is not None for example in examples):
        sampler = torch.tensor(
            [
                logprob
                for example in examples
                for n, (logprob, on) in enumerate(zip(example.logprobs or (), example.mask, strict=True))
                if on and n > 0
            ]
        ).to(device)
    return MicroBatch(
        tokens=tokens.to(device),
        learned=learned.to(device),
        credit=torch.tensor([example.credit for example in examples]).to(device),
        weight=torch.tensor([example.weight for example in examples]).to(device),
        row=learned.nonzero()[:, 0].to(device),
        sampler=sampler,
    )
