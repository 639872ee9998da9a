"""What a program may do with objects of the tests that it was handed: use them as their class means it, no more.

By what lies behind them (globals of a function, a class that reads any attribute, what a mock is set up to say) it
could find expected answers, or make an object on the tests' side that is equal to everything.
"""

import operator
import string
import sys
import types
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_SEALED = (
    *FUNCTIONS, type, types.ModuleType, types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType,
    types.FrameType, types.TracebackType, types.CodeType, string.Formatter,
)  # fmt: skip
_OF_FUNCTIONS = ("__name__", "__qualname__", "__doc__")
"""What can be seen of a function: what `functools.wraps` copies."""
_READERS = (type, operator.attrgetter, operator.methodcaller, string.Formatter)
"""Classes whose objects open others, or are classes themselves."""


def is_open(target: Any, name: str, use: Callable[..., Any]) -> bool:
    """Whether an attribute may be used so. use: `getattr`, `setattr` or `delattr`."""
    if isinstance(target, FUNCTIONS) and name in _OF_FUNCTIONS:
        return use is getattr
    return not name.startswith("_") and not isinstance(target, _SEALED) and not _is_of_mock(target, name)


def may_call(target: Any) -> bool:
    """Whether an object may be called: all but classes by which one could get at more than was handed over."""
    return not (isinstance(target, type) and (issubclass(target, _READERS) or _is_of_mock(target, "configure_mock")))


def handed(value: Any) -> Any:
    """What a function of the tests gets where the candidate names this: it may call what it gets on whatever else it
    gets, as `lambda f, *args: f(*args)` does."""
    return value if may_call(value) else _closed


def _closed(*_: Any, **__: Any) -> NoReturn:
    raise TypeError("a class of the tests that is closed")


def _is_of_mock(target: Any, name: str) -> bool:
    """Whether this is what tests set up or ask a mock by, not what the mock stands for."""
    mock = sys.modules.get("unittest.mock")
    cls = target if isinstance(target, type) else type(target)
    return mock is not None and issubclass(cls, mock.NonCallableMock) and name in _names_of_mocks()


@cache
def _names_of_mocks() -> frozenset[str]:
    return frozenset(dir(sys.modules["unittest.mock"].Mock()))
