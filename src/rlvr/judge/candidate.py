"""The candidate's process: runs the program when it is asked to, then answers what the tests' process asks of it.

Nothing here is trusted. The process holds four descriptors: an empty input, two capped places for output, and the
channel, on which nothing that it says is a verdict.
"""

import builtins
import functools
import gc
import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from rlvr.judge import telltales
from rlvr.judge.handles import SOURCE
from rlvr.judge.peer import Peer
from rlvr.judge.wire import Gone

MODULE = "solution"
CHANNEL = 3
_PROGRAM_BYTES = 4 << 20


def load(program: bytes, name: str = MODULE, *, again: bool = False) -> tuple[str, str, dict[str, Any]]:
    """Run a program as a module; again: as the one that there is.

    Returns how that ended (`finished` or an outcome), why, and the module's names.
    """
    module = sys.modules[name] if again and name in sys.modules else types.ModuleType(name)
    module.__file__ = SOURCE
    sys.modules[name] = module
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
    """The same start for every program: once in the zygote, which itself draws no random numbers."""
    sys.modules["random"].seed(0)
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed(0)
    sys.set_int_max_str_digits(0)
    sys.setrecursionlimit(1100)


class Candidate:
    """All that a candidate's process needs, made by the zygote: what a fork makes anew costs it pages of memory."""

    def __init__(self, channel: int = CHANNEL) -> None:
        self._prints = _Prints()
        self._peer = Peer(channel, guarded=False, printed=self._prints.new, noticed=telltales.fresh)
        self._peer.operations["load"] = self._load
        self._program = b""

    def serve(self, program: bytes) -> NoReturn:
        """The whole life of a candidate's process; the caller has set descriptors, folder and limits."""
        gc.enable()
        try:
            telltales.watch(program)
            self.answer(program)
        except BaseException:
            os._exit(0)

    def answer(self, program: bytes) -> NoReturn:
        """Do what the tests' process asks for until it hangs up, which raises `Gone`."""
        self._program = program
        self._peer.answer_all()

    def _load(self, name: str, wanted: list[str], watched: list[str], again: bool) -> tuple[str, str, Any]:
        self._prints.watched = "output" in watched
        if watched:
            _borrow(self._peer, watched)
        ended, why, names = load(self._program, name, again=again)
        telltales.compare()
        if not wanted:
            return ended, why, sys.modules.get(name)
        return ended, why, {key: names[key] for key in wanted if key in names}


class _Prints:
    """What the program has printed, which is in the two files behind its output and its errors."""

    def __init__(self) -> None:
        self.watched = False
        self._streams = sys.stdout, sys.stderr
        self._shown = [0, 0]

    def new(self) -> tuple[bytes, bytes]:
        """What came since the last call, where the tests watch it; all of it is in the files now."""
        for stream in self._streams:
            try:
                stream.flush()
            except Exception:
                continue
        if not self.watched:
            return b"", b""
        found = []
        for number in (0, 1):
            size = os.fstat(number + 1).st_size
            found.append(os.pread(number + 1, size - self._shown[number], self._shown[number]))
            self._shown[number] = size
        return found[0], found[1]


class _Input:
    """`sys.stdin` of the tests, for programs whose tests put something there."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args: self._ask("borrowed", None, f"stdin.{name}", *args)

    def __iter__(self) -> Iterator[str]:
        return iter(self.readline, "")

    def __next__(self) -> str:
        if not (line := self.readline()):
            raise StopIteration
        return line


def _borrow(peer: Peer, watched: list[str]) -> None:
    """Let the program use what the tests may have put in the place of these."""
    for name in ("input", "print"):
        if name in watched:
            setattr(builtins, name, functools.partial(peer.ask, "borrowed", None, name))
            telltales.expect(name)
    if "input" in watched:
        sys.stdin = _Input(peer.ask)  # type: ignore[assignment]
