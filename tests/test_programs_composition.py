"""Chains fit together, held-out pairs stay where they belong, and hidden tests notice every slip or do not exist."""

import ast
from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rlvr.programs.catalogue import CATALOGUE
from rlvr.programs.composition import HELD_OUT, Step, body, draw, pairs, prompt
from rlvr.programs.hidden_tests import hidden_tests
from rlvr.programs.mutation import misconceived, misremember, slips

NAMES = {primitive.name: primitive for primitive in CATALOGUE}
FITTING = [(a, b) for a in CATALOGUE for b in CATALOGUE if a.gives == b.takes and a is not b]

seeds = st.integers(0, 10**9)
splits = st.sampled_from(["train", *HELD_OUT])


def steps(rng, *primitives):
    return tuple(Step(p, rng.choice(p.parameters) if p.parameters else None, 0) for p in primitives)


def noticeable(first, then, tries):
    rngs = (Random(f"{first.name} {then.name} {number}") for number in range(tries))
    return any(hidden_tests(steps(rng, first, then), rng) for rng in rngs)


def failures(program, tests):
    """How many of the asserts do not hold, by running the text itself."""
    names = {}
    exec(program, names)
    failed = 0
    for test in tests:
        try:
            exec(test, names)
        except Exception:
            failed += 1
    return failed


def test_each_split_has_many_pairs_and_training_has_every_primitive_on_both_sides():
    counts = Counter(pairs().values())
    assert set(counts) == {"train", *HELD_OUT}
    assert all(0.05 < counts[split] / len(pairs()) < 0.09 for split in HELD_OUT)
    train = [pair for pair, split in pairs().items() if split == "train"]
    assert {first for first, _ in train} == {then for _, then in train} == set(NAMES)


def test_pairs_are_left_out_exactly_where_no_test_could_notice_a_step():
    assert set(pairs()) <= {(first.name, then.name) for first, then in FITTING}
    left_out = [(first, then) for first, then in FITTING if (first.name, then.name) not in pairs()]
    assert [(a.name, b.name) for a, b in left_out if noticeable(a, b, tries=5)] == []
    assert [pair for pair in pairs() if not noticeable(NAMES[pair[0]], NAMES[pair[1]], tries=40)] == []


@settings(max_examples=150, deadline=None)
@given(seeds, st.integers(2, 5), splits)
def test_a_chain_fits_and_holds_pairs_of_its_own_split_only(seed, depth, split):
    chain = draw(Random(seed), depth, split)
    assert len(chain) == depth
    owners = {pairs()[first.primitive.name, then.primitive.name] for first, then in pairwise(chain)}
    assert owners == {"train"} if split == "train" else split in owners <= {"train", split}


@settings(max_examples=120, deadline=None)
@given(seeds, st.integers(1, 3))
def test_hidden_tests_pass_the_right_program_and_fail_every_slip(seed, depth):
    chain = draw(Random(seed), depth, "train")
    tests = hidden_tests(chain, Random(seed))
    assume(tests)
    assert tests is not None
    assert len(tests) == 6
    assert failures(prompt(chain) + body(chain), tests) == 0
    right = [step.code for step in chain]
    for index, wrong in slips(chain):
        codes = [*right[:index], wrong, *right[index + 1 :]]
        assert failures(prompt(chain) + body(chain, codes), tests) > 0, (right, index, wrong)


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 3))
def test_hidden_tests_are_literal_asserts_with_varied_outputs(seed, depth):
    chain = draw(Random(seed), depth, "train")
    outputs = []
    for text in hidden_tests(chain, Random(seed)) or ():
        (statement,) = ast.parse(text).body
        assert isinstance(statement, ast.Assert)
        comparison = statement.test
        assert isinstance(comparison, ast.Compare)
        call = comparison.left
        assert isinstance(call, ast.Call)
        ast.literal_eval(call.args[0])
        outputs.append(repr(ast.literal_eval(comparison.comparators[0])))
    assert not outputs or max(Counter(outputs).values()) <= 3 <= len(set(outputs))


def test_slips_are_every_bug_a_parameter_off_by_one_and_a_step_left_out():
    chain = steps(Random(0), NAMES["count_words"], NAMES["multiply"])
    k = chain[1].k
    assert k is not None
    assert set(slips(chain)) == {
        (0, 's.count(" ")'),
        (0, "len(s)"),
        (1, f"n + {k}"),
        (1, "n ** 2"),
        (1, f"n * {k - 1}"),
        (1, f"n * {k + 1}"),
        (1, "n"),
    }


def test_one_statement_per_step():
    chain = tuple(Step(NAMES[name], k, 0) for name, k in [("count_words", None), ("add", 7), ("multiply", 9)])
    assert prompt(chain) == "# count the words, add 7, then multiply it by 9.\ndef solve(s):\n"
    assert body(chain) == "    n = len(s.split())\n    n = n + 7\n    return n * 9"


@pytest.mark.parametrize(("misconception_rate", "noise_rate"), [(0.62, 0.15), (0.0, 0.5), (1.0, 0.0)])
def test_misconceptions_are_systematic_and_noise_is_not(misconception_rate, noise_rate):
    assert len(misconceived()) == len(CATALOGUE) // 3
    rng = Random(0)
    shown: dict[tuple[bool, str], Counter[str]] = {}
    for _ in range(4000):
        chain = draw(rng, 2, "train")
        for step, code in zip(chain, misremember(chain, rng, misconception_rate, noise_rate), strict=True):
            what = "right" if code == step.code else f"bug {step.bugs.index(code)}"
            shown.setdefault((step.primitive.name in misconceived(), step.primitive.name), Counter())[what] += 1
    for systematic, rate in ((True, misconception_rate), (False, noise_rate)):
        total = sum((counts for (kind, _), counts in shown.items() if kind is systematic), Counter())
        assert 1 - total["right"] / total.total() == pytest.approx(rate, abs=0.03)
        if systematic:
            assert set(total) <= {"right", "bug 0"}
        elif rate:
            assert {"bug 0", "bug 1"} <= set(total)
