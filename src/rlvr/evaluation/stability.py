"""Do verdicts depend on the machine? Judge everything several times, under other worker counts and under load.

    found = stability("T.jsonl", "C.jsonl", "V.jsonl", repetitions=4)
    found.moved      # rows whose verdict was not the same each time

A program that is not deterministic itself moves too, and should: its reward is a draw.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rlvr.evaluation.verify import Summary, verify
from rlvr.judge.pool import cores
from rlvr.progress import Display
from rlvr.records import Record, Task
from rlvr.storage import read_lines, write_lines

# Ends with its parent, however that ended.
_BURN = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    sum(range(100000))\n"


@dataclass(frozen=True, slots=True)
class Condition(Record):
    """How one repetition was judged."""

    workers: int
    burners: int
    """Other processes that were busy all the time."""


@dataclass(frozen=True, slots=True)
class Moved(Record):
    """A row whose verdict was not the same each time."""

    task_id: str
    index: int
    """Its line in the completions, from 0."""
    outcomes: tuple[str, ...]
    """One for each repetition, in order."""
    tests_passed: tuple[int, ...]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Stability:
    summary: Summary
    """Of the first repetition, whose rows are the output."""
    conditions: tuple[Condition, ...]
    moved: tuple[Moved, ...]
    file: Path | None
    """Where the moved rows are listed; None: there are none."""


def conditions(repetitions: int, workers: int) -> tuple[Condition, ...]:
    """The first as asked for; then more workers on a busy machine, one alone, one on a busy machine, and so on."""
    workers = workers or cores()
    turns = [
        Condition(workers, 0),
        Condition(2 * workers, cores()),
        Condition(1, 0),
        Condition(1, cores()),
        Condition(2 * workers, 0),
    ]
    return tuple(turns[n % len(turns)] for n in range(repetitions))


def stability(
    tasks: str | Path | Iterable[Task],
    completions: str | Path,
    out: str | Path,
    *,
    repetitions: int,
    workers: int = 0,
    progress: Display | None = None,
    **options: Any,
) -> Stability:
    """`verify` that many times, each in a fresh sandbox; the first writes `out` and the errors beside it.

    options: the other arguments of `rlvr.evaluation.verify.verify`. Rows that moved go to the same path with
    `.moved.jsonl` in place of `.jsonl`. Raises `ValueError` for fewer than two repetitions, and what `verify` raises.
    """
    if repetitions < 2:
        raise ValueError(f"a verdict can only move between two repetitions or more, not in {repetitions}")
    tasks = tasks if isinstance(tasks, str | Path) else list(tasks)
    out = Path(out)
    turns = conditions(repetitions, workers)
    summaries: list[Summary] = []
    verdicts: list[list[dict[str, Any]]] = []
    with TemporaryDirectory(prefix="rlvr-audit-") as folder:
        for number, turn in enumerate(turns):
            path = Path(folder) / f"{number}.jsonl" if number else out
            if progress:
                progress.say(f"repetition {number + 1}/{repetitions}: {turn.workers} workers, {turn.burners} burners")
            with load(turn.burners):
                summaries.append(verify(tasks, completions, path, workers=turn.workers, progress=progress, **options))
            verdicts.append([row for _, row in read_lines(path) if isinstance(row, dict)])
    moved = tuple(_moved(verdicts, turns))
    file = out.with_name(out.name.removesuffix(".jsonl") + ".moved.jsonl")
    file.unlink(missing_ok=True)
    if moved:
        write_lines(file, [row.to_json() for row in moved])
    return Stability(summaries[0], turns, moved, file if moved else None)


def _moved(verdicts: Sequence[Sequence[dict[str, Any]]], turns: tuple[Condition, ...]) -> Iterator[Moved]:
    """The same inputs give the same rows in the same order, so they are compared one by one."""
    for rows in zip(*verdicts, strict=True):
        outcomes = tuple(row["outcome"] for row in rows)
        passed = tuple(row["tests_passed"] for row in rows)
        if len(set(outcomes)) > 1 or len(set(passed)) > 1:
            yield Moved(rows[0]["task_id"], rows[0]["index"], outcomes, passed, turns)


@contextmanager
def load(burners: int) -> Iterator[None]:
    """Keep that many more processes busy."""
    with ExitStack() as stack:
        for _ in range(burners):
            command = [sys.executable, "-I", "-S", "-c", _BURN, str(os.getpid())]
            burner = stack.enter_context(subprocess.Popen(command, stdin=subprocess.DEVNULL))
            stack.callback(burner.kill)
        yield
