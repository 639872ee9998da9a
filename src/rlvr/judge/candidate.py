"""The candidate's process: runs the program, then answers what the tests' process asks of it.

Nothing here is trusted. The process holds four descriptors: an empty input, two capped places for output, and the
channel, on which nothing that it says is a verdict.
"""

import builtins
import gc
import os
import sys
import types
from typing import Any, NoReturn

from rlvr.judge.handles import SOURCE, Peer
from rlvr.judge.wire import Gone

MODULE = "solution"
CHANNEL = 3
_PROGRAM_BYTES = 4 << 20
# Those whose patching could move a verdict elsewhere. Looking at all of them would copy their pages in every child.
_WATCHED = ("abs", "all", "any", "isinstance", "len", "max", "min", "round", "sorted", "sum")
_PRISTINE = [(name, getattr(builtins, name)) for name in _WATCHED]


def load(program: bytes) -> tuple[str, str, dict[str, Any]]:
    """Run a program as a module. Returns how that ended (`finished` or an outcome), why, and the module's names."""
    module = types.ModuleType(MODULE)
    module.__file__ = SOURCE
    sys.modules[MODULE] = module
    if len(program) > _PROGRAM_BYTES:
        return "syntax_error", f"the program is longer than {_PROGRAM_BYTES >> 20} MiB", {}
    try:
        code = compile(program, SOURCE, "exec", dont_inherit=True)
    except BaseException as error:
        return "syntax_error", explain(error), {}
    try:
        exec(code, module.__dict__)
    except SystemExit as error:
        return "early_exit", f"the program left with {error.code!r:.50} while it was loaded", {}
    except MemoryError as error:
        return "memory_limit", explain(error), {}
    except BaseException as error:
        if isinstance(error, Gone):
            raise
        outcome = "output_limit" if isinstance(error, OSError) and error.errno == 27 else "runtime_error"
        return outcome, explain(error), {}
    return "finished", "", module.__dict__


def explain(error: BaseException) -> str:
    """`ValueError: text (line 3)`, shortened."""
    line, frame = getattr(error, "lineno", None), error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == SOURCE:
            line = frame.tb_lineno
        frame = frame.tb_next
    try:
        text = getattr(error, "msg", None) if isinstance(error, SyntaxError) else str(error)
    except BaseException:
        text = ""
    return f"{type(error).__name__}: {str(text)[:300]}" + (f" (line {line})" if line else "")


def settle() -> None:
    """The same start for every program."""
    sys.modules["random"].seed(0)  # imported by the zygote, which keeps it from seeding itself anew
    sys.set_int_max_str_digits(0)
    sys.setrecursionlimit(1100)
    gc.enable()


def serve(program: bytes) -> NoReturn:
    """The whole life of a candidate's process; the caller has set descriptors, folder and limits."""
    stdout, stderr = sys.stdout, sys.stderr
    settle()
    try:
        ended, why, names = load(program)

        def flush() -> None:
            for stream in (stdout, stderr):
                try:
                    stream.flush()
                except Exception:
                    continue

        peer = Peer(CHANNEL, guarded=False, before_reply=flush)

        def look_up(*wanted: str) -> tuple[str, str, bool, dict[str, Any]]:
            patched = any(builtins.__dict__.get(name) is not value for name, value in _PRISTINE)
            return ended, why, patched, {name: names[name] for name in wanted if name in names}

        peer.operations["names"] = look_up
        peer.answer_all()
    except BaseException:
        os._exit(0)
    os._exit(0)
