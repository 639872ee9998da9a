"""Random inputs by type, rich in what tells similar programs apart: duplicates, negatives, capitals, edge cases."""

from random import Random
from typing import Any

from rlvr.programs.primitive import Kind

EDGE_CASES: dict[Kind, tuple[Any, ...]] = {"list": ([], [0], [5, 5]), "int": (0, 1, -1), "str": ("", "a", "E e")}
EDGE_SHARE = 0.1

_CONSONANTS = "bdklmnrst"


def draw(rng: Random, kind: Kind) -> Any:
    """One input: a list of 4 to 8 numbers of -9 to 20, a number of -40 to 150, or 1 to 7 short words."""
    if rng.random() < EDGE_SHARE:
        return rng.choice(EDGE_CASES[kind])
    if kind == "int":
        return rng.randint(-40, 150)
    if kind == "str":
        return " ".join(_word(rng) for _ in range(rng.randint(1, 7)))
    numbers = [rng.randint(-9, 20) for _ in range(rng.randint(3, 7))]
    numbers.insert(rng.randrange(len(numbers)), rng.choice(numbers))
    return numbers


def _word(rng: Random) -> str:
    letters = [rng.choice("aeiou" if rng.random() < 0.45 else _CONSONANTS) for _ in range(rng.randint(1, 5))]
    word = "".join(letters)
    return word.title() if rng.random() < 0.25 else word
