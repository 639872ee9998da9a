"""Stand-ins for instances of subclasses of builtin types: they are their plain value, which is all that tests compare.

One that can be changed in place is a container that both processes have: its items go along whenever the other process
is asked something about it, and come back. What its class overrides counts only for an object that the tests have made
themselves, as in `standins`; an answer that overrides `__len__` or `__contains__` could be whatever tests look for.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from rlvr.judge import specials, standins

CHANGING = (list, dict, set, bytearray)
_NEVER = {
    *specials.COMPARISONS,
    *specials.DIFFERENCES,
    *specials.CONVERSIONS,
    *specials.VERDICTS,
    "__hash__",
    "__call__",
}
_OVERRIDABLE = {*specials.SPECIALS, "__missing__"}


def view_class(name: str, number: int, base: type) -> type:
    """A subclass of a builtin type that behaves as its plain value and forwards only attributes that this lacks.

    number: of the real class.
    """
    space: dict[str, Any] = {"_Remote__own": staticmethod(_own), "_Remote__of_class": number, "_Remote__owned": {}}
    if base in CHANGING:
        space |= {"__getattr__": _attribute, "__setattr__": _set, "__copy__": _copy, "__deepcopy__": _deepcopy}
    else:
        space["__getattr__"] = standins.Remote.__getattr__
    return type(name, (base,), space)


def overridden(cls: type) -> tuple[str, ...]:
    """What a subclass of a builtin type defines in the place of what that has."""
    base = next(each for each in cls.__mro__ if each.__module__ == "builtins")
    own = {name for each in cls.__mro__[: cls.__mro__.index(base)] for name in vars(each)}
    return tuple(sorted(name for name in own if hasattr(base, name) or name == "__missing__"))


def _own(view: Any, names: Iterable[Any]) -> None:
    """The tests have made this: what its class overrides is what they are to find."""
    counting = tuple(name for name in names if _may_count(name))
    classes = type(view)._Remote__owned
    if counting not in classes:
        classes[counting] = _made_class(type(view), counting)
    view.__class__ = classes[counting]


def seen_again(value: Any) -> Any:
    """A stand-in that came a second time: whoever made it, now it is an answer."""
    if hasattr(type(value), "_Remote__of_class"):
        vars(value)["_Remote__new"] = False
        if hasattr(type(value), "_Remote__plain"):
            value.__class__ = type(value)._Remote__plain
        return value
    return standins.seen_again(value)


def is_changing(value: Any) -> bool:
    """Whether a stand-in has items of its own, which have to go along with it."""
    return isinstance(value, CHANGING)


def _made_class(plain: type, names: tuple[str, ...]) -> type:
    space: dict[str, Any] = {name: _forward(name) for name in names}
    if "__missing__" in names:
        space.setdefault("__getitem__", _forward("__getitem__"))
    return type(plain.__name__, (plain,), {**space, "_Remote__plain": plain})


def _may_count(name: Any) -> bool:
    return type(name) is str and name not in _NEVER and (name in _OVERRIDABLE or not name.startswith("_"))


def _forward(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _call(self, name, *args, **kwargs)

    return method


def _call(view: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    return view._Remote__peer.ask("method", None, view, name, *args, **kwargs)


def _attribute(view: Any, name: str) -> Any:
    if standins.is_closed(view, name):
        raise AttributeError(name)
    value = view._Remote__peer.ask("getattr", None, view, name)
    return partial(_call, view, name) if type(value) is standins.METHOD else value


def _set(view: Any, name: str, value: Any) -> None:
    if name == "__class__":
        object.__setattr__(view, name, value)
    else:
        view._Remote__peer.ask("setattr", None, view, name, value)


def _copy(view: Any) -> Any:
    return view._Remote__peer.ask("copy", None, view, False)


def _deepcopy(view: Any, memo: Any) -> Any:
    return view._Remote__peer.ask("copy", None, view, True)
