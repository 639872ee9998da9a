"""What a batch is: groups of rollouts with their rewards, and an account of what they took."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from rlvr.records import Json, Rollout, Task, Turn
from rlvr.rewards import Reward
from rlvr.scheduler import Ticket

Group = list[Rollout]
"""The rollouts of one task."""


@dataclass(frozen=True)
class Lost:
    """A group of samples that reached no batch."""

    fate: Literal["failed", "replaced", "stale"]
    """Nobody could judge it; its rewards were all equal; it was too old. A failed or stale one is sampled again."""
    ticket: Ticket
    task: Task
    turns: Sequence[Turn]


@dataclass
class Account:
    """What one batch took and gave, for metrics and traces."""

    seconds: dict[str, float] = field(default_factory=lambda: {"generate": 0.0, "judge": 0.0})
    spans: list[dict[str, Json]] = field(default_factory=list)
    """Rows of `name, version, start, end`, the last two in Unix seconds."""
    lost: list[Lost] = field(default_factory=list)
    judged: int = 0
    judge_errors: int = 0
    why: str = ""
    """Of the last judge error."""

    def spend(self, name: str, version: int, started: float) -> float:
        """Count what has been done since `started` (`time.perf_counter`) under these weights; returns the time now."""
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - started
        epoch = time.time() - now
        self.spans.append(
            {"name": name, "version": version, "start": round(epoch + started, 4), "end": round(epoch + now, 4)}
        )
        return now


class Source(Protocol):
    """What gives the batches of a run."""

    def batch(self, step: int) -> tuple[list[Group], Account]: ...


def valued(rollout: Rollout, reward: Reward) -> Rollout:
    """The rollout with its reward. Raises `ValueError` for a reward that is no finite number."""
    value = reward(rollout)
    if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
        raise ValueError(
            f"the reward of a rollout of task {rollout.task.id} is {value!r}, neither a finite number nor None"
        )
    return Rollout(rollout.task, rollout.turns, None if value is None else float(value))


def is_flat(group: Sequence[Rollout]) -> bool:
    """Whether all rewards of a group are equal."""
    return len({rollout.reward for rollout in group if rollout.reward is not None}) < 2
