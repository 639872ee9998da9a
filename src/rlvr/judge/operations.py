"""What one process may have the other do with an object that it holds a handle of.

The candidate may use what it was handed in few ways (`guarded`): it can call a function of the tests, never open it for
its globals.
"""

import copy
import types
from collections.abc import Callable
from typing import Any

from rlvr.judge import guards, signatures, specials, views

Operation = Callable[..., Any]


def operations(*, guarded: bool) -> dict[str, Operation]:
    """By name. Each takes the object and what the other process gave with it; guarded: True in the tests' process."""
    return {
        "special": _special(guarded),
        "getattr": _attribute(getattr, guarded),
        "setattr": _attribute(setattr, guarded),
        "delattr": _attribute(delattr, guarded),
        "method": _method(guarded),
        "describe": _describe,
        "overridden": views.overridden,
        "dir": _looking(dir, guarded),
        "space": _looking(lambda target: types.MappingProxyType(vars(target)), guarded),
        "parameters": _parameters(guarded),
        "copy": lambda target, deep: copy.deepcopy(target) if deep else copy.copy(target),
    }


def _special(guarded: bool) -> Operation:
    def use(target: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        kind = type(target)
        of_generator = name in specials.GENERATOR_METHODS and kind is types.GeneratorType
        if name not in specials.SPECIALS and not of_generator:
            raise AttributeError(name)
        if name != "__call__":
            return getattr(kind, name)(target, *args, **kwargs)
        if guarded and not guards.may_call(target):
            raise TypeError(f"{target.__name__!r} of the tests is closed")
        return target(*args, **kwargs)

    return use


def _attribute(use: Operation, guarded: bool) -> Operation:
    def using(target: Any, name: str, *args: Any) -> Any:
        if guarded and not guards.is_open(target, name, use):
            raise AttributeError(f"{name!r} of the tests' objects is closed")
        return use(target, name, *args)

    return using


def _method(guarded: bool) -> Operation:
    def use(target: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        if guarded and not guards.is_open(target, name, getattr):
            raise AttributeError(f"{name!r} of the tests' objects is closed")
        found = getattr(target, name)
        if guarded and not guards.may_call(found):
            raise TypeError(f"{name!r} of the tests is closed")
        return found(*args, **kwargs)

    return use


def _looking(look: Operation, guarded: bool) -> Operation:
    def use(target: Any) -> Any:
        if guarded:
            raise AttributeError("the tests' objects are closed")
        return look(target)

    return use


def _parameters(guarded: bool) -> Operation:
    def use(target: Any) -> signatures.Parameters:
        if not guarded:
            raise AttributeError("tests that look at the program's code run in its process")
        return signatures.parameters(target)

    return use


def _describe(cls: type) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Name, special methods of its objects, special methods of its own."""
    return cls.__name__, tuple(specials.specials_of(cls)), tuple(specials.specials_of(type(cls)))
