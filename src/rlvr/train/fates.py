"""What became of every sample: learned from, or left out and why. Whoever reads a run wants to know where samples went.

used        a row of the step's training data, or part of one that stands for several
filtered    truncated, duplicate (of a used sample of its group), no contrast (in its group), not among the kept
failed      nobody could judge it
replaced    its group had no contrast, and a further task took its place
stale       its weights were too old; the group is sampled again
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rlvr.batches import Group, Lost, is_flat
from rlvr.objectives import Objective, distinct_programs
from rlvr.records import Example, Json, Rollout, Turn

WHY = {"failed": "not judged", "replaced": "no contrast", "stale": "weights too old"}


def fates(
    step: int, groups: Sequence[Group], lost: Sequence[Lost], examples: Sequence[Example], objective: Objective
) -> Iterator[dict[str, Json]]:
    """A row for each sample of a step. `group` and `index` are those of `rollouts.jsonl`.

    Samples that reached no batch stand there with `ticket` and `attempt` instead of `group`.
    """
    for loss in lost:
        for index, turn in enumerate(loss.turns):
            place = {"ticket": loss.ticket.number, "attempt": loss.ticket.attempt, "index": index}
            yield {
                "step": step,
                "task_id": loss.task.id,
                **place,
                "fate": loss.fate,
                "why": WHY[loss.fate],
                **_of(turn),
            }
    used = _used(groups, examples)
    # Policy gradients and preferences learn from differences inside a group; imitation does not.
    compares = objective.exact_sampling or "reference" in objective.needs
    for place, group in enumerate(groups):
        taken = [rollout for n, rollout in enumerate(group) if (place, n) in used]
        for index, rollout in enumerate(group):
            if rollout.verdict is None:
                continue
            if (place, index) in used:
                fate, why = "used", ""
            elif rollout.verdict.passed is None:
                fate, why = "failed", WHY["failed"]
            else:
                fate, why = "filtered", _why(rollout, taken, without_contrast=compares and is_flat(group))
            row = {"step": step, "task_id": rollout.task.id, "group": place, "index": index, "fate": fate, "why": why}
            yield {**row, "reward": rollout.reward, **_of(rollout.turns[-1])}


def _used(groups: Sequence[Group], examples: Sequence[Example]) -> set[tuple[int, int]]:
    """Places of the samples that are in training rows: a row of weight 3 is three equal samples."""
    left: Counter[tuple[Any, ...]] = Counter()
    for example in examples:
        left[example.group, example.tokens, example.logprobs is None] += round(example.weight)
    found: set[tuple[int, int]] = set()
    # A task may be in a batch twice: its group that has contrast gave the rows before one that has none.
    for place in sorted(range(len(groups)), key=lambda place: is_flat(groups[place])):
        for index, rollout in enumerate(groups[place]):
            sampled = rollout.completion
            key = (rollout.task.id, sampled.prompt_tokens + sampled.tokens, sampled.logprobs is None)
            if rollout.reward is not None and left[key] > 0:
                left[key] -= 1
                found.add((place, index))
    return found


def _why(rollout: Rollout, taken: Sequence[Rollout], *, without_contrast: bool) -> str:
    if without_contrast:
        return "no contrast"
    if rollout.completion.finish != "stop":
        return "truncated"
    if any(len(distinct_programs([rollout, other])) == 1 for other in taken):
        return "duplicate"
    return "not among the kept"


def _of(turn: Turn) -> dict[str, Json]:
    verdict = turn.verdict
    return {
        "outcome": None if verdict is None else verdict.outcome,
        "tokens": len(turn.completion.tokens),
        "version": turn.completion.policy,
    }
