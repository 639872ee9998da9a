"""Stand-ins for objects of the other process: they have the special methods of the real class and forward every use.

A stand-in is never equal to or ordered against plain data, whatever its class claims: an `__eq__` of the candidate
decides only between two objects of the candidate. One that is always true would pass every test. For the same reason
`x in answer` looks through the answer, and there are no `answer - 5` and `answer.startswith("x")`, by which tests
compare, too.

This is different for objects that the tests have made themselves, of a class that they asked for by name, as long as
the program does not hand them out as an answer. An answer of such a class has differences to plain data, but they are
objects, and never become numbers.
"""

import types
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from rlvr.judge import signatures
from rlvr.judge.specials import (
    COMPARISONS,
    CONVERSIONS,
    DIFFERENCES,
    GENERATOR_METHODS,
    MEASURES,
    PRODUCTS,
    SPECIALS,
    VERDICTS,
)

# A number in these is taken for an address in memory; the others would be the way of a stand-in to itself.
_CLOSED = ("__array", "__cuda", "__dlpack", "__buffer", "_Remote__")
_OF_MOCKS = {
    "assert_called", "assert_called_with", "assert_called_once", "assert_called_once_with", "assert_any_call",
    "assert_has_calls", "assert_not_called",
}  # fmt: skip
"""What tests ask a mock of theirs, in whose place a program can put something."""


class Asks(Protocol):
    """The end of the channel that a stand-in asks through."""

    guarded: bool
    """Whether this is the tests' process, which believes little."""
    telltales: set[str]
    turns: int
    """How often something was asked that may have changed an object."""

    def ask(self, operation: str, target: int | None, *args: Any, **kwargs: Any) -> Any: ...


class Remote:
    """Stand-in for an object of the other process; subclasses, one per remote class, carry its special methods."""

    __slots__ = ("__differs", "__handle", "__made", "__peer", "__said", "__weakref__")
    __peer: Asks
    __handle: int
    __differs: bool
    """Whether it came of a difference to plain data."""
    __made: bool | None
    """Whether the tests have made it; None: it was seen once only."""
    __said: dict[Any, Any]
    """What numbers it said it is in this turn, by question."""

    def __getattr__(self, name: str) -> Any:
        if is_closed(self, name):
            raise AttributeError(name)
        return ask(self, "getattr", name)

    def __setattr__(self, name: str, value: Any) -> None:
        ask(self, "setattr", name, value)

    def __delattr__(self, name: str) -> None:
        ask(self, "delattr", name)

    def __dir__(self) -> list[str]:
        return [str(name) for name in ask(self, "dir")]

    def __copy__(self) -> Any:
        return ask(self, "copy", False)

    def __deepcopy__(self, memo: Any) -> Any:
        return ask(self, "copy", True)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"cannot pickle a {type(self).__name__!r} object of the program")


class _Doc:
    """`__doc__` of a stand-in, which would be that of its class."""

    def __get__(self, stand_in: Any, owner: type) -> Any:
        where = owner if stand_in is None and isinstance(owner, RemoteType) else stand_in
        return None if where is None else ask(where, "getattr", "__doc__")


_DOC = _Doc()


class RemoteType(type):
    """Class of those stand-ins whose own class can be used too, because it is itself the stand-in of the real class."""

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> Any:
        if any(isinstance(base, RemoteType) for base in bases):
            raise TypeError("no class can be derived from one of the other process")
        return type.__new__(cls, name, bases, space)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        value = ask(cls, "special", "__call__", *args, **kwargs)
        if not _is_asked_for(cls):
            return value
        if type(value) is cls and value._Remote__made is None:
            object.__setattr__(value, "_Remote__made", True)
        elif getattr(type(value), "_Remote__of_class", None) == handle_of(cls) and vars(value)["_Remote__new"]:
            type(value)._Remote__own(value, ask(cls, "overridden"))
        return value

    def __getattr__(cls, name: str) -> Any:
        if name.startswith(_CLOSED) or name == "__abstractmethods__":
            raise AttributeError(name)
        return ask(cls, "getattr", name)

    def __setattr__(cls, name: str, value: Any) -> None:
        ask(cls, "setattr", name, value)

    def __delattr__(cls, name: str) -> None:
        ask(cls, "delattr", name)

    @property
    def __dict__(cls) -> Any:  # type: ignore[override]
        """What is in the real class, for whoever saves a method before replacing it."""
        return space_of(cls)

    def __instancecheck__(cls, other: Any) -> bool:
        return is_remote(other) and bool(ask(cls, "special", "__instancecheck__", other))

    def __subclasscheck__(cls, other: Any) -> bool:
        return is_remote(other) and bool(ask(cls, "special", "__subclasscheck__", other))


_own_space = vars(type)["__dict__"].__get__


_STAND_INS = (Remote, RemoteType)


def is_remote(value: Any) -> bool:
    return isinstance(value, _STAND_INS) or "_Remote__handle" in getattr(value, "__dict__", ())


def handle_of(value: Any) -> int:
    return _own_space(value)["_Remote__number"] if isinstance(value, RemoteType) else value._Remote__handle


def instance(cls: type, peer: Asks, handle: int) -> Remote:
    """A stand-in of a class; calling the class would make an object in the other process."""
    made = object.__new__(cls)
    object.__setattr__(made, "_Remote__peer", peer)
    object.__setattr__(made, "_Remote__handle", handle)
    object.__setattr__(made, "_Remote__differs", False)
    object.__setattr__(made, "_Remote__made", None)
    object.__setattr__(made, "_Remote__said", {})
    return made


def seen_again(value: Any) -> Any:
    """A stand-in that came a second time: whoever made it, now it is an answer."""
    if isinstance(value, Remote):
        object.__setattr__(value, "_Remote__made", False)
    return value


def mark(value: Any, peer: Asks, handle: int) -> None:
    """Make an object with a `__dict__` forward what it lacks."""
    value.__dict__.update(_Remote__peer=peer, _Remote__handle=handle, _Remote__new=True)


def space_of(stand_in: Any) -> Any:
    """What is in the real module or class, as it changes."""
    return ask(stand_in, "space")


def ask_for(cls: Any) -> None:
    """The tests use this class by name: what its objects hold and say are the answers that they ask for."""
    if isinstance(cls, RemoteType):
        type.__setattr__(cls, "_Remote__asked_for", True)


def is_closed(stand_in: Any, name: str) -> bool:
    """Whether an attribute of a stand-in is not asked for."""
    return name.startswith(_CLOSED) or name in _OF_MOCKS or (name in VERDICTS and not _is_made(stand_in))


def _is_made(stand_in: Any) -> bool:
    return isinstance(stand_in, Remote) and stand_in._Remote__made is True


def known_class(name: str, specials: Iterable[str], like: type, **extra: Any) -> type[Remote]:
    """A class that no remote class stands behind. like: what `isinstance` takes its objects for."""
    space = {"__slots__": (), "__doc__": _DOC, "__class__": property(lambda self: like)}
    return type(name, (Remote,), {**space, **_methods(specials), **extra})


def _bind(function: Any, instance: Any, owner: Any = None) -> Any:
    return function if instance is None else types.MethodType(function, instance)


def class_of_specials(
    name: str, specials: Iterable[Any], of_its_class: Iterable[Any], peer: Asks, handle: int
) -> type[Remote]:
    """The stand-in of a class, which makes those of its objects. of_its_class: special methods of its metaclass."""
    more = {key: method for key, method in _methods(of_its_class).items() if key not in vars(RemoteType)}
    meta = type("type", (RemoteType,), more) if more else RemoteType
    space = {"__slots__": (), "__doc__": _DOC, "_Remote__of": peer, "_Remote__number": handle, **_methods(specials)}
    return type.__call__(meta, name, (Remote,), space)


def ask(stand_in: Any, operation: str, *args: Any, **kwargs: Any) -> Any:
    if isinstance(stand_in, RemoteType):
        return _peer_of(stand_in).ask(operation, handle_of(stand_in), *args, **kwargs)
    return stand_in._Remote__peer.ask(operation, stand_in._Remote__handle, *args, **kwargs)


def _methods(specials: Iterable[Any]) -> dict[str, Any]:
    methods: dict[str, Any] = {special: _METHODS[special] for special in specials if special in _METHODS}
    if "__eq__" in methods and "__hash__" not in methods:
        methods["__hash__"] = None
    return methods


def _special(name: str) -> Callable[..., Any]:
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        return ask(self, "special", name, *args, **kwargs)

    def compare(self: Any, other: Any) -> Any:
        if is_remote(other) or _is_of_tests(self):
            return ask(self, "special", name, other)
        if other is not None:
            _peer_of(self).telltales.add("odd_return_type")
        return NotImplemented

    def contains(self: Any, item: Any) -> bool:
        if is_remote(item) or _is_made(self) or _is_of_tests(self):
            return bool(ask(self, "special", name, item))
        return any(other is item or other == item for other in self)

    def differ(self: Any, other: Any, *more: Any) -> Any:
        if _differs(self) or _differs(other):
            return _as_difference(ask(self, "special", name, other, *more))
        # What plain data does not have (a path's `/ "name"`), tests do not use on an answer that should be plain.
        allowed = _is_made(self) or is_remote(other) or _is_of_tests(self)
        if allowed or not hasattr(type(other), DIFFERENCES[name]):
            return ask(self, "special", name, other, *more)
        if not _is_asked_for(type(self)) or type(other).__module__ == "numpy":
            _peer_of(self).telltales.add("odd_return_type")
            return NotImplemented
        return _as_difference(ask(self, "special", name, other, *more))

    def measure(self: Any, *args: Any) -> Any:
        if _is_of_tests(self):
            return ask(self, "special", name, *args)
        if name in CONVERSIONS and isinstance(self, Remote) and not _is_made(self):
            value = _said_before(self, name, args)
        elif name in PRODUCTS and _is_unknown(self):
            return _as_difference(ask(self, "special", name, *args))
        else:
            value = ask(self, "special", name, *args)
        return _as_difference(value) if _differs(self) or any(map(_differs, args)) else value

    def enter(self: Any) -> Any:
        made, value = _is_made(self), ask(self, "special", name)
        if value is self:
            object.__setattr__(self, "_Remote__made", made)
        return value

    if name in COMPARISONS:
        return compare
    if name in DIFFERENCES:
        return differ
    if name in MEASURES:
        return measure
    return {"__contains__": contains, "__enter__": enter}.get(name, forward)


def _peer_of(stand_in: Any) -> Asks:
    return _own_space(stand_in)["_Remote__of"] if isinstance(stand_in, RemoteType) else stand_in._Remote__peer


def _is_of_tests(stand_in: Any) -> bool:
    """Whether it stands for an object of the tests, in the program's process: whatever that says is right."""
    return not _peer_of(stand_in).guarded


def _said_before(stand_in: Remote, name: str, args: tuple[Any, ...]) -> Any:
    """What an object said to this question; asked again only where something has happened meanwhile."""
    turn, said = stand_in._Remote__peer.turns, stand_in._Remote__said
    if said.get("turn") != turn:
        said.clear()
        said["turn"] = turn
    if (name, args) not in said:
        said[name, args] = ask(stand_in, "special", name, *args)
    return said[name, args]


def _is_unknown(stand_in: Any) -> bool:
    """Whether this is an answer of a class that the tests do not name: they expect plain data, not its arithmetic."""
    return isinstance(stand_in, Remote) and not _is_made(stand_in) and not _is_asked_for(type(stand_in))


def _is_asked_for(cls: type) -> bool:
    return "_Remote__asked_for" in _own_space(cls)


def _differs(value: Any) -> bool:
    return isinstance(value, Remote) and value._Remote__differs


def _as_difference(value: Any) -> Any:
    """Raises `TypeError` for a number, which could say that nothing differs."""
    if not isinstance(value, Remote):
        raise TypeError("the difference between an object of the program and plain data is no plain data")
    object.__setattr__(value, "_Remote__differs", True)
    return value


_METHODS = {name: _special(name) for name in (*SPECIALS, *GENERATOR_METHODS)}


def _of_parameters(make: Callable[[Any], Any]) -> property:
    return property(lambda self: make(ask(self, "parameters")))


FUNCTION = known_class(
    "function",
    ("__call__",),
    types.FunctionType,
    __get__=_bind,
    __code__=_of_parameters(signatures.code),
    __defaults__=_of_parameters(signatures.defaults),
    __signature__=_of_parameters(signatures.signature),
)
METHOD = known_class("method", ("__call__",), types.MethodType)
GENERATOR = known_class("generator", ("__iter__", "__next__", *GENERATOR_METHODS), types.GeneratorType)
