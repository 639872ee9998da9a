"""Tests that earn their name: a chain gets a few inputs that notice every single slip, or it gets none at all."""

from collections import Counter
from random import Random
from typing import Any

from rlvr.programs import inputs
from rlvr.programs.composition import Chain
from rlvr.programs.mutation import slips
from rlvr.programs.primitive import function

TESTS = 6
POOL = 12
"""Inputs drawn at a time."""
ROUNDS = 3
"""Pools drawn before a chain is given up."""
MOST_COMMON = 3
"""How many of the tests may expect the same output."""
LONGEST_OUTPUT = 200
"""Characters of an expected output as a literal."""


def hidden_tests(chain: Chain, rng: Random) -> tuple[str, ...] | None:
    """Six asserts that fail for every slip of `mutation.slips`, or None.

    None means that some slip changes nothing on any input tried, as where sorting comes before a sum, or that the
    outputs hardly vary.
    """
    functions = [function(step.primitive.takes, step.code) for step in chain]
    wrong = [(index, function(chain[index].primitive.takes, code)) for index, code in slips(chain)]
    traces: list[list[Any]] = []
    noticed_by: list[list[int]] = [[] for _ in wrong]
    for _ in range(ROUNDS):
        old = len(traces)
        _extend(traces, chain, functions, rng)
        for (index, slip), by in zip(wrong, noticed_by, strict=True):
            by += [n for n in range(old, len(traces)) if _differs(traces[n], index, slip, functions)]
        if all(noticed_by):
            chosen = _choose(traces, noticed_by)
            if chosen:
                return tuple(f"assert solve({traces[n][0]!r}) == {traces[n][-1]!r}" for n in chosen)
    return None


def _extend(traces: list[list[Any]], chain: Chain, functions: list[Any], rng: Random) -> None:
    """Add the values before, between and after the steps for new inputs on which the program is defined."""
    for _ in range(POOL):
        trace = [inputs.draw(rng, chain[0].primitive.takes)]
        if any(trace[0] == known[0] for known in traces):
            continue
        try:
            for step in functions:
                trace.append(step(trace[-1]))
        # The largest of no numbers: the specification does not say, so no test asks.
        except (ValueError, IndexError):
            continue
        if len(repr(trace[-1])) <= LONGEST_OUTPUT:
            traces.append(trace)


def _differs(trace: list[Any], index: int, slip: Any, functions: list[Any]) -> bool:
    """Whether the program with `slip` at step `index` gives another result, or none, on the input of `trace`."""
    try:
        value = slip(trace[index])
        if value == trace[index + 1]:
            return False
        for step in functions[index + 1 :]:
            value = step(value)
    except (ValueError, IndexError, ZeroDivisionError):
        return True
    return value != trace[-1]


def _choose(traces: list[list[Any]], noticed_by: list[list[int]]) -> list[int] | None:
    """Six traces so that every slip is noticed by one of them and no output is frequent."""
    outputs = [repr(trace[-1]) for trace in traces]
    seen: Counter[str] = Counter()
    chosen: set[int] = set()

    def take(candidates: list[int]) -> bool:
        free = [n for n in candidates if n not in chosen and seen[outputs[n]] < MOST_COMMON]
        if not free or len(chosen) == TESTS:
            return False
        best = min(free, key=lambda n: seen[outputs[n]])
        chosen.add(best)
        seen[outputs[best]] += 1
        return True

    for by in sorted(noticed_by, key=len):
        if chosen.isdisjoint(by) and not take(by):
            return None
    while len(chosen) < TESTS:
        if not take(list(range(len(traces)))):
            return None
    return sorted(chosen) if len(seen) >= MOST_COMMON else None
