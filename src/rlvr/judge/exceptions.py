"""Stand-ins for exceptions of the other process and their classes: real ones, since `except` takes nothing else."""

from typing import Any

from rlvr.judge.standins import Asks, ask


class _ExceptionType(type):
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return ask(cls, "special", "__call__", *args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return ask(cls, "getattr", name)


def _attribute_of_exception(self: Any, name: str) -> Any:
    if name.startswith(("__", "_Remote__")):
        raise AttributeError(name)
    return ask(self, "getattr", name)


def is_exception_class(value: Any) -> bool:
    """Whether a class can be raised and caught on this side."""
    return type(value) in (type, _ExceptionType) and issubclass(value, BaseException)


def exception_class(name: str, bases: tuple[type, ...], peer: Asks, handle: int) -> type:
    space = {
        "__getattr__": _attribute_of_exception,
        "__str__": lambda self: vars(self).get("remote_text", ""),
        "_Remote__handle": handle,
        "_Remote__peer": peer,
    }
    return type.__call__(_ExceptionType, name, bases, space)
