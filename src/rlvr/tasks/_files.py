"""Rows of somebody else's file: its bytes tell what kind it is; a wrong row is named by file, line and field."""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rlvr import extras, storage
from rlvr.records import Json


@dataclass(frozen=True)
class Row:
    """One row. Its getters raise `ValueError` naming the file, the line and the field."""

    values: dict[str, Json]
    where: str
    """`file:line`, or for parquet `file, row N` counted from 1."""

    def text(self, field: str, default: str | None = None) -> str:
        """A text with Unix line ends."""
        value = self.value(field, default)
        if not isinstance(value, str):
            raise self.error(f"field {field} should be a text, not {value!r:.60}")
        return _unix(value)

    def number(self, field: str) -> int:
        value = self.value(field)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(f"field {field} should be a whole number, not {value!r:.60}")
        return value

    def label(self, field: str) -> str:
        """A text or a whole number, as a text: ids come as either."""
        value = self.value(field)
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise self.error(f"field {field} should be a text or a whole number, not {value!r:.60}")
        return str(value)

    def label_like(self, field: str, example: str) -> str:
        """As `label`, and like the example once numbers are left out: the rows of another dataset are told by that."""
        value = self.label(field)
        if re.sub(r"\d+", "0", value) != example:
            raise self.error(
                f"field {field} should be like {example!r}, not {value!r:.60}; is it another dataset's file?"
            )
        return value

    def texts(self, field: str, default: tuple[str, ...] | None = None) -> list[str]:
        value = self.value(field, default)
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise self.error(f"field {field} should be a list of texts, not {value!r:.60}")
        return [_unix(item) for item in value]

    def value(self, field: str, default: Json = None) -> Json:
        """The field as it is; the default, where there is one, for a field that is missing or null."""
        # The hub's tables hold null where a file leaves the field out.
        value = self.values.get(field)
        if value is not None:
            return value
        if default is None:
            raise self.error(f"the field {field!r} is missing; the row has: {', '.join(map(str, self.values))}")
        return default

    def error(self, what: str) -> ValueError:
        return ValueError(f"{self.where}: {what}")

    def unusable(self, why: str) -> "UnusableRowError":
        return UnusableRowError(self.where, why)


class UnusableRowError(Exception):
    """A row as it should be, of which no task can be made: it is left out, counted, and said, unlike a wrong row."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where, self.why = where, why


class Ids:
    """The ids of a source, each once."""

    def __init__(self) -> None:
        self._where: dict[str, str] = {}

    def add(self, task_id: str, row: Row) -> None:
        """Raises `ValueError` naming both places of an id that occurs twice."""
        if task_id in self._where:
            raise row.error(f"the id {task_id!r} is already used at {self._where[task_id]}")
        self._where[task_id] = row.where


def _unix(text: str) -> str:
    # MBPP/104 also ends lines with a carriage return alone.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_rows(path: str | Path) -> Iterator[Row]:
    """The rows of JSON lines, of one JSON list or of parquet, whatever the name; the first two may be gzipped.

    Raises `ValueError` at the first bad row, and for any other kind of file.
    """
    try:
        with storage.open_bytes(path) as file:
            head = file.read(512)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: the compressed data breaks off or is damaged: {error}") from error
    if head.startswith(b"PAR1"):
        yield from _parquet_rows(path)
        return
    if found := _other_kind(head):
        raise ValueError(f"{path} is {found}; expected JSON lines, one JSON list, or parquet")
    for number, values in storage.read_entries(path):
        if isinstance(values, ValueError):
            raise values
        where = f"{path}:{number + 1}"
        if not isinstance(values, dict):
            raise ValueError(f"{where}: should be an object with named fields, not {values!r:.60}")
        yield Row(values, where)


def _other_kind(head: bytes) -> str:
    """What a file is that cannot hold rows, in words; empty where it may."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        return "empty"
    if start.startswith(b"<"):
        return "a web page (HTML or XML), perhaps the page about a file instead of the 'raw' file"
    if start.startswith(b"version https://git-lfs"):
        return "the pointer to a file that Git LFS holds (git lfs pull fetches it)"
    if start.split(b"\n")[0].rstrip() == b"{":
        return "one JSON object written over several lines"
    return next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), "")


_KINDS = {
    b"PK\x03\x04": "a zip archive; unpack it",
    b"(\xb5/\xfd": "packed with zstd; unpack it, or pack it with gzip",
    b"\xfd7zXZ": "packed with xz; unpack it, or pack it with gzip",
    b"BZh": "packed with bzip2; unpack it, or pack it with gzip",
    b"ARROW1": "an Arrow file",
    b"\xff\xff\xff\xff": "an Arrow file (of save_to_disk); write it with the data set's to_parquet",
    b"\x80": "a Python pickle, which is never opened",
}


def _parquet_rows(path: str | Path) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ValueError(f"{path} is a parquet file; to read it: {extras.install('hub')}") from error
    number = 0
    try:
        with storage.open_bytes(path) as file, ParquetFile(file) as table:
            # Few rows at a time: rows of contests hold megabytes of tests.
            for batch in table.iter_batches(batch_size=64):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(values, f"{path}, row {number}")
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path}: the parquet file breaks off or is damaged: {error}") from error
