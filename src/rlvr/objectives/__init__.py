"""Objectives turn judged groups into training rows (`examples`) and rows into a loss (`loss`).

A file here is one objective: a credit function from `_credit` times a loss from `_losses`.
The learner knows none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from rlvr.objectives._credit import best_and_worst, distinct_programs, ended, judged
from rlvr.records import Example, Rollout

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Batch", "Need", "Objective", "Totals", "best_and_worst", "distinct_programs", "ended", "judged"]

Need = Literal["start", "reference", "entropy", "demonstrations", "preferences"]
"""What an objective wants beside samples and their log-probs: the learner's own log-probs at the start of the batch,
those of the model that the run started from, an entropy with a gradient, each task's own solution (where it samples,
as one more rollout of the group, without a verdict), each task's own better and worse answer."""


@dataclass(frozen=True)
class Totals:
    """Weighted counts of one optimizer step, over all its micro-batches and processes."""

    tokens: float
    """Learned tokens of sampled rows."""
    rows: float
    """Sampled rows."""
    shown_tokens: float = 0.0
    """Learned tokens of demonstrations."""
    pairs: float = 0.0


@dataclass(frozen=True)
class Batch:
    """One micro-batch as a loss sees it: N learned tokens of B whole rows, padding and prompts already gone."""

    logprobs: "Tensor"
    """[N], differentiable, at the sampling temperature."""
    entropy: "Tensor"
    """[N], nats; with a gradient only where the objective needs it."""
    row: "Tensor"
    """[N], which of the B rows a token belongs to."""
    credit: "Tensor"
    """[B]"""
    weight: "Tensor"
    """[B], how many identical samples a row stands for."""
    sampled: "Tensor"
    """[B] bool, False for demonstrations."""
    sampler: "Tensor"
    """[N], log-probs of the policy that sampled; 0 for demonstrations."""
    totals: Totals
    start: "Tensor | None" = None
    """[N]"""
    reference: "Tensor | None" = None
    """[N]"""
    pairs: "Tensor | None" = None
    """[P, 2], rows of the better and the worse sample."""


class Objective(Protocol):
    """What every file of this shelf provides."""

    @property
    def group_size(self) -> int:
        """Samples for each task; 0: learns from what the tasks bring and samples nothing."""
        ...

    @property
    def exact_sampling(self) -> bool:
        """Whether samples must come from the very distribution of their log-probs (no top-p, no top-k)."""
        ...

    @property
    def needs(self) -> frozenset[Need]:
        """What it wants beside samples and their log-probs."""
        ...

    def examples(self, groups: Sequence[Sequence[Rollout]]) -> list[Example]:
        """Training rows of a batch of groups, each group being the rollouts of one task."""
        ...

    def loss(self, batch: Batch) -> "tuple[Tensor, dict[str, Tensor]]":
        """The micro-batch's share of the step's loss, and sums for metrics, divided by the step's denominators."""
        ...
