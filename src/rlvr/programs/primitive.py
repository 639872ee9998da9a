"""One typed step of a generated program: what it is called, what it computes, and how its text becomes a function."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

Kind = Literal["list", "int", "str"]
"""The type of a value between two steps; `list` is a list of int."""

VARIABLES: dict[Kind, str] = {"list": "a", "int": "n", "str": "s"}
"""The one variable that holds a value of each kind, in code and in signatures."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """One step. In `phrases`, `code` and `bugs` the parameter is `{k}`; bugs may say `{up}` (k + 1) and `{down}`."""

    name: str
    takes: Kind
    gives: Kind
    phrases: tuple[str, ...]
    code: str
    """An expression over the variable of `takes`."""
    bugs: tuple[str, ...]
    """Plausible mistakes, the most plausible first."""
    parameters: tuple[int, ...] = ()
    """Values `{k}` may have; empty where there is no parameter."""


@cache
def expression(template: str, k: int | None) -> str:
    """A primitive's code, bug or phrase with its parameter filled in."""
    return template if k is None else template.format(k=k, up=k + 1, down=k - 1)


@cache
def function(takes: Kind, code: str) -> Callable[[Any], Any]:
    """What an expression of the catalogue computes, as a function of its variable."""
    # Only ever text of the catalogue; calling it directly is what makes a thousand tested tasks a second possible.
    return eval(f"lambda {VARIABLES[takes]}: {code}", {})
