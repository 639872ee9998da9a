"""Batches of another run, as they were stored."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from rlvr.batches.batch import Account, Group, valued
from rlvr.records import Rollout, Task, Turn
from rlvr.rewards import Reward
from rlvr.storage import read_lines


class Stored:
    """The batches of another run as they were, under another reward if need be: nothing is sampled or judged.

    With the recipe of that run, the weights come out the same to the bit.
    """

    def __init__(self, run: Path, tasks: Mapping[str, Task], reward: Reward, steps: int) -> None:
        """tasks: by id, those of the recipe. steps: how many batches will be asked for.

        Raises `FileNotFoundError` where `run` has no rollouts, and `ValueError` where it has fewer batches.
        """
        self._path, self._tasks, self._reward = run / "traces" / "rollouts.jsonl", tasks, reward
        if not self._path.exists():
            raise FileNotFoundError(f"{run} holds no rollouts to learn from: there is no {self._path}")
        if (last := max((row["step"] for row in stored_rows(self._path)), default=0)) < steps:
            raise ValueError(
                f"{self._path} has rollouts of {last} steps, and the recipe asks for {steps}; set steps={last}"
            )
        self._steps = groupby(stored_rows(self._path), key=lambda row: row["step"])

    def skip(self, steps: int) -> None:
        """Go on behind so many batches, which a resumed run has learned."""
        for step in range(steps):
            self.batch(step)

    def batch(self, step: int) -> tuple[list[Group], Account]:
        """Raises `ValueError` where the run had other tasks."""
        number, rows = next(self._steps)
        if number != step + 1:
            raise ValueError(f"{self._path} has rollouts of step {number} where those of step {step + 1} should be")
        groups = [
            [self._rollout(row) for row in group]
            for _, group in groupby(rows, key=lambda row: (row["group"], row["task_id"]))
        ]
        return groups, Account()

    def _rollout(self, row: dict[str, Any]) -> Rollout:
        if row["task_id"] not in self._tasks:
            raise ValueError(f"{self._path}: task {row['task_id']!r} is none of the recipe's tasks")
        turns = tuple(Turn.from_json(turn) for turn in row["turns"])
        rollout = Rollout(self._tasks[row["task_id"]], turns)
        return rollout if rollout.verdict is None else valued(rollout, self._reward)


def stored_rows(path: str | Path) -> Iterator[dict[str, Any]]:
    """The rows of a run's `traces/rollouts.jsonl`. Raises `ValueError` that names the line of one that is none."""
    for number, row in read_lines(path):
        if isinstance(row, ValueError):
            raise row
        if not isinstance(row, dict) or not {"step", "task_id", "group", "turns"} <= row.keys():
            raise ValueError(f"{path}:{number + 1}: a stored rollout has step, task_id, group and turns")
        yield row
