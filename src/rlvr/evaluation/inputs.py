"""What `verify` reads: tasks by id, completions by line; and beside them a list of what was wrong with either."""

import dataclasses
import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from rlvr import registry, storage
from rlvr.evaluation.available import refusal, unavailable
from rlvr.records import Completion, Json, Task
from rlvr.rollout import check
from rlvr.tasks import load

LONGEST_TEXT = 1_000_000
"""Characters of a completion. A longer one is no answer to anything, and is listed as an error."""


class Errors:
    """The list of what was wrong with the inputs: a file that exists only if there is something in it."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.path, self.count, self.first = path, 0, ""
        self._file: IO[bytes] | None = None

    def add(self, file: str, line: int, error: str) -> None:
        """line: from 1."""
        if self._file is None:
            self._file = open(self.path, "wb", buffering=0)  # noqa: SIM115
        self.count += 1
        row = {"file": file, "line": line, "error": error.removeprefix(f"{file}:{line}: ")}
        self.first = self.first or f"{file}:{line}: {row['error']}"
        self._file.write(storage.dump_line(row).encode())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


@dataclass
class Known:
    """The tasks that can be judged, and for those that cannot, why not."""

    errors: Errors
    override: Mapping[str, Any]
    trust: str
    tasks: dict[str, Task] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """Tasks that need an extra, and why."""
    skipped: int = 0
    """Completions of theirs so far."""
    _refused: dict[str, str] = field(default_factory=dict)
    _lines: dict[str, int] = field(default_factory=dict)
    _suggested: dict[str, str] = field(default_factory=dict)
    _file: str = "tasks"

    def read(self, tasks: str | Path | Iterable[Task]) -> None:
        """Take what can be judged of a tasks file, `NAME[:split]` or tasks, and list the rest as errors."""
        if isinstance(tasks, str | Path):
            self._file = str(tasks)
            entries = storage.read_entries(tasks) if _is_file(tasks) else enumerate(load(str(tasks)))
        else:
            entries = enumerate(tasks)
        for number, entry in entries:
            try:
                if isinstance(entry, ValueError):
                    raise entry
                self._take(Task.from_json(entry), number + 1)
            except (ValueError, LookupError) as error:
                self.errors.add(self._file, number + 1, str(error))
                if isinstance(entry, Task) or (isinstance(entry, dict) and isinstance(entry.get("id"), str)):
                    name = entry.id if isinstance(entry, Task) else entry["id"]
                    self._refused.setdefault(name, f"{self._file}:{number + 1}")

    def reasons(self) -> dict[str, int]:
        """Why tasks were left out, each reason with its number of tasks."""
        return dict(Counter(self.left_out.values()).most_common())

    def refuse_left_out(self) -> None:
        """Raises `ValueError` where tasks need an extra that is not here."""
        if self.left_out:
            every = len(self.tasks) + len(self.left_out)
            raise ValueError(refusal(self.reasons(), every, next(iter(self.left_out)), skip=False))

    def task(self, task_id: str) -> Task:
        """Raises `LookupError` that says why completions of this id cannot be judged."""
        if task_id in self.tasks:
            return self.tasks[task_id]
        if task_id in self._refused:
            raise LookupError(f"task {task_id!r} cannot be judged; the reason is listed under {self._refused[task_id]}")
        # A nearest match looks at every id; a thousand strangers do not need a thousand of them.
        if task_id not in self._suggested and len(self._suggested) < 20:
            near = difflib.get_close_matches(task_id[:200], self.tasks, n=1)
            self._suggested[task_id] = f"; did you mean {near[0]!r}?" if near else ""
        raise LookupError(f"no task {task_id[:200]!r} in {self._file}{self._suggested.get(task_id, '')}")

    def _take(self, task: Task, line: int) -> None:
        if task.id in self._lines:
            raise ValueError(f"the id {task.id!r} is already used on line {self._lines[task.id]}, which counts")
        self._lines[task.id] = line
        if reason := unavailable(task):
            self.left_out[task.id] = reason
            return
        check([task], self.trust)
        limits = dataclasses.replace(task.limits, **self.override)
        self.tasks[task.id] = dataclasses.replace(task, limits=limits)


def asked(known: Known, completions: str | Path, errors: Errors) -> Iterator[tuple[int, Task, Completion]]:
    """The completions that can be judged, with their lines from 0; the others are listed as errors on the way."""
    for number, row in storage.read_lines(completions):
        try:
            task_id, text = _fields(row)
            if task_id in known.left_out:
                known.skipped += 1
                continue
            task = known.task(task_id)
        except (ValueError, LookupError) as error:
            errors.add(str(completions), number + 1, str(error))
        else:
            yield number, task, Completion(text)


def _fields(row: Json | ValueError) -> tuple[str, str]:
    if isinstance(row, ValueError):
        raise row
    if not isinstance(row, dict):
        raise ValueError(f"should be an object with the fields task_id and text, not {row!r:.60}")
    for name in ("task_id", "text"):
        if name not in row:
            raise ValueError(f"the field {name!r} is missing; the row has: {', '.join(row) or 'nothing'}")
        if not isinstance(row[name], str):
            raise ValueError(f"field {name} should be a text, not {row[name]!r:.60}")
    if len(row["text"]) > LONGEST_TEXT:
        raise ValueError(f"field text has {len(row['text']):,} characters; at most {LONGEST_TEXT:,} are judged")
    return row["task_id"], row["text"]


def _is_file(tasks: str | Path) -> bool:
    return "source" in registry.task_source(str(tasks))[1]
