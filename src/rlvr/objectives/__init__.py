"""Objectives turn judged groups into training rows (`examples`) and rows into a loss (`loss`).

A file here is one objective: a credit function from `_credit` times a loss from `_losses`.
The learner knows none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rlvr.records import Example, Rollout

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """One micro-batch as a loss sees it: N learned tokens of B rows, padding and prompts already gone."""

    logprobs: "Tensor"
    """[N], differentiable, at the sampling temperature."""
    entropy: "Tensor"
    """[N], nats, without gradient."""
    row: "Tensor"
    """[N], which of the B rows a token belongs to."""
    credit: "Tensor"
    """[B]"""
    weight: "Tensor"
    """[B], how many identical samples a row stands for."""
    sampler: "Tensor | None"
    """[N], log-probs of the policy that sampled; None for demonstrations."""
    tokens: float
    """Weighted learned tokens of the whole optimizer step, over all micro-batches and processes."""


class Objective(Protocol):
    """What every file of this shelf provides."""

    @property
    def group_size(self) -> int:
        """Samples for each task; 0: learns from the tasks' own demonstrations and samples nothing."""
        ...

    @property
    def exact_sampling(self) -> bool:
        """Whether samples must come from the very distribution of their log-probs (no top-p, no top-k)."""
        ...

    def examples(self, groups: Sequence[Sequence[Rollout]]) -> list[Example]:
        """Training rows of a batch of groups, each group being the rollouts of one task."""
        ...

    def loss(self, batch: Batch) -> "tuple[Tensor, dict[str, Tensor]]":
        """The micro-batch's share of the step's loss, and sums for metrics, divided by the step's denominators."""
        ...
