"""Mutants are real, small, wrong programs: they compile, differ from the original, and come out the same again."""

import ast
import bisect
import colorsys
import difflib
import fractions
import heapq
import inspect
import shlex
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.judge.mutants import OPERATORS, mutants

BISECT = '''
import math
from functools import lru_cache

@lru_cache(maxsize=None)
def find(items: list[int], wanted: int = 0) -> int:
    """Where `wanted` is in the sorted items, or -1."""
    low, high = 0, len(items) - 1
    while low <= high:
        middle = (low + high) // 2
        if items[middle] == wanted:
            return middle
        if items[middle] < wanted and not wanted == 10 ** 9:
            low = middle + 1
        else:
            high = middle - 1
    return -1

if __name__ == "__main__":
    print(find([1, 2, 3], 2))
'''


def changes(source: str, **options) -> list[tuple[str, str]]:
    return [(mutant.operator, mutant.change) for mutant in mutants(source, most=1000, **options)]


REAL = [
    textwrap.dedent(inspect.getsource(function))
    for module in (bisect, colorsys, difflib, fractions, heapq, shlex, textwrap)
    for _, function in inspect.getmembers(module, inspect.isfunction)
]
"""Functions of the standard library: code that nobody wrote for this test."""


@settings(max_examples=15)
@given(st.sampled_from([BISECT, *REAL]), st.integers(0, 5), st.integers(1, 20))
def test_mutants_compile_differ_and_come_out_the_same_again(source, seed, most):
    found = mutants(source, most=most, seed=seed)
    original = ast.dump(ast.parse(source))
    assert len(found) <= most
    assert found or source != BISECT
    assert len({ast.dump(ast.parse(mutant.source)) for mutant in found} - {original}) == len(found)
    for mutant in found:
        compile(mutant.source, "mutant", "exec")
        assert mutant.operator in OPERATORS
        assert source.split("\n")[mutant.line - 1].strip()
    assert mutants(source, most=most, seed=seed) == found


def test_another_seed_chooses_other_mutants():
    assert len({tuple(mutants(BISECT, most=4, seed=seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("return a + b", ("arithmetic", "return a + b => return a - b")),
        ("return a < b", ("boundary", "return a < b => return a <= b")),
        ("return a in b", ("comparison", "return a in b => return a not in b")),
        ("return a and b", ("boolean", "return a and b => return a or b")),
        ("return a and b", ("boolean", "return a and b => return b")),
        ("return not a", ("negation", "return not a => return a")),
        ("return a if b else 0", ("negation", "return a if b else 0 => return a if not b else 0")),
        ("return a[:b]", ("boundary", "return a[:b] => return a[:b - 1]")),
        ("return a[b:]", ("boundary", "return a[b:] => return a[b:-1]")),
        ("return list(range(a))", ("boundary", "return list(range(a)) => return list(range(a - 1))")),
        ("return [7, a]", ("constant", "return [7, a] => return [8, a]")),
        ("return 'a'", ("constant", "return 'a' => return ''")),
        ("return True", ("constant", "return True => return False")),
        ("return a", ("return", "return a => return None")),
        ("return a", ("variable", "return a => return b")),
        ("return pow(a, b)", ("arguments", "return pow(a, b) => return pow(b, a)")),
        ("return max(a)", ("function", "return max(a) => return min(a)")),
        ("return sorted(a)", ("function", "return sorted(a) => return a")),
        ("return a.strip()", ("function", "return a.strip() => return a")),
        ("return [x for x in a if x]", ("drop", "return [x for x in a if x] => return [x for x in a]")),
        ("a.append(b)", ("drop", "a.append(b) => pass")),
        ("a += b", ("arithmetic", "a += b => a = b")),
        ("while a:\n    b = f()", ("loop", "(nothing) => break")),
        ("for x in a:\n    if x:\n        break", ("loop", "break => continue")),
    ],
)
def test_each_kind_of_mistake_is_made(code, expected):
    assert expected in changes("def f(a, b):\n" + textwrap.indent(code, "    "))


def test_what_no_test_could_notice_is_left_alone():
    for change in changes(BISECT):
        for part in ("lru_cache", "Where `wanted`", "print", "__main__", "import"):
            assert part not in change[1]
        assert change[1].count("list[int]") in (0, 2), "an annotation was changed"


def test_a_script_is_changed_where_it_runs():
    script = "n = int(input())\nif __name__ == '__main__':\n    print(n * 2)\n"
    assert not any("print" in change for _, change in changes(script))
    assert any("print(n + 2)" in change for _, change in changes(script, script=True))


def test_what_was_given_is_left_alone():
    given = "def twice(a):\n    return a + a\n\n"
    whole = given + "def f(a):\n    return twice(a) + 1\n"
    lines = {mutant.line for mutant in mutants(whole, most=1000, first_line=given.count("\n") + 1)}
    assert lines == {5}


def test_mistakes_are_spread_over_the_operators():
    long = "def f(a, b):\n    if a < b:\n        return 0\n    return " + " + ".join("ab" * 40)
    assert len({mutant.operator for mutant in mutants(long, most=7)}) >= 6


def test_a_long_line_is_shown_around_what_changed():
    long = "def f(a):\n    return [" + ", ".join(map(str, range(100, 300))) + ", a]\n"
    shown = [change for operator, change in changes(long) if operator == "constant"]
    assert any("199" in change and "200, 200" in change.split(" => ")[1] for change in shown)
    assert max(map(len, shown)) < 220


def test_what_does_not_parse_is_said_by_the_parser():
    with pytest.raises(SyntaxError):
        mutants("def f(:\n")
