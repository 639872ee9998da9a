"""Checkers accept what is right however it is spaced, and nothing else; they say what differs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.judge.checkers import exact, floating, shown, tokens

close = floating(1e-6)
texts = st.text(st.sampled_from("ab1.-e+ \t\r\nn\x85inf"), max_size=30)
words = st.lists(st.text(st.sampled_from("ab1.-e"), min_size=1, max_size=4), max_size=8)
spaces = st.sampled_from([" ", "\n", "\t", "  ", "\r\n", " \n\n"])
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(texts, texts)
def test_each_checker_accepts_what_the_stricter_one_accepts(expected, got):
    assert exact(expected, expected) == tokens(expected, expected) == close(expected, expected) == ""
    if not exact(expected, got):
        assert not tokens(expected, got)
    if not tokens(expected, got):
        assert not close(expected, got)


@given(words, st.data())
def test_words_may_be_spaced_in_any_way(parts, data):
    got = data.draw(spaces).join(parts) + data.draw(spaces)
    assert tokens(" ".join(parts), got) == ""
    for number in range(len(parts)):
        assert tokens(" ".join(parts), " ".join(parts[:number] + parts[number + 1 :]))
        assert tokens(" ".join(parts), " ".join([*parts[:number], "x", *parts[number:]]))


@given(st.lists(st.text(st.sampled_from("ab "), max_size=4), max_size=6), st.data())
def test_lines_may_end_in_any_way(lines, data):
    ends = [data.draw(st.sampled_from(["\n", "\r\n", " \n", "\t\r\n"])) for _ in lines]
    got = "".join(line + end for line, end in zip(lines, ends, strict=True)) + data.draw(st.sampled_from(["", "\n\n"]))
    assert exact("\n".join(lines), got) == ""
    assert exact("\n".join(["x", *lines]), got)
    assert exact("\n".join(lines), "x" + got)


@given(finite, st.floats(-1, 1))
def test_numbers_may_be_off_by_the_tolerance_absolutely_or_relatively(number, share):
    for scale, right in ((0.99e-6, True), (1.01e-6, False)):
        got = number + math.copysign(scale, share) * max(1.0, abs(number))
        assert (close(repr(number), repr(got)) == "") is right
    assert close(repr(number), f"{number:.9e}") == ""


@pytest.mark.parametrize(
    ("expected", "got", "right"),
    [
        ("1", "1.0000001", True),
        ("1", "1.00001", False),
        ("1", "1e0", True),
        ("0.5", ".5", True),
        ("1000000", "1000000.9", True),
        ("YES 2.0", "YES 2", True),
        ("YES 2.0", "yes 2", False),
        ("nan", "NaN", True),
        ("nan", "0", False),
        ("0", "nan", False),
        ("inf", "Infinity", True),
        ("inf", "-inf", False),
        ("inf", "1e308", False),
        ("1e308", "inf", False),
        ("-1e308", "1e308", False),
        ("5", "٥", False),
        ("1000", "1_000", False),
        ("16", "0x10", False),
        ("1", "9" * 100_000, False),
        ("9" * 100_000, "9" * 100_000, True),
        ("", "", True),
        ("1", "", False),
    ],
)
def test_what_counts_as_a_number(expected, got, right):
    assert (close(expected, got) == "") is right


def test_the_first_difference_is_told_shortly():
    assert tokens("1 2 3", "1 5") == "word 2: expected '2', got '5'"
    assert tokens("1 2", "1") == "word 2: expected '2', got nothing more"
    assert tokens("1", "1 2") == "word 2: expected nothing more, got '2'"
    assert exact("a\nb", "a\nb c") == "line 2: expected 'b', got 'b c'"
    assert len(tokens("a" * 10_000, "b" * 10_000)) < 300
    assert shown("x" * 100) == repr("x" * 80) + "... (100 characters)"
