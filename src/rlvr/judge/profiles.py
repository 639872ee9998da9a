"""Which zygote a job needs: the lean one, or one that has numpy or pytest ready and sees other installed packages.

A bigger process costs more to fork, so nothing is there that neither tests nor program import.
"""

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

_SCIENCE = ("numpy", "scipy", "pandas", "sympy", "networkx", "sklearn")
_IMPORTS = re.compile(rf"^[ \t]*(?:import|from)[ \t]+({'|'.join(_SCIENCE)})\b", re.MULTILINE)
_READY = ("numpy", "numpy.random", "pytest")


@dataclass(frozen=True, slots=True)
class Profile:
    """modules: imported before the first fork. folders: where imports look after the standard library."""

    modules: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def to_text(self) -> str:
        return json.dumps([self.modules, self.folders])


LEAN = Profile()


def choose(needs: tuple[str, ...], program: str) -> Profile:
    """The profile for tests that need these modules and a program that may import some itself."""
    if not needs and not any(name in program for name in _SCIENCE):
        return LEAN
    return _profile(frozenset({*needs, *_IMPORTS.findall(program)}))


@cache
def _profile(needs: frozenset[str]) -> Profile:
    places = {name: folder for name in sorted(needs) if (folder := _folder(name))}
    wanted = set(places) | ({"numpy", "numpy.random"} if set(places) & set(_SCIENCE) else set())
    return Profile(
        tuple(name for name in _READY if name in wanted and _folder(name.partition(".")[0])),
        tuple(dict.fromkeys(places.values())),
    )


def _folder(name: str) -> str:
    """The folder in which imports find a module; empty where it is not installed."""
    spec = find_spec(name)
    if spec is None:
        return ""
    inside = (spec.submodule_search_locations or [None])[0]
    return os.path.dirname(inside or spec.origin or "")
