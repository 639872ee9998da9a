"""Credit assignment: which rollouts are learned, and how much. Pure Python, one formula a function."""

import ast
import warnings
from collections.abc import Sequence
from dataclasses import replace

from rlvr.records import Completion, Example, Rollout


def group_mean(rewards: Sequence[float], *, normalise: bool) -> list[float]:
    """A_i = r_i - mean(r), divided by the group's standard deviation where `normalise` (GRPO, arXiv:2402.03300)."""
    mean = sum(rewards) / len(rewards)
    centred = [reward - mean for reward in rewards]
    if not normalise:
        return centred
    deviation = (sum(c * c for c in centred) / len(centred)) ** 0.5
    return [c / (deviation + 1e-6) for c in centred]


def judged(group: Sequence[Rollout]) -> list[Rollout]:
    """The rollouts that have a reward; what nobody could judge is left out, not scored 0."""
    return [rollout for rollout in group if rollout.reward is not None]


def row(rollout: Rollout, credit: float) -> Example:
    """The training row of a rollout's last completion: exactly the tokens that were sampled."""
    completion = rollout.completion
    prompt = len(completion.prompt_tokens)
    mask = completion.mask or (True,) * len(completion.tokens)
    logprobs = completion.logprobs
    return Example(
        tokens=completion.prompt_tokens + completion.tokens,
        mask=(False,) * prompt + mask,
        credit=credit,
        logprobs=None if logprobs is None else (0.0,) * prompt + logprobs,
        group=rollout.task.id,
        policy=completion.policy,
    )


def merged(rows: Sequence[Example]) -> list[Example]:
    """Identical rows as one row with their summed weight: the same gradient for less work."""
    found: dict[tuple[object, ...], tuple[Example, float]] = {}
    for example in rows:
        key = (example.tokens, example.mask, example.credit, example.policy)
        first, weight = found.get(key, (example, 0.0))
        found[key] = (first, weight + example.weight)
    return [replace(first, weight=weight) for first, weight in found.values()]


def distinct_programs(group: Sequence[Rollout]) -> list[Rollout]:
    """One rollout for each different program, the one with the fewest tokens: spelling is not diversity.

    Programs are compared by syntax tree, so blank lines, comments and spacing do not count. Compared by text, each
    harmless variant is reinforced as if it were another solution, and the variants take over.
    """
    shortest: dict[str, Rollout] = {}
    for rollout in group:
        key = _syntax(rollout)
        if key not in shortest or len(rollout.completion.tokens) < len(shortest[key].completion.tokens):
            shortest[key] = rollout
    return list(shortest.values())


def ended(completion: Completion) -> bool:
    return completion.finish == "stop"


def _syntax(rollout: Rollout) -> str:
    verdict = rollout.verdict
    answer = verdict.answer if verdict is not None and verdict.answer is not None else rollout.completion.text
    reference = rollout.task.reference
    prompt = reference.get("prompt", "") if isinstance(reference, dict) else ""
    with warnings.catch_warnings():
        # A model's odd escapes and comparisons are not for the screen of the person who trains it.
        warnings.simplefilter("ignore")
        for program in (prompt + answer, answer):
            try:
                return ast.dump(ast.parse(program))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
    return " ".join(answer.split())
