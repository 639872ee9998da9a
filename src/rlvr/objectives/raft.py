"""RAFT, reward-ranked fine-tuning (arXiv:2304.06767): sample, keep what the judge accepts, imitate it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvr.objectives import Batch
from rlvr.objectives._credit import distinct_programs, ended, judged, row
from rlvr.objectives._losses import ce
from rlvr.records import Example, Rollout

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RAFT:
    """Cross-entropy on the distinct survivors of each group.

    A survivor has at least the threshold's reward and ended by itself; survivors are compared by syntax tree.
    """

    group_size: int = 8
    threshold: float = 1.0

    def __post_init__(self) -> None:
        if self.group_size < 1:
            raise ValueError(f"raft needs a group_size of at least 1, not {self.group_size}")

    @property
    def exact_sampling(self) -> bool:
        return False

    def examples(self, groups: Sequence[Sequence[Rollout]]) -> list[Example]:
        rows: list[Example] = []
        for group in groups:
            survivors = [r for r in judged(group) if (r.reward or 0.0) >= self.threshold and ended(r.completion)]
            rows.extend(row(rollout, credit=1.0) for rollout in distinct_programs(survivors))
        return rows

    def loss(self, batch: Batch) -> "tuple[Tensor, dict[str, Tensor]]":
        return ce(batch)
