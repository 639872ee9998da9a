"""What a checker of one instruction is: a function of the response, whose keyword-only parameters are the kwargs.

    @rule("keywords:existence")
    def existence(response: str, *, keywords: list[Pattern]) -> bool: ...

The annotations are the contract that kwargs are checked against before anything runs: `int`, `float`, `str`, `bool`,
`list[...]`, `Literal[...]`, unions of these, and `Annotated[..., check]`, where `check(value)` raises `ValueError`.
A parameter without a default must be given.
"""

import inspect
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from rlvr import extras
from rlvr.records import Json
from rlvr.registry import unknown

_NLTK_FOLDERS = {
    "punkt_tab": "tokenizers",
    "stopwords": "corpora",
    "averaged_perceptron_tagger_eng": "taggers",
}


@dataclass(frozen=True)
class Rule:
    """One instruction that can be checked."""

    id: str
    follows: Callable[..., bool]
    """Whether a response that is not blank follows the instruction: `follows(response, **bind(kwargs))`."""
    parameters: Mapping[str, Any]
    """Annotations of the kwargs."""
    required: frozenset[str]
    needs: tuple[str, ...] = ()
    """Packages, and data of nltk as `nltk:NAME`, of the extra `if`."""

    def bind(self, kwargs: Mapping[str, Json] | None) -> dict[str, Any]:
        """The kwargs as `follows` takes them, without those that are None.

        Raises `ValueError` that says what is missing, unknown or wrong.
        """
        if not isinstance(kwargs, Mapping | None):
            raise ValueError(f"kwargs of {self.id} should be an object, not {kwargs!r:.60}")
        # Tables hold every kwarg of every instruction; 0 and false are values.
        given = {name: value for name, value in (kwargs or {}).items() if value is not None}
        if strange := [name for name in given if name not in self.parameters]:
            raise ValueError(unknown(f"kwarg of {self.id}", strange[0], self.parameters))
        if missing := sorted(self.required - given.keys()):
            raise ValueError(f"{self.id} needs the kwarg {missing[0]!r}")
        return {name: _checked(self.parameters[name], value, f"{self.id}: {name}") for name, value in given.items()}


RULES: dict[str, Rule] = {}
"""Every rule of the files that were imported so far, by id; see `load_rules` of this package for all."""


def rule(id: str, *, needs: tuple[str, ...] = ()) -> Callable[[Callable[..., bool]], Callable[..., bool]]:  # noqa: A002
    """Registers a function as the checker of an instruction."""

    def register(follows: Callable[..., bool]) -> Callable[..., bool]:
        assert id not in RULES, f"two rules for {id}"
        parameters = [p for p in inspect.signature(follows).parameters.values() if p.kind is p.KEYWORD_ONLY]
        hints = get_type_hints(follows, include_extras=True)
        RULES[id] = Rule(
            id,
            follows,
            {p.name: hints[p.name] for p in parameters},
            frozenset(p.name for p in parameters if p.default is p.empty),
            needs,
        )
        return follows

    return register


def available(id: str) -> str | None:  # noqa: A002
    """Why the instruction cannot be checked on this machine, and what to install; None: it can be.

    Raises `ValueError` that shows the nearest id for one that does not exist.
    """
    # The rules' files import this one.
    from rlvr.verifiers._instructions import load_rules

    if id not in load_rules():
        raise ValueError(unknown("instruction", id, RULES))
    missing = [reason for need in RULES[id].needs if (reason := _missing(need))]
    return f"{id} needs {' and '.join(dict.fromkeys(missing))}" if missing else None


@cache
def _missing(need: str) -> str | None:
    package, _, data = need.partition(":")
    if find_spec(package) is None:
        return f"the package {package} ({extras.install('if')})"
    if not data:
        return None
    import nltk  # pyright: ignore[reportMissingImports]

    try:
        nltk.data.find(f"{_NLTK_FOLDERS[data]}/{data}")
    except LookupError:
        return f"nltk's {data} (python -m nltk.downloader {data})"
    return None


def _checked(hint: Any, value: Json, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        value = _checked(arguments[0], value, where)
        try:
            for check in hint.__metadata__:
                check(value)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        return value
    if origin is list and isinstance(value, list | tuple):
        return [_checked(arguments[0], item, where) for item in value]
    if origin is Literal and isinstance(value, str) and value in arguments:
        return value
    if origin in (Union, types.UnionType):
        for option in arguments:
            try:
                return _checked(option, value, where)
            except ValueError:
                continue
    # Tables turn whole numbers into floats where another row has none.
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"{where} should be {_named(hint)}, not {value!r:.60}")


def _named(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _named(arguments[0])
    if origin is list:
        return f"a list, each item {_named(arguments[0])}"
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin in (Union, types.UnionType):
        return " or ".join(map(_named, arguments))
    return {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}[hint]


_ATOMS = re.compile(r"\\.|\[\^?\]?[^\]]*\]", re.DOTALL)
_REPEAT = re.compile(r"(?:[*+]|\{\d*,?\d*\})[+?]?")
_CHOICES = 8
_LONGEST_REPEAT = 100


def searchable(pattern: str, then: str = "") -> None:
    """Refuses what `re` cannot compile, and what could take longer than linear time on some text.

    then: what the checker puts behind it.
    """
    if not pattern.strip():
        raise ValueError("an empty text can be neither kept nor avoided")
    try:
        for text in (pattern, pattern.strip()):
            re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r:.60} is used as a regular expression and is none: {error}") from error
    # A repeat may be given up again only where something follows it; every choice doubles the ways to match.
    skeleton = _ATOMS.sub("x", pattern.strip()) + then
    repeats = list(_REPEAT.finditer(skeleton))
    inner = [match for match in repeats if match.end() < len(skeleton) or skeleton[match.start() - 1] == ")"]
    long = any(int(number) > _LONGEST_REPEAT for match in repeats for number in re.findall(r"\d+", match[0]))
    if inner or long or sum(map(skeleton.count, "?(|")) > _CHOICES:
        raise ValueError(f"{pattern!r:.60} is used as a regular expression and could take forever on some texts")


def _not_negative(value: int) -> None:
    if value < 0:
        raise ValueError(f"it should be 0 or more, not {value}")


def not_empty(value: str | list[Any]) -> None:
    if not (value.strip() if isinstance(value, str) else value):
        raise ValueError("it should not be empty")


Pattern = Annotated[str, searchable]
"""A text that the official code puts into a regular expression as it is, so that `Ms. Poe` matches `Msx Poe`."""
InnerPattern = Annotated[str, partial(searchable, then="x")]
"""The same, where more follows in the expression."""
Patterns = Annotated[list[Pattern], not_empty]
Text = Annotated[str, not_empty]
Count = Annotated[int, _not_negative]
Relation = Literal["less than", "at least"]


def holds(number: int, relation: Relation, threshold: int) -> bool:
    """Whether a count is `less than` or `at least` the threshold."""
    return number < threshold if relation == "less than" else number >= threshold
