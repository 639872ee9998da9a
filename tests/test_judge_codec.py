"""What crosses between candidate and tests comes out equal and of the same type; no bytes can do anything else."""

import math
from collections import Counter, OrderedDict, deque
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.judge.codec import MAX_DEPTH, MalformedError
from rlvr.judge.decoding import Decoder
from rlvr.judge.encoding import Encoder


def refuse(*_):
    raise MalformedError("no handles here")


def write(value) -> bytes:
    encoder = Encoder(refuse)
    encoder.put(value)
    return encoder.frame()


def read(data: bytes):
    return Decoder(data, refuse).value()


def shape(value):
    """Types and values, so that 1, 1.0 and True differ, and nan equals itself."""
    if isinstance(value, dict):
        return (dict, [(shape(key), shape(item)) for key, item in value.items()])
    if isinstance(value, list | tuple):
        return (type(value), [shape(item) for item in value])
    if isinstance(value, set | frozenset):
        return (type(value), sorted(map(repr, map(shape, value))))
    return (type(value), repr(value))


hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.sampled_from([..., NotImplemented, int, ValueError, type(None), len, range(0, 9, 2), date(2020, 2, 29)]),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)
plain = st.recursive(
    hashable | st.binary().map(bytearray) | st.lists(st.integers(), min_size=16) | st.lists(st.floats(), min_size=16),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(hashable, inner, max_size=4)
        | st.sets(hashable, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(plain)
def test_plain_data_comes_out_as_it_went_in(value):
    assert shape(read(write(value))) == shape(value)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.tuples(plain, st.integers(0, 200), st.binary(max_size=3)))
def test_any_bytes_are_a_value_or_malformed(data):
    if isinstance(data, tuple):
        value, at, patch = data
        good = write(value)
        data = good[: at % (len(good) + 1)] + patch + good[at % (len(good) + 1) + len(patch) :]
    try:
        read(data)
    except MalformedError:
        return


def test_values_of_the_standard_library_keep_their_class():
    values = [Counter("aab"), OrderedDict(a=1), deque([1], 3), Fraction(1, 3), Decimal("-0"), timedelta(1, 2, 3)]
    result = read(write(values))
    assert [type(value) for value in result] == [type(value) for value in values]
    assert result == values
    assert result[2].maxlen == 3


def test_shared_and_cyclic_structures_keep_their_shape():
    row: list = [0]
    value = {"rows": [row, row], "self": None}
    value["self"] = value
    result = read(write(value))
    assert result["rows"][0] is result["rows"][1]
    assert result["self"] is result


def test_huge_numbers_cross_quickly():
    """Decimal digits would take quadratic time."""
    value = 7 ** (1 << 20)
    assert read(write([value, -value])) == [value, -value]
    assert math.isnan(read(write(float("nan"))))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"l", b"l5;", b"lffffffff;", b"s-1;", b"sfffffff;x", b"e1;l0;", b"d1;l0;N", b"R0;", b"n4;eval", b"n4;open",
        b"x9;os.systemt1;s2;ls", b"x13;collections.Counters1;x", b"j6;[[1]]x", b"i;", b"ixyz;", b"c", b"rNNN", b"\xff",
        b"s1;\xff", b"l1;" * (MAX_DEPTH * 20), b"t1;" * 5000 + b"N", b"H0;0;", b"k",
    ],
)  # fmt: skip
def test_bytes_that_no_encoder_writes_are_malformed(data):
    with pytest.raises(MalformedError):
        read(data)
