"""Which rollouts each objective learns from, with what credit, and as which rows."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.objectives._credit import group_mean, merged, row
from rlvr.objectives.grpo import GRPO
from rlvr.objectives.raft import RAFT
from rlvr.objectives.sft import SFT
from rlvr.records import Completion, Rollout, Task, Turn, Verdict

PROMPT = "def solve(s):\n"
TASK = Task(id="t", prompt=PROMPT, reference={"style": "asserts", "tests": [], "prompt": PROMPT}, verifier="unit_tests")


def rollout(reward, text="    return s\n", tokens=(5, 6, 1), finish="stop", answer=None, task=TASK):
    """As rollouts come from a run: `reward` None is what nobody could judge."""
    verdict = Verdict(
        outcome="judge_error" if reward is None else "passed" if reward >= 1 else "wrong_answer",
        passed=None if reward is None else reward >= 1,
        answer=answer,
    )
    completion = Completion(
        text, prompt_tokens=(7, 8), tokens=tokens, logprobs=(-0.5,) * len(tokens), finish=finish, policy=3
    )
    return Rollout(task, (Turn(completion, verdict),), reward)


def test_a_row_is_exactly_what_was_sampled():
    made = row(rollout(1.0, tokens=(5, 6, 1)), 0.25)
    assert made.tokens == (7, 8, 5, 6, 1)
    assert made.mask == (False, False, True, True, True)
    assert made.logprobs == (0.0, 0.0, -0.5, -0.5, -0.5)
    assert (made.credit, made.weight, made.group, made.policy) == (0.25, 1.0, "t", 3)


def test_forced_tokens_are_context_and_not_learned():
    sampled = rollout(1.0)
    forced = replace(sampled.completion, mask=(True, False, True))
    made = row(replace(sampled, turns=(Turn(forced, sampled.verdict),)), 1.0)
    assert made.mask == (False, False, True, False, True)


rewards = st.lists(st.floats(-10, 10).map(lambda x: round(x, 3)), min_size=1, max_size=12)


@given(rewards, st.booleans())
def test_credit_sums_to_zero_and_keeps_the_order_of_rewards(values, normalise):
    credit = group_mean(values, normalise=normalise)
    assert math.fsum(credit) == pytest.approx(0, abs=1e-6 * len(values) * 10)
    assert sorted(range(len(values)), key=lambda n: (values[n], n)) == sorted(
        range(len(values)), key=lambda n: (round(credit[n], 9), values[n], n)
    )
    if normalise and len(set(values)) > 1:
        assert math.fsum(c * c for c in credit) / len(credit) == pytest.approx(1, abs=0.01)


@given(st.lists(st.lists(st.sampled_from([None, 0.0, 0.5, 1.0]), max_size=8), max_size=6), st.booleans())
def test_grpo_learns_from_contrast_and_only_from_judged_samples(groups, normalise):
    rollouts = [
        [rollout(value, tokens=(10 + number, index + 2, 1)) for index, value in enumerate(group)]
        for number, group in enumerate(groups)
    ]
    found = {example.tokens[2:]: example for example in GRPO(normalise=normalise).examples(rollouts)}
    for number, group in enumerate(groups):
        scored = [value for value in group if value is not None]
        mine = [found.pop((10 + number, n + 2, 1), None) for n in range(len(group))]
        if len(set(scored)) < 2:
            assert mine == [None] * len(group)
            continue
        assert [example is None for example in mine] == [value is None for value in group]
        credit = [example.credit for example in mine if example is not None]
        assert credit == pytest.approx(group_mean(scored, normalise=normalise))
        assert sum(credit) == pytest.approx(0, abs=1e-6)
    assert not found


def test_identical_samples_of_a_group_become_one_row_of_their_weight():
    group = [rollout(1.0, tokens=(5, 1)), rollout(0.0, tokens=(6, 1)), rollout(1.0, tokens=(5, 1))]
    rows = GRPO(normalise=False).examples([group])
    assert [(r.tokens[2:], r.weight) for r in rows] == [((5, 1), 2.0), ((6, 1), 1.0)]
    assert sum(r.credit * r.weight for r in rows) == pytest.approx(0)


def test_rows_that_differ_in_anything_that_matters_stay_apart():
    first = row(rollout(1.0), 1.0)
    assert len(merged([first, first])) == 1
    changed = {"credit": 2.0, "policy": 9, "mask": (False,) * 5, "tokens": (1, 2, 3, 4, 5)}
    for name, value in changed.items():
        assert len(merged([first, replace(first, **{name: value})])) == 2, name


def test_grpo_needs_two_samples_to_compare():
    with pytest.raises(ValueError, match="group_size must be at least 2, not 1"):
        GRPO(group_size=1)


def kept(*rollouts, **options):
    return [example.tokens[2:] for example in RAFT(**options).examples([list(rollouts)])]


def test_raft_keeps_what_passed_and_ended_by_itself():
    assert kept(
        rollout(1.0, "    return 1\n", (11, 1)),
        rollout(0.0, "    return 2\n", (12, 1)),
        rollout(None, "    return 3\n", (13, 1)),
        rollout(1.0, "    return 4\n", (14, 15), finish="length"),
        rollout(0.5, "    return 5\n", (16, 1)),
    ) == [(11, 1)]
    assert kept(rollout(0.5, tokens=(16, 1)), rollout(0.4, tokens=(17, 1)), threshold=0.5) == [(16, 1)]
    assert kept() == []


def test_blank_lines_comments_and_spaces_are_no_other_solution_and_the_shortest_spelling_stays():
    spellings = [
        ("    n = len(s)\n\n    return n\n", (1, 2, 3, 4, 5)),
        ("    n = len(s)\n    return n\n", (1, 2, 3)),
        ("\n\n    n = len(s)  # count\n    return  (n)\n", (1, 2, 3, 4, 5, 6)),
        ("    n = len(s)\n    return n", (1, 2, 4)),
    ]
    assert kept(*(rollout(1.0, text, tokens) for text, tokens in spellings)) == [(1, 2, 3)]
    assert kept(*(rollout(1.0, text, tokens) for text, tokens in reversed(spellings))) == [(1, 2, 4)]


def test_different_programs_are_all_kept():
    assert kept(
        rollout(1.0, "    return len(s)\n", (1, 2)),
        rollout(1.0, "    return len(list(s))\n", (3, 4)),
        rollout(1.0, "    return len(s) + 0\n", (5, 6)),
    ) == [(1, 2), (3, 4), (5, 6)]


def test_what_was_extracted_is_compared_where_the_judge_extracted_something():
    first = rollout(1.0, "Sure: def solve(s): ...", (1, 2, 3), answer="def solve(s):\n    return 1\n")
    second = rollout(1.0, "Here you are!", (4, 5), answer="def solve(s):\n\n    return 1")
    assert kept(first, second) == [(4, 5)]


def test_answers_that_are_no_python_are_compared_without_their_spacing():
    task = Task(id="m", prompt="2+2?", reference={"answer": "4"}, verifier="math")
    texts = [("x = 4 !", (1, 2)), ("x   =\n4 !", (3,)), ("x = 5 !", (4,))]
    assert kept(*(rollout(1.0, text, tokens, task=task) for text, tokens in texts)) == [(3,), (4,)]


@pytest.mark.parametrize("text", ["(" * 5000, "x = " + "-" * 20000 + "1", "\0", "1 +" * 9000 + "1", "'\\d'"])
def test_hostile_programs_do_not_stop_a_run(text, recwarn):
    assert kept(rollout(1.0, text, (1, 2))) == [(1, 2)]
    assert not recwarn, "warnings about a model's program are not the run's"


def test_sft_imitates_every_demonstration():
    demonstrations = [
        [Rollout(TASK, (Turn(Completion("x", prompt_tokens=(7,), tokens=(n, 1))),))] for n in (21, 22, 21)
    ]
    rows = SFT().examples(demonstrations)
    assert [(r.tokens, r.mask, r.credit, r.logprobs) for r in rows] == [
        ((7, n, 1), (False, True, True), 1.0, None) for n in (21, 22, 21)
    ]
    assert SFT().group_size == 0
