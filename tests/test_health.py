"""What a batch looks like, and when an alarm rings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.config.alarms import Alarm
from rlvr.health import Alarms, statistics
from rlvr.records import Completion, Rollout, Task, Turn, Verdict

TASK = Task("t", "p", {}, "unit_tests")


def rollout(reward, text="x", finish="stop", **parts):
    passed = reward == 1.0
    verdict = Verdict("passed" if passed else "wrong_answer", passed, parts=parts)
    return Rollout(TASK, (Turn(Completion(text, tokens=(1,) * len(text), finish=finish), verdict),), reward)


def test_a_batch_in_numbers():
    shown = Rollout(TASK, (Turn(Completion("a demonstration, which is no sample", tokens=(1,) * 90)),))
    row = statistics(
        [
            [rollout(1.0, "a\n\nb"), rollout(0.0, "ab", finish="length", reads_tests=1.0, strict=0.5), shown],
            [rollout(0.0, early_exit=1.0, reads_tests=1.0), rollout(0.0)],
        ]
    )
    assert row == {
        "reward": 0.25,
        "pass_rate": 0.25,
        "zero_contrast_share": 0.5,
        "unjudged_share": 0.0,
        "hack_share": 0.5,
        "truncated_share": 0.25,
        "blank_line_share": 0.25,
        "length": 2.0,
        "outcomes": {"passed": 1, "wrong_answer": 3},
        "telltales": {"early_exit": 1, "reads_tests": 2},
    }


def test_an_alarm_rings_once_when_its_steps_are_full_and_again_after_a_recovery():
    alarms = Alarms({"kl": Alarm(above=0.1, steps=2, meaning="Lower lr.")})
    rang = [bool(alarms.look({"kl": value})) for value in (0.2, 0.3, 0.4, 0.05, 0.2, 0.2)]
    assert rang == [False, True, False, False, False, True]
    alarms.look({"kl": 0.05})
    alarms.look({"kl": 0.2})
    assert alarms.look({"kl": 0.2}) == [("kl", "kl is 0.2, above 0.1 for 2 steps in a row. Lower lr.")]
    assert not alarms.stops(["kl"])


@given(st.lists(st.floats(0, 1) | st.none(), max_size=30), st.integers(0, 30))
def test_a_resumed_run_has_the_alarms_of_one_that_never_stopped(values, cut):
    settings = {"entropy": Alarm(below=0.5, steps=3)}
    whole, before = Alarms(settings), Alarms(settings)
    expected = [whole.look({"entropy": value}) for value in values]
    found = [before.look({"entropy": value}) for value in values[:cut]]
    after = Alarms(settings)
    after.restore(before.state())
    assert found + [after.look({"entropy": value}) for value in values[cut:]] == expected


@pytest.mark.parametrize("value", [float("nan"), None, "much"])
def test_what_is_no_number_rings_nothing(value):
    assert Alarms({"kl": Alarm(above=0.1)}).look({"kl": value}) == []
