"""From a name or a file to tasks: where a dataset is looked for, and rows that say what is wrong with them."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rlvr import registry, storage
from rlvr.records import Json, Task


def load(name: str, **options: Any) -> Iterable[Task]:
    """The source behind `NAME[:split]` (`mbpp:train`) or behind the path of a tasks file, ready to be iterated.

    options: fields of the source (`source`, `limit`, `form` ...); those that are None keep the source's default, so
    that a command line can hand on what was not given. Raises `LookupError` for an unknown name or option, and
    `ValueError` for an unknown split. Files are opened on iteration: `FileNotFoundError` comes then.
    """
    given = {key: value for key, value in options.items() if value is not None}
    plugin, named = registry.task_source(name)
    if twice := sorted(named.keys() & given.keys()):
        raise ValueError(f"{twice[0]} is given twice: by the name {name!r} and as {given[twice[0]]!r}")
    fields = registry.options(registry.find("tasks", plugin))
    if "split" in named and "split" not in fields:
        raise ValueError(f"tasks/{plugin} has no splits; name it as {plugin!r}")
    if "source" in fields and plugin == "jsonl" and not {**named, **given}.get("source"):
        raise ValueError("tasks/jsonl needs the path of a tasks file: give the path as the name")
    return registry.build("tasks", plugin, **named, **given)


@dataclass(frozen=True)
class Origin:
    """Where one dataset comes from."""

    dataset: str
    file: str
    """Its standard file name."""
    url: str
    hub: tuple[str, str]
    """Repository and configuration on the Hugging Face hub."""

    def rows(self, source: str | None) -> "Iterator[Row]":
        """Rows of the file or folder `source`, else of `$RLVR_DATA`, else of the hub.

        Raises `FileNotFoundError` that says which file to put where, and how to get at the hub.
        """
        path = self._given(source) if source else self._in_folder(os.environ.get("RLVR_DATA"))
        return read_rows(path) if path else self._from_hub()

    def _given(self, source: str) -> str:
        if not storage.is_folder(source):
            return source
        if path := self._in_folder(source):
            return path
        raise FileNotFoundError(f"{self.dataset}: the folder {source} holds no {self.file}")

    def _in_folder(self, folder: str | None) -> str | None:
        if not folder:
            return None
        places = [f"{folder.rstrip('/')}/{name}" for name in (self.file, self.file.removesuffix(".gz"))]
        return next((place for place in places if storage.exists(place)), None)

    def _from_hub(self) -> "Iterator[Row]":
        repository, configuration = self.hub
        try:
            import datasets  # pyright: ignore[reportMissingImports]

            splits = datasets.load_dataset(repository, configuration)
        except ImportError as error:
            raise self._nowhere("it needs: pip install 'rlvr[hub]'") from error
        except (OSError, ValueError) as error:
            # What the hub's client raises when it cannot reach or find something: subclasses of these two.
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise self._nowhere(reason[0]) from error
        for split, table in splits.items():
            for number, values in enumerate(table):
                yield Row(values, f"{repository} ({split}), row {number}")

    def _nowhere(self, hub: str) -> FileNotFoundError:
        folder = os.environ.get("RLVR_DATA")
        looked = f"RLVR_DATA={folder} holds no {self.file}" if folder else "RLVR_DATA is not set"
        return FileNotFoundError(
            f"no file for {self.dataset}: {looked}, and from the hub ({self.hub[0]}) nothing came: {hub}. "
            f"Put {self.file} (from {self.url}) into a folder and name that folder by RLVR_DATA, "
            f"or give the file itself as the source"
        )


@dataclass(frozen=True)
class Row:
    """One row of somebody else's file. Its getters raise `ValueError` naming the file, the line and the field."""

    values: dict[str, Json]
    where: str

    def text(self, field: str, default: str | None = None) -> str:
        """A text with Unix line ends."""
        value = self._get(field, default)
        if not isinstance(value, str):
            raise self.error(f"field {field} should be a text, not {value!r:.60}")
        return _unix(value)

    def number(self, field: str) -> int:
        value = self._get(field, None)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(f"field {field} should be a whole number, not {value!r:.60}")
        return value

    def texts(self, field: str, default: tuple[str, ...] | None = None) -> list[str]:
        value = self._get(field, default)
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise self.error(f"field {field} should be a list of texts, not {value!r:.60}")
        return [_unix(item) for item in value]

    def error(self, what: str) -> ValueError:
        return ValueError(f"{self.where}: {what}")

    def _get(self, field: str, default: Json) -> Json:
        # The hub's tables hold null where a file leaves the field out.
        value = self.values.get(field)
        if value is not None:
            return value
        if default is None:
            raise self.error(f"the field {field!r} is missing; the row has: {', '.join(map(str, self.values))}")
        return default


def _unix(text: str) -> str:
    # MBPP/104 also ends lines with a carriage return alone.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_rows(path: str | Path) -> Iterator[Row]:
    """The rows of a JSONL file or of one JSON list, compressed or not. Raises `ValueError` at the first bad one."""
    for number, values in storage.read_entries(path):
        if isinstance(values, ValueError):
            raise values
        where = f"{path}:{number + 1}"
        if not isinstance(values, dict):
            raise ValueError(f"{where}: should be an object with named fields, not {values!r:.60}")
        yield Row(values, where)


def choose(kind: str, given: str, known: Iterable[str]) -> None:
    """Raises `ValueError` that shows the nearest and all, unless `given` is one of the `known`."""
    if given not in (known := list(known)):
        raise ValueError(registry.unknown(kind, given, known))


def first(tasks: Iterator[Task], limit: int | None, what: str) -> Iterator[Task]:
    """At most `limit` tasks. Raises `ValueError` when there are none: an empty dataset is a wrong file."""
    if limit is not None and limit < 1:
        raise ValueError(f"limit should be 1 or more, or left out, not {limit}")
    found = False
    for task in islice(tasks, limit):
        found = True
        yield task
    if not found:
        raise ValueError(f"no tasks in {what}")
