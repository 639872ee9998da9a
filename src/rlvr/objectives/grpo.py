"""GRPO, group relative policy optimisation (arXiv:2402.03300): learn from the contrast inside each group of samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvr.objectives import Batch
from rlvr.objectives._credit import group_mean, judged, merged, row
from rlvr.objectives._losses import pg
from rlvr.records import Example, Rollout

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GRPO:
    """Clipped policy gradient with the group's mean reward as baseline.

    Groups without contrast teach nothing and are left out of the denominator too, so that a step stays as large late
    in training, when most groups pass, as early.
    """

    group_size: int = 8
    normalise: bool = True
    """Divide by the group's standard deviation."""
    clip_low: float = 0.2
    clip_high: float = 0.28

    def __post_init__(self) -> None:
        if self.group_size < 2:
            raise ValueError(
                f"grpo compares samples of one task, so group_size must be at least 2, not {self.group_size}"
            )

    @property
    def exact_sampling(self) -> bool:
        return True

    def examples(self, groups: Sequence[Sequence[Rollout]]) -> list[Example]:
        rows: list[Example] = []
        for group in groups:
            scored = judged(group)
            rewards = [rollout.reward or 0.0 for rollout in scored]
            if len(set(rewards)) < 2:
                continue
            advantages = group_mean(rewards, normalise=self.normalise)
            rows.extend(merged([row(r, credit) for r, credit in zip(scored, advantages, strict=True)]))
        return rows

    def loss(self, batch: Batch) -> "tuple[Tensor, dict[str, Tensor]]":
        return pg(batch, clip_low=self.clip_low, clip_high=self.clip_high)
