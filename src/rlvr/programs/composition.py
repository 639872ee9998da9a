"""Chains of primitives: which may follow which, which pairs are held out, and how a chain reads in words and code.

Generalisation is measured on new compositions of known steps: an ordered pair of neighbours belongs to `train`,
`validation` or `test` by a hash of its names, whatever the seed of a run is, so that everybody has the same test pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from rlvr.programs.catalogue import CATALOGUE
from rlvr.programs.primitive import VARIABLES, Kind, Primitive, expression

HELD_OUT = ("validation", "test")
HELD_OUT_SHARE = 0.07
"""Share of all pairs that goes to each of `HELD_OUT`, before the luck of the hash."""


@dataclass(frozen=True, slots=True)
class Step:
    """A primitive with its parameter and its wording chosen."""

    primitive: Primitive
    k: int | None
    phrase: int

    @property
    def code(self) -> str:
        return expression(self.primitive.code, self.k)

    @property
    def bugs(self) -> tuple[str, ...]:
        return tuple(expression(bug, self.k) for bug in self.primitive.bugs)

    @property
    def words(self) -> str:
        return expression(self.primitive.phrases[self.phrase], self.k)


Chain = tuple[Step, ...]

# Neighbours of which one cannot be noticed, whatever the input is: as where a list is sorted and then summed.
_POINTLESS = {
    "sort_up": "sort_down unique total largest smallest count_numbers count_distinct count_above",
    "sort_down": "sort_up unique total largest smallest count_numbers count_distinct count_above",
    "reverse_list": "sort_up sort_down unique total largest smallest count_numbers count_distinct count_above",
    "unique": "sort_up largest smallest count_distinct",
    "add_each": "count_numbers count_distinct",
    "multiply_each": "keep_above total count_numbers count_distinct count_above",
    "keep_even": "keep_above count_above",
    "keep_above": "keep_even largest count_above",
    "count_numbers": "digits",
    "count_distinct": "digits",
    "count_above": "digits",
    "join": "upper reverse_words remove_spaces count_words count_vowels",
    "subtract": "square digits",
    "remainder": "digits",
    "cap": "divide",
    "negate": "square digits",
    "pad": "upper reverse_words remove_spaces count_characters count_words count_vowels word_lengths",
    "binary": "upper reverse_words remove_spaces count_words count_vowels word_lengths",
    "count_on": "sort_up unique first_numbers smallest count_numbers count_distinct",
    "upper": "count_characters count_words count_vowels word_lengths",
    "reverse_text": "count_characters count_words count_vowels word_lengths",
    "reverse_words": "remove_spaces count_characters count_words count_vowels word_lengths",
    "remove_spaces": "reverse_words count_words count_vowels",
    "count_words": "digits",
}


@cache
def pairs() -> dict[tuple[str, str], str]:
    """The split of every ordered pair of different primitives that may be neighbours, by their names."""
    return {
        (first.name, then.name): _split(first, then)
        for first in CATALOGUE
        for then in CATALOGUE
        if first.gives == then.takes and first is not then and then.name not in _POINTLESS.get(first.name, "").split()
    }


def _split(first: Primitive, then: Primitive) -> str:
    # Random seeded with a text is the same on every machine, unlike hash().
    share = Random(f"held out {first.name} {then.name}").random()
    held_out = int(share / HELD_OUT_SHARE)
    return HELD_OUT[held_out] if held_out < len(HELD_OUT) else "train"


def draw(rng: Random, depth: int, split: str) -> Chain:
    """A random chain of `depth` steps: pairs of `train` only, or with a held-out pair and none of another split."""
    if split in HELD_OUT:
        assert depth > 1, "a chain of one step has no pair that could be held out"
        names = rng.choice(_pairs_of(split))
    else:
        names = (rng.choice(CATALOGUE).name,)
    while len(names) < depth:
        # Held-out pairs stand at the beginning as often as at the end; a training chain may grow either way too.
        if rng.random() < 0.5 and (before := _neighbours(names[0], split, before=True)):
            names = (rng.choice(before), *names)
        else:
            names = (*names, rng.choice(_neighbours(names[-1], split, before=False)))
    return tuple(_step(rng, name) for name in names)


@cache
def _pairs_of(split: str) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair, owner in pairs().items() if owner == split)


@cache
def _neighbours(name: str, split: str, *, before: bool) -> tuple[str, ...]:
    mine, other = (1, 0) if before else (0, 1)
    return tuple(pair[other] for pair, owner in pairs().items() if pair[mine] == name and owner in ("train", split))


@cache
def _by_name() -> dict[str, Primitive]:
    return {primitive.name: primitive for primitive in CATALOGUE}


def _step(rng: Random, name: str) -> Step:
    primitive = _by_name()[name]
    k = rng.choice(primitive.parameters) if primitive.parameters else None
    return Step(primitive, k, rng.randrange(len(primitive.phrases)))


def prompt(chain: Chain) -> str:
    """The specification as a comment, and the signature: what a completion continues with an indented body."""
    *first, last = [step.words for step in chain]
    specification = f"{', '.join(first)}, then {last}" if first else last
    # No capital at the beginning: a phrase then has one spelling, and one token, wherever it stands.
    return f"# {specification}.\ndef solve({VARIABLES[chain[0].primitive.takes]}):\n"


def body(chain: Chain, codes: Sequence[str] | None = None) -> str:
    """One indented statement per step, the last a `return`. `codes`: an expression for each, if not the right ones."""
    *first, last = [step.code for step in chain] if codes is None else codes
    targets: list[Kind] = [step.primitive.gives for step in chain[:-1]]
    lines = [f"    {VARIABLES[kind]} = {code}" for kind, code in zip(targets, first, strict=True)]
    return "\n".join([*lines, f"    return {last}"])
