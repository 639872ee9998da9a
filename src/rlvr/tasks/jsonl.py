"""Anybody's own tasks: a file whose rows are the fields of `Task`."""

from collections.abc import Iterator
from dataclasses import dataclass

from rlvr.records import Task
from rlvr.tasks._source import first, read_rows


@dataclass(frozen=True)
class Jsonl:
    """Tasks of a JSONL file (or one JSON list), compressed or not, local or `s3://`, in the file's order.

    Iterating raises `ValueError` naming file, line and field at the first bad row, and naming both lines where an
    id occurs twice.
    """

    source: str
    """Path of the file."""
    limit: int | None = None

    def __iter__(self) -> Iterator[Task]:
        return first(self._tasks(), self.limit, self.source)

    def _tasks(self) -> Iterator[Task]:
        seen: dict[str, str] = {}
        for row in read_rows(self.source):
            try:
                task = Task.from_json(row.values)
            except ValueError as error:
                raise row.error(str(error)) from error
            if task.id in seen:
                raise row.error(f"the id {task.id!r} is already used at {seen[task.id]}")
            seen[task.id] = row.where
            yield task
