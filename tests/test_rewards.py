"""Rewards are facts turned into numbers; what was not judged has none."""

import pytest

from rlvr import rewards
from rlvr.records import OUTCOMES, Completion, Rollout, Task, Turn, Verdict

TASK = Task(id="t", prompt="p", reference={}, verifier="unit_tests")


def rollout(verdict):
    return Rollout(TASK, (Turn(Completion("x"), verdict),))


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_sparse_and_dense_of_every_outcome(outcome):
    passed = None if outcome == "judge_error" else outcome == "passed"
    made = rollout(Verdict(outcome, passed, tests_passed=4 if passed else 3, tests_total=4))
    assert rewards.sparse(made) == (None if passed is None else float(passed))
    assert rewards.dense(made) == (None if passed is None else 1.0 if passed else 0.75)


def test_where_no_test_could_run_dense_is_sparse():
    assert rewards.dense(rollout(Verdict("no_answer", False))) == 0.0
    assert rewards.dense(rollout(Verdict("passed", True))) == 1.0


def test_demonstrations_have_no_reward():
    assert rewards.sparse(rollout(None)) is rewards.dense(rollout(None)) is None


def test_rewards_are_found_by_name_and_by_place():
    assert rewards.find("dense") is rewards.dense
    assert rewards.find("rlvr.rewards:sparse") is rewards.sparse
    with pytest.raises(LookupError, match=r"no reward named 'spars'. Did you mean 'sparse'\? There are: sparse, dense"):
        rewards.find("spars")
    for name in ("no_such_module:f", "rlvr.rewards:nothing"):
        with pytest.raises(LookupError, match="cannot be imported"):
            rewards.find(name)
