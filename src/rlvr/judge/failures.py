"""What the failure of a test says about the program: whose fault it was, and a short text that shows why."""

import reprlib
from typing import Any

from rlvr.judge.codec import TooLargeError
from rlvr.judge.handles import SOURCE
from rlvr.judge.standins import is_remote

TESTS = "<tests>"
"""File name of the tests in tracebacks."""
_TOO_BIG_FILE = 27


class _Shown(reprlib.Repr):
    """Short texts for values, without the quadratic cost of printing a huge number."""

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if abs(x) < 1 << 200 else f"<a number of {x.bit_length()} bits>"


_shown = _Shown()
_shown.maxstring = _shown.maxother = 120
_shown.maxlist = _shown.maxtuple = _shown.maxdict = _shown.maxset = 20


def classify(error: BaseException, source: str, results: list[Any]) -> tuple[str, str]:
    """Whose exception it was decides: the candidate's is an error of its program, ours that its answer was wrong."""
    details = getattr(error, "__dict__", {})
    line, theirs = 0, "remote_text" in details
    step = error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        line = step.tb_lineno if name == TESTS else line
        theirs = theirs or name == SOURCE
        step = step.tb_next
    lines = source.split("\n")
    where = shorten((lines[line - 1] if 0 < line <= len(lines) else source).strip())
    text = shorten(str(details["remote_text"]) if "remote_text" in details else _text(error))
    kind = type(error).__name__
    if isinstance(error, MemoryError):
        return "memory_limit", f"{where}: {kind}: {text}"
    if isinstance(error, TooLargeError) or (theirs and isinstance(error, OSError) and error.errno == _TOO_BIG_FILE):
        return "output_limit", f"{where}: {text}"
    if theirs:
        at = f" (line {details['remote_line']})" if details.get("remote_line") else ""
        return "early_exit" if isinstance(error, SystemExit) else "runtime_error", f"{where}: {kind}: {text}{at}"
    if isinstance(error, NameError):
        return "runtime_error", f"{where}: {kind}: {text}"
    if not isinstance(error, AssertionError):
        return "wrong_answer", f"{where}: {kind}: {text}"
    if len(results) == 1 and not is_remote(results[0]):
        return "wrong_answer", f"{where}: got {_show(results[0])}"
    return "wrong_answer", f"{where}: {text}" if text else where


def _show(value: Any) -> str:
    try:
        return shorten(_shown.repr(value))
    except BaseException:
        return f"<a {type(value).__name__}>"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # an object of the program that is part of the message may raise anything
        return ""


def shorten(text: str, limit: int = 240) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
