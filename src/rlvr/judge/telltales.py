"""What a program does that no solution needs, noticed in its own process: facts for statistics, never for a verdict.

A program can hide from all of this. That it gains nothing by what is noticed here is the business of the other files.
"""

import builtins
import math
import os
import re
import sys
from typing import Any

KINDS = frozenset({"patched_builtins", "reads_tests"})
_JUDGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_SOURCE = "solution.py"
_SHARED = (builtins, math)
_CHANGING = ("_", "__name__")
_PRISTINE = [(vars(module), {k: v for k, v in vars(module).items() if k not in _CHANGING}) for module in _SHARED]
_WAYS = (
    b"builtins", b"math", b"__dict__", b"__self__", b"attr", b"eval", b"exec", b"globals", b"import_", b"modules",
    b"patch", b"vars",
)  # fmt: skip
"""One of these stands in every program that replaces something of a module and does not hide it."""
_MEMORY = re.compile(r"/proc/(self|thread-self|\d+)/(mem|maps|fd|environ|cmdline|task|root|cwd|map_files|stack)\b")
_LOOKS = frozenset(
    {
        "gc.get_objects", "gc.get_referrers", "gc.get_referents", "sys._current_frames", "sys._getframe",
        "object.__getattr__",
    }
)  # fmt: skip
_INSIDES = frozenset({"tb_frame", "gi_frame", "cr_frame", "f_code"})
_WALKER = f"{os.sep}inspect.py"
"""Looks for whoever asked it; that packages ask as they are imported is nobody's doing."""
_BUILTINS = vars(builtins)
_QUICK = [(name, _BUILTINS[name]) for name in ("abs", "all", "any", "isinstance", "len", "max", "min", "round", "sum")]
_may_replace = True
_noticed: set[str] = set()
_told: set[str] = set()
_asking: list[bool] = []


def watch(program: bytes) -> None:
    """From now on, notice looks at frames, at objects that nobody handed over, and at files of the judge; and what is
    replaced, where the text of the program could do that: looking copies pages of memory."""
    global _may_replace
    _may_replace = any(way in program for way in _WAYS)
    sys.addaudithook(_notice)


def expect(name: str) -> None:
    """A builtin was replaced by ourselves."""
    _PRISTINE[0][1][name] = getattr(builtins, name)


def compare() -> None:
    """Look whether anything that all programs share was replaced."""
    if _may_replace and not all(before.items() <= now.items() for now, before in _PRISTINE):
        _noticed.add("patched_builtins")


def fresh() -> list[str]:
    """What was noticed since the last call. Called before each answer, so it looks at few things itself."""
    for name, value in _QUICK if _may_replace else ():
        if _BUILTINS.get(name) is not value:
            _noticed.add("patched_builtins")
    new = sorted(_noticed - _told)
    _told.update(new)
    return new


def seen() -> list[str]:
    """All that was noticed by now, in a process that tells it only once."""
    compare()
    return fresh()


def _notice(event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        path = args[0]
        if type(path) is bytes:
            path = path.decode(errors="replace")
        if type(path) is str and (path.startswith(_JUDGE) or _MEMORY.match(path)):
            _noticed.add("reads_tests")
    elif event in _LOOKS and (event != "object.__getattr__" or args[1] in _INSIDES) and not _asking:
        _asking.append(True)  # what follows causes such an event itself
        caller: Any = sys._getframe(1)
        while caller and caller.f_code.co_filename.endswith(_WALKER):
            caller = caller.f_back
        if caller and caller.f_code.co_filename == _SOURCE:
            _noticed.add("reads_tests")
        _asking.pop()
