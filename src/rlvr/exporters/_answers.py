"""Which answers are exported: of a run those that its judge accepted, of tasks their own solutions."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rlvr.exporters._material import Material
from rlvr.objectives import distinct_programs, ended
from rlvr.records import Message, Rollout, Task

PROGRAMS = ("unit_tests", "stdio")
"""Verifiers whose verdicts tell the program that was run."""


@dataclass(frozen=True)
class Answer:
    """One answer to a task, as it was written."""

    task: Task
    text: str
    before: tuple[Message, ...] = ()
    """Earlier turns of the same rollout, with what was said to them."""
    program: str = ""
    """What was judged of it, where that was a program; else the text."""

    def solved(self) -> Task:
        """The task with this answer as its solution."""
        return replace(self.task, meta={**self.task.meta, "solution": self.program or self.text})


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What formats of prompt and answer have in common. Of a run, samples are taken that ended by themselves."""

    threshold: float = 1.0
    """Least reward of a sample. Of tasks their own solution is taken, whatever this is."""
    distinct: bool = True
    """One sample of a task for each syntax tree, the one with the fewest tokens."""
    most: int = 0
    """Samples of one task, those of the greatest reward, and of these the first; 0: all."""

    def __post_init__(self) -> None:
        if self.most < 0:
            raise ValueError(f"most should be a number of samples, or 0 for all, not {self.most}")

    def answers(self, material: Material, left_out: Counter[str]) -> Iterator[Answer]:
        """Task by task, in the order of the tasks; those of one task in the order in which they were sampled."""
        if material.groups is None:
            for task in material.tasks:
                if isinstance(solution := task.meta.get("solution"), str):
                    yield Answer(task, _as_asked(task, solution), program=solution)
                else:
                    left_out["tasks without a solution"] += 1
            return
        accepted: dict[str, list[Rollout]] = {}
        for rollout in (rollout for group in material.groups() for rollout in group):
            if why := self._unwanted(rollout):
                left_out[why] += 1
            else:
                accepted.setdefault(rollout.task.id, []).append(rollout)
        for task in material.tasks:
            for rollout in self._chosen(accepted.get(task.id, []), left_out):
                yield answer(rollout)

    def _unwanted(self, rollout: Rollout) -> str:
        if rollout.reward is None:
            return "samples without a reward"
        if rollout.reward < self.threshold:
            return f"samples of a reward below {self.threshold:g}"
        return "" if ended(rollout.completion) else "samples that did not end by themselves"

    def _chosen(self, samples: list[Rollout], left_out: Counter[str]) -> list[Rollout]:
        if self.distinct:
            left_out["samples of the same program as another"] += len(samples)
            samples = distinct_programs(samples)
            left_out["samples of the same program as another"] -= len(samples)
        if self.most:
            left_out["samples beyond the most of a task"] += max(0, len(samples) - self.most)
            samples = sorted(samples, key=lambda rollout: -(rollout.reward or 0.0))[: self.most]
        return samples


def _as_asked(task: Task, solution: str) -> str:
    """A chat asks for a program in a code block, and the sources give the program alone."""
    if isinstance(task.prompt, str) or task.verifier not in PROGRAMS or "```" in solution:
        return solution
    return f"```{task.reference.get('language', 'python')}\n{solution.strip()}\n```"


def answer(rollout: Rollout) -> Answer:
    """The last turn of a rollout, as an answer to what came before it."""
    before: list[Message] = []
    for turn in rollout.turns[:-1]:
        before.append(Message("assistant", turn.completion.text))
        if turn.feedback is not None:
            before.append(turn.feedback)
    verdict = rollout.verdict
    judged = verdict.answer if verdict is not None and rollout.task.verifier in PROGRAMS else None
    return Answer(rollout.task, rollout.completion.text, tuple(before), judged or "")
