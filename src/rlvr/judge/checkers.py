"""Whether what a program printed is what was expected: pure functions of two texts.

A checker returns what is different, in words, and nothing where the answer is right. What `exact` accepts, `tokens`
accepts, and what `tokens` accepts, `floating` accepts.
"""

import re
from collections.abc import Callable

Checker = Callable[[str, str], str]
"""`(expected, got)` to what is different; empty where the answer is right."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_SPECIAL = {f"{sign}{word}": float(f"{sign}{word}") for sign in ("", "+", "-") for word in ("inf", "infinity", "nan")}
_LONGEST_NUMBER = 2000
"""Characters; no finite double needs more to be written out. Longer ones are equal only where their texts are."""
_SHOWN = 80


def exact(expected: str, got: str) -> str:
    """Equal line by line, except for the kind of line ends, blanks at the ends of lines, and empty lines at the end."""
    wanted, found = _lines(expected), _lines(got)
    for number, (left, right) in enumerate(zip(wanted, found, strict=False), 1):
        if left != right:
            return f"line {number}: expected {shown(left)}, got {shown(right)}"
    return _count("line", wanted, found)


def tokens(expected: str, got: str) -> str:
    """Equal word by word, however the words are spaced and broken into lines."""
    return _by_token(expected, got, str.__eq__)


def floating(tolerance: float) -> Checker:
    """Word by word as `tokens`, but two numbers may differ by `tolerance`, absolutely or relative to the expected one.

    Numbers are decimal, with or without exponent; `inf` and `nan`, in any case, equal themselves only.
    """

    def close(wanted: str, found: str) -> bool:
        if wanted == found:
            return True
        left, right = _number(wanted), _number(found)
        if left is None or right is None:
            return False
        if left == right or (left != left and right != right):
            return True
        return abs(left - right) <= tolerance * max(1.0, abs(left)) < float("inf")

    return lambda expected, got: _by_token(expected, got, close)


def shown(text: str) -> str:
    """A text in quotes, shortened."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}... ({len(text)} characters)"


def _lines(text: str) -> list[str]:
    lines = [line.rstrip(" \t\r") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _by_token(expected: str, got: str, same: Callable[[str, str], bool]) -> str:
    wanted, found = expected.split(), got.split()
    for number, (left, right) in enumerate(zip(wanted, found, strict=False), 1):
        if not same(left, right):
            return f"word {number}: expected {shown(left)}, got {shown(right)}"
    return _count("word", wanted, found)


def _count(what: str, wanted: list[str], found: list[str]) -> str:
    """What two lists differ in of which one begins with the other."""
    if len(found) > len(wanted):
        return f"{what} {len(wanted) + 1}: expected nothing more, got {shown(found[len(wanted)])}"
    if len(found) < len(wanted):
        return f"{what} {len(found) + 1}: expected {shown(wanted[len(found)])}, got nothing more"
    return ""


def _number(text: str) -> float | None:
    if len(text) > _LONGEST_NUMBER:
        return None
    return float(text) if _NUMBER.fullmatch(text) else _SPECIAL.get(text.lower())
