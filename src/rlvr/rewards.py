"""Rewards: what a verdict is worth to a training run, as pure functions of a rollout; None leaves the rollout out."""

from collections.abc import Callable
from importlib import import_module

from rlvr.records import Rollout
from rlvr.registry import unknown

Reward = Callable[[Rollout], float | None]


def sparse(rollout: Rollout) -> float | None:
    """1 where every test passed, else 0."""
    verdict = rollout.verdict
    if verdict is None or verdict.passed is None:
        return None
    return float(verdict.passed)


def dense(rollout: Rollout) -> float | None:
    """The share of tests that passed, 0 where nothing could be run."""
    verdict = rollout.verdict
    if verdict is None or verdict.passed is None:
        return None
    return verdict.tests_passed / verdict.tests_total if verdict.tests_total else float(verdict.passed)


def find(name: str) -> Reward:
    """A reward of this file by name, or `package.module:function`. Raises `LookupError` that lists what exists."""
    own: dict[str, Reward] = {"sparse": sparse, "dense": dense}
    if name in own:
        return own[name]
    module, _, function = name.partition(":")
    if not function:
        raise LookupError(unknown("reward", name, own))
    try:
        return getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise LookupError(f"the reward {name!r} cannot be imported: {error}") from error
