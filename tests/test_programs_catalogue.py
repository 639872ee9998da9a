"""Every entry of the catalogue means what it says: words, code and bugs differ where they must."""

import re
from collections import Counter
from random import Random

import pytest

from rlvr.programs import inputs
from rlvr.programs.catalogue import CATALOGUE
from rlvr.programs.primitive import VARIABLES, Primitive, expression, function

KINDS = {"list": list, "int": int, "str": str}
RAISED = object()


def outcome(primitive: Primitive, code: str, value):
    try:
        return function(primitive.takes, code)(value)
    except (ValueError, IndexError):
        return RAISED


def parameters(primitive: Primitive) -> tuple[int | None, ...]:
    return primitive.parameters or (None,)


def test_names_and_phrases_mean_one_primitive():
    assert len({primitive.name for primitive in CATALOGUE}) == len(CATALOGUE)
    phrases = Counter(re.sub(r"\{k\}", "4", phrase) for primitive in CATALOGUE for phrase in primitive.phrases)
    assert [phrase for phrase, times in phrases.items() if times > 1] == []


@pytest.mark.parametrize("primitive", CATALOGUE, ids=lambda primitive: primitive.name)
def test_a_primitive_is_phrased_typed_and_wrong_in_its_own_ways(primitive):
    texts = (primitive.code, *primitive.phrases)
    assert all(("{k}" in text) == bool(primitive.parameters) for text in texts)
    assert 2 <= len(primitive.phrases) <= 3
    assert 1 <= len(primitive.bugs) <= 3
    rng = Random(0)
    values = [inputs.draw(rng, primitive.takes) for _ in range(200)]
    for k in parameters(primitive):
        right = [outcome(primitive, expression(primitive.code, k), value) for value in values]
        assert {type(result) for result in right if result is not RAISED} == {KINDS[primitive.gives]}
        for bug in primitive.bugs:
            wrong = [outcome(primitive, expression(bug, k), value) for value in values]
            assert sum(a != b for a, b in zip(right, wrong, strict=True)) >= 10, (bug, k)


@pytest.mark.parametrize("kind", VARIABLES)
def test_inputs_are_typed_repeatable_and_hold_edge_cases(kind):
    values = [inputs.draw(Random(seed), kind) for seed in range(300)]
    assert values == [inputs.draw(Random(seed), kind) for seed in range(300)]
    assert {type(value) for value in values} == {KINDS[kind]}
    assert all(edge in values for edge in inputs.EDGE_CASES[kind])
