"""Stand-ins for objects of the other process: they have the special methods of the real class and forward every use.

A stand-in is never equal to, ordered against, or found to contain plain data, whatever its class claims: an `__eq__`
of the candidate decides only between two objects of the candidate. One that is always true would pass every test.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

_COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_OTHERS = (
    "call len iter next getitem setitem delitem contains reversed hash bool int float complex index str repr format "
    "enter exit abs neg pos invert round instancecheck subclasscheck divmod"
)
_ARITHMETIC = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift"
SPECIALS = (
    *_COMPARISONS,
    *(f"__{name}__" for name in _OTHERS.split(" ")),
    *(f"__{side}{name}__" for name in _ARITHMETIC.split(" ") for side in ("", "r", "i")),
)


class _Asks(Protocol):
    telltales: set[str]

    def ask(self, operation: str, target: int | None, *args: Any, **kwargs: Any) -> Any: ...


class Remote:
    """Stand-in for an object of the other process; subclasses, one per remote class, carry its special methods."""

    __slots__ = ("__handle", "__peer", "__weakref__")

    def __init__(self, peer: _Asks, handle: int) -> None:
        object.__setattr__(self, "_Remote__peer", peer)
        object.__setattr__(self, "_Remote__handle", handle)

    def __getattr__(self, name: str) -> Any:
        return _ask(self, "getattr", name)

    def __setattr__(self, name: str, value: Any) -> None:
        _ask(self, "setattr", name, value)

    def __delattr__(self, name: str) -> None:
        _ask(self, "delattr", name)


def is_remote(value: Any) -> bool:
    return isinstance(value, Remote) or "_Remote__handle" in getattr(value, "__dict__", ())


def handle_of(value: Any) -> int:
    return value._Remote__handle


def mark(value: Any, peer: _Asks, handle: int | None = None) -> None:
    """Make an object with a `__dict__` forward what it lacks; without a handle, remember only whose it is."""
    value.__dict__["_Remote__peer"] = peer
    if handle is not None:
        value.__dict__["_Remote__handle"] = handle


def class_of_specials(name: str, specials: Iterable[Any]) -> type[Remote]:
    methods: dict[str, Any] = {special: _METHODS[special] for special in specials if special in _METHODS}
    if "__eq__" in methods and "__hash__" not in methods:
        methods["__hash__"] = None
    return type(name, (Remote,), {"__slots__": (), **methods})


def view_class(name: str, base: type) -> type:
    """A subclass of a builtin type that behaves as its plain value and forwards only attributes that this lacks."""
    return type(name, (base,), {"__getattr__": Remote.__getattr__})


def exception_class(name: str, base: type, handle: int) -> type:
    """A real exception class, since `except` takes nothing else."""
    return type(name, (base,), {"__getattr__": Remote.__getattr__, "_Remote__handle": handle})


def specials_of(cls: type) -> list[str]:
    """The special methods that a class has beyond those of every object."""
    own = [vars(base) for base in cls.__mro__ if base is not object]
    return [name for name in SPECIALS if next((space[name] for space in own if name in space), None) is not None]


def _ask(stand_in: Any, operation: str, *args: Any, **kwargs: Any) -> Any:
    return stand_in._Remote__peer.ask(operation, stand_in._Remote__handle, *args, **kwargs)


def _special(name: str) -> Callable[..., Any]:
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _ask(self, "special", name, *args, **kwargs)

    def compare(self: Any, other: Any) -> Any:
        if isinstance(other, Remote):
            return _ask(self, "special", name, other)
        self._Remote__peer.telltales.add("odd_equality")
        return NotImplemented

    def contains(self: Any, item: Any) -> bool:
        if isinstance(item, Remote):
            return bool(_ask(self, "special", name, item))
        return any(other is item or other == item for other in self)

    def check(self: Any, other: Any) -> bool:
        return is_remote(other) and bool(_ask(self, "special", name, other))

    if name in _COMPARISONS:
        return compare
    if name in ("__instancecheck__", "__subclasscheck__"):
        return check
    return contains if name == "__contains__" else forward


_METHODS = {name: _special(name) for name in SPECIALS}
