"""Wrong programs on purpose: to prove that hidden tests notice them, and to teach a model mistakes worth unlearning."""

from collections.abc import Iterator
from functools import cache
from random import Random

from rlvr.programs.catalogue import CATALOGUE
from rlvr.programs.composition import Chain
from rlvr.programs.primitive import VARIABLES, expression


def slips(chain: Chain) -> Iterator[tuple[int, str]]:
    """Every single mistake that tests must notice: the step's index and the wrong expression that stands there.

    Each plausible bug, each parameter off by one, and each step that could be left out because it keeps the type
    (then the expression is the bare variable).
    """
    for index, step in enumerate(chain):
        primitive = step.primitive
        wrong = list(step.bugs)
        if step.k is not None:
            wrong += [expression(primitive.code, step.k - 1), expression(primitive.code, step.k + 1)]
        if primitive.takes == primitive.gives:
            wrong.append(VARIABLES[primitive.takes])
        yield from ((index, code) for code in dict.fromkeys(wrong))


@cache
def misconceived() -> frozenset[str]:
    """The third of the primitives that the warm-up corpus teaches wrongly, always with the first of its bugs."""
    names = sorted(
        (primitive.name for primitive in CATALOGUE), key=lambda name: Random(f"misconceived {name}").random()
    )
    return frozenset(names[: len(names) // 3])


def misremember(chain: Chain, rng: Random, misconception_rate: float, noise_rate: float) -> tuple[str, ...]:
    """The expressions of a chain as an imperfect teacher writes them.

    Misconceived primitives are wrong in the same way at `misconception_rate`, which no sampling temperature can undo;
    the others are wrong in a random way at `noise_rate`.
    """
    codes = []
    for step in chain:
        systematic = step.primitive.name in misconceived()
        if rng.random() >= (misconception_rate if systematic else noise_rate):
            codes.append(step.code)
        else:
            codes.append(step.bugs[0] if systematic else rng.choice(step.bugs))
    return tuple(codes)
