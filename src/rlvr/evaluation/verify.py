"""Judge a file of completions against a file of tasks: wrong rows are listed beside, the rest is judged all the same.

`V.jsonl` grows row by row. While it is unfinished, `V.jsonl.partial` beside it holds a hash of the tasks, the
completions, the limits and the isolation: a second call with the same inputs keeps the rows that are there and judges
the rest; with other inputs, or once the file is complete, a call starts over.
"""

import hashlib
import os
import time
import zlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import rlvr
from rlvr import registry, storage
from rlvr.evaluation.inputs import Errors, Known, asked
from rlvr.progress import Display, Stage
from rlvr.records import Completion, Json, Limits, Task, Verdict
from rlvr.rollout import judge

BATCH = 64
"""Completions judged and written together: what an interrupt may lose."""

AHEAD = 8
"""Batches judged at once, so that one slow program does not leave the other workers idle."""


@dataclass(frozen=True)
class Summary:
    """What one call of `verify` found."""

    tasks: int
    """Tasks that can be judged."""
    judged: int
    """Rows in the output, those kept from an interrupted call included."""
    kept: int
    outcomes: dict[str, int]
    """How often each outcome occurred."""
    errors: int
    """Rows of the inputs that could not be used."""
    errors_file: Path | None
    """Where they are listed; None: there are none."""
    seconds: float
    """Of this call's judging."""
    cpu_s: float
    """CPU seconds of the programs that were judged in this call, for each row as if it had run alone."""
    isolation: tuple[str, ...]
    """Every level that a row was judged at."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Why tasks were left out that cannot be judged here, each reason with its number of tasks."""
    skipped: int = 0
    """Completions of such tasks."""
    first_error: str = ""
    """Of those errors: file, line and what was wrong."""


def verify(
    tasks: str | Path | Iterable[Task],
    completions: str | Path,
    out: str | Path,
    *,
    workers: int = 0,
    isolation: str = "auto",
    cpu_limit: float | None = None,
    memory_limit: int | None = None,
    trust: str = "any",
    skip_unavailable: bool = False,
    progress: Display | None = None,
) -> Summary:
    """Write one row for each completion of a known task, in order, and what was wrong with the inputs beside it.

    tasks: a tasks file, `NAME[:split]`, or tasks. completions: JSONL of `{"task_id", "text"}`, other fields are left
    alone. out: a local path; errors go to the same path with `.errors.jsonl` in place of `.jsonl`, as `{"file",
    "line", "error"}` with lines counted from 1. workers: programs at once, 0 for one per core. cpu_limit (seconds) and
    memory_limit (MiB) replace the tasks' own. trust: `split` lists tasks whose tests would have to share a process with
    the program as errors, and does not judge them. skip_unavailable: leaves out, and counts, tasks that cannot be
    judged because an extra is not installed.
    Raises `FileNotFoundError`, or `ValueError` for arguments that cannot be, and for tasks that need an extra unless
    they are to be skipped; never for what a row holds.
    """
    override: dict[str, Any] = {"cpu_s": cpu_limit, "memory_mb": memory_limit}
    override = {name: value for name, value in override.items() if value is not None}
    Limits(**override)
    if trust not in ("any", "split"):
        raise ValueError(registry.unknown("kind of trust", trust, ("any", "split")))
    _refuse_bad_paths(tasks, completions, out)
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with closing(Errors(out.with_name(out.name.removesuffix(".jsonl") + ".errors.jsonl"))) as errors:
        known = Known(errors, override, trust)
        known.read(tasks)
        if not skip_unavailable:
            known.refuse_left_out()
        digest, lines = _digest(known, completions, isolation)
        partial = out.with_name(out.name + ".partial")
        sandbox = registry.build("sandboxes", "local", workers=workers, isolation=isolation)
        with sandbox.open() as opened:
            kept = _kept_rows(out, partial, digest)
            found = asked(known, completions, errors)
            before = [(index, task.id) for index, task, _ in islice(found, len(kept))]
            if before != [(row["index"], row["task_id"]) for row in kept]:
                raise ValueError(f"{out} was changed after it was interrupted: delete it to start over")
            tally = _Tally()
            for row in kept:
                tally.add(row)
            tally.cpu_s, started = 0.0, time.perf_counter()
            seen = kept[-1]["index"] + 1 if kept else 0
            stage = progress.stage("verify", lines, done=seen) if progress else None
            _append(out, _judged(found, opened), range(seen, lines), stage, tally)
            seconds = time.perf_counter() - started
        partial.unlink()
        return Summary(
            tasks=len(known.tasks),
            judged=tally.outcomes.total(),
            kept=len(kept),
            outcomes=dict(tally.outcomes),
            errors=errors.count,
            errors_file=errors.path if errors.count else None,
            first_error=errors.first,
            seconds=seconds,
            cpu_s=tally.cpu_s,
            isolation=tuple(sorted(tally.isolation)),
            left_out=known.reasons(),
            skipped=known.skipped,
        )


@dataclass
class _Tally:
    """What the rows add up to."""

    outcomes: Counter[str] = field(default_factory=Counter)
    isolation: set[str] = field(default_factory=set)
    cpu_s: float = 0.0

    def add(self, row: Mapping[str, Any]) -> None:
        self.outcomes[str(row["outcome"])] += 1
        self.cpu_s += row["cpu_s"]
        if row["isolation"]:
            self.isolation.add(row["isolation"])


def _append(out: Path, rows: Iterator[dict[str, Json]], lines: range, stage: Stage | None, tally: _Tally) -> None:
    """Write the rows as they come and count them. lines: of the completions that are left, for the bar."""
    outcomes = tally.outcomes
    seen = lines.start
    with open(out, "ab", buffering=0) as file:
        for row in rows:
            # One unbuffered write a row: an interrupt falls between rows.
            file.write(storage.dump_line(row).encode())
            tally.add(row)
            if stage:
                stage.advance(row["index"] + 1 - seen, {"passed": outcomes["passed"] / outcomes.total()})
            seen = row["index"] + 1
    if stage and seen < lines.stop:
        stage.advance(lines.stop - seen)


def _judged(asked: Iterator[tuple[int, Task, Completion]], sandbox: Any) -> Iterator[dict[str, Json]]:
    """A row for each of `asked`, in order."""
    threads = ThreadPoolExecutor(AHEAD)
    running: deque[tuple[list[tuple[int, Task, Completion]], Future[list[Verdict]]]] = deque()
    try:
        while True:
            while len(running) < AHEAD and (batch := list(islice(asked, BATCH))):
                pairs = [(task, completion) for _, task, completion in batch]
                running.append((batch, threads.submit(judge, pairs, sandbox)))
            if not running:
                return
            batch, verdicts = running.popleft()
            for (index, task, _), verdict in zip(batch, verdicts.result(), strict=True):
                yield _row(task.id, index, verdict)
    finally:
        # Waiting here would keep an interrupt from closing the sandbox, which is what ends these threads' work.
        threads.shutdown(wait=False, cancel_futures=True)


def _row(task_id: str, index: int, verdict: Verdict) -> dict[str, Json]:
    """What the output says of one completion; names and order are a contract."""
    return {
        "task_id": task_id,
        "index": index,
        "passed": verdict.passed,
        "outcome": verdict.outcome,
        "tests_passed": verdict.tests_passed,
        "tests_total": verdict.tests_total,
        "answer": verdict.answer,
        "extraction": verdict.extraction,
        "why": verdict.why,
        "parts": verdict.parts,
        "cpu_s": verdict.cost.get("cpu_s", 0.0),
        "wall_s": verdict.cost.get("wall_s", 0.0),
        "isolation": verdict.isolation,
        "trust": verdict.trust,
    }


def _kept_rows(out: Path, partial: Path, digest: str) -> list[dict[str, Json]]:
    """The rows of an interrupted call with the same inputs, else none; leaves a file that can be appended to."""
    same = out.exists() and partial.exists() and partial.read_text(encoding="utf-8") == digest
    if same:
        data = out.read_bytes()
        # What a kill left of a last row is cut off.
        os.truncate(out, data.rfind(b"\n") + 1)
    else:
        out.write_bytes(b"")
    storage.write_text(partial, digest)
    return [row for _, row in storage.read_lines(out) if isinstance(row, dict)]


def _digest(known: Known, completions: str | Path, isolation: str) -> tuple[str, int]:
    """A hash of everything that decides the rows, and the number of lines of the completions."""
    digest = hashlib.sha256(f"{rlvr.__version__} {isolation}\n".encode())
    for task in known.tasks.values():
        digest.update(storage.dump_line(task.to_json()).encode())
    lines, unfinished = 0, False
    # Damage of an archive is listed when its rows are read.
    with storage.open_bytes(completions) as file, suppress(EOFError, OSError, zlib.error):
        while block := file.read(1 << 20):
            digest.update(block)
            lines += block.count(b"\n")
            unfinished = not block.endswith(b"\n")
    return digest.hexdigest(), lines + unfinished


def _refuse_bad_paths(tasks: str | Path | Iterable[Task], completions: str | Path, out: str | Path) -> None:
    if storage.is_remote(out) or (Path(out).exists() and not Path(out).is_file()):
        raise ValueError(f"{out} cannot be appended to: give a local file for the verdicts")
    for role, path in (("tasks", tasks), ("completions", completions)):
        if not isinstance(path, str | Path) or storage.is_remote(path):
            continue
        if os.path.realpath(path) == os.path.realpath(out):
            raise ValueError(f"{out} is the file of {role}; the verdicts need a file of their own")
        if Path(path).exists() and not Path(path).is_file():
            raise ValueError(f"{path} is not a file; {role} are read from one")
    if not storage.exists(completions):
        raise FileNotFoundError(f"no file of completions {completions}")
