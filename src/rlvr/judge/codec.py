"""Plain data as bytes, for the channel between the candidate's process and the tests' process.

Only exact builtin types have a tag; nothing that is read can run code or name what is not listed below.
Whatever can be changed in place (lists, dicts, sets, bytearrays, deques, arrays ...) is numbered in the order in which
it is written, and a second sight of it is a reference to its number, so shared and cyclic structures keep their shape
and the reader can tell "the list you gave me" from a copy. What is not plain data is left to `export` and `load`, which
turn it into handles (see `handles`). Here is what both sides agree on; `encoding` writes, `decoding` reads, `arrays`
does both for numpy.

Numbers are hexadecimal and end with `;`. Tags: N T F none and booleans · i int · f float · c complex · s str ·
b bytes · a bytearray · l list · t tuple · e set · z frozenset · d dict · r range · q slice · w view of a dict ·
j list of machine numbers · R reference · x a standard-library value · m a standard-library container · y Y an array and
a scalar of numpy · n a class, function or singleton by name · H h u E X v V k handles.
"""

import builtins
import dataclasses
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

MAX_DEPTH = 200
MAX_FRAME = 32 << 20
"""Bytes of one frame; a larger value cannot cross."""

DOUBLE = struct.Struct("<d")


class MalformedError(Exception):
    """Bytes that no encoder of ours writes, or that nest too deep."""


class TooLargeError(Exception):
    """A value that would need a frame of more than `MAX_FRAME` bytes."""


# What crosses by name: classes, singletons, and functions that only look at what they are given.
_PURE = (
    "abs", "all", "any", "ascii", "bin", "callable", "chr", "divmod", "format", "hash", "hex", "isinstance",
    "issubclass", "iter", "len", "max", "min", "next", "oct", "ord", "pow", "repr", "round", "sorted", "sum",
)  # fmt: skip
BY_NAME: dict[str, Any] = {
    "NoneType": type(None),
    **{name: getattr(builtins, name) for name in ("Ellipsis", "NotImplemented", *_PURE)},
    **{name: value for name, value in vars(builtins).items() if isinstance(value, type)},
    # By which `dataclasses.fields` and all that is built on it know a field.
    **{f"dataclasses.{name}": getattr(dataclasses, name) for name in ("MISSING", "_FIELD", "_FIELD_CLASSVAR")},
}
NAMES = {id(value): name.encode() for name, value in BY_NAME.items()}

# Values of the standard library: how each becomes plain arguments of its class.
VALUES: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "fractions.Fraction": lambda value: (value.numerator, value.denominator),
    "decimal.Decimal": lambda value: (str(value),),
    "datetime.date": lambda value: (value.year, value.month, value.day),
    "datetime.time": lambda value: (value.hour, value.minute, value.second, value.microsecond, value.tzinfo),
    "datetime.datetime": lambda value: (*value.timetuple()[:6], value.microsecond, value.tzinfo),
    "datetime.timedelta": lambda value: (value.days, value.seconds, value.microseconds),
    "datetime.timezone": lambda value: (value.utcoffset(None),),
    "uuid.UUID": lambda value: (value.hex,),
    **{
        f"{module}.{name}": lambda value: (str(value),)
        for module in ("pathlib", "pathlib._local")
        for name in ("PosixPath", "PurePosixPath")
    },
}
_ARGUMENTS = {"builtins.int", "builtins.str", "builtins.NoneType", "datetime.timedelta", "datetime.timezone"}

# Containers of the standard library: what an empty one is made of, and how.
CONTAINERS: dict[str, tuple[Callable[[Any], tuple[Any, ...]], Callable[..., Any]]] = {
    "collections.Counter": (lambda value: (), Counter),
    "collections.OrderedDict": (lambda value: (), OrderedDict),
    "collections.defaultdict": (lambda value: (value.default_factory,), defaultdict),
    "collections.deque": (lambda value: (value.maxlen,), lambda longest: deque(maxlen=longest)),
}
VIEWS: dict[type, tuple[bytes, Callable[[list[Any]], Any]]] = {
    type({}.keys()): (b"k", lambda items: dict.fromkeys(items).keys()),
    type({}.values()): (b"v", lambda items: dict(enumerate(items)).values()),
    type({}.items()): (b"i", lambda items: dict(items).items()),
}
VIEW_MAKERS = {tag[0]: make for tag, make in VIEWS.values()}


def items_of(value: dict[Any, Any]) -> Any:
    """Those of a dict, whatever its class says of them; in their own order, which some keep beside."""
    return OrderedDict.items(value) if isinstance(value, OrderedDict) else dict.items(value)


def are_plain(arguments: tuple[Any, ...]) -> bool:
    kinds = {f"{type(argument).__module__}.{type(argument).__name__}" for argument in arguments}
    return kinds <= _ARGUMENTS
