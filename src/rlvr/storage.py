"""Files by path, local or `s3://`; JSON lines with errors that name file, line and field; writes that are all or nothing."""

import gzip
import io
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

from rlvr.records import Json, Record

R = TypeVar("R", bound=Record)


def is_remote(path: str | Path) -> bool:
    return "://" in str(path)


def exists(path: str | Path) -> bool:
    if is_remote(path):
        return _filesystem(path).exists(str(path))
    return Path(path).exists()


def open_text(path: str | Path) -> IO[str]:
    """Open for reading as UTF-8, unpacking `.gz`. Raises `FileNotFoundError` that says where it looked."""
    if not exists(path):
        where = "" if is_remote(path) else f" (looked in {Path(path).resolve().parent})"
        raise FileNotFoundError(f"no file {path}{where}")
    raw: Any = _filesystem(path).open(str(path), "rb") if is_remote(path) else open(path, "rb")
    unpacked: Any = gzip.open(raw) if str(path).endswith(".gz") else raw
    return io.TextIOWrapper(unpacked, encoding="utf-8-sig")


def read_lines(path: str | Path) -> Iterator[tuple[int, Json | ValueError]]:
    """Each line that is not blank, with its number from 0: the decoded value, or the error that says what is wrong with it."""
    with open_text(path) as file:
        for number, line in enumerate(file):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                yield number, ValueError(f"{path}:{number + 1}: not JSON: {error.msg} at column {error.colno}")


def read_records(path: str | Path, cls: type[R]) -> Iterator[R]:
    """The records of a JSONL file. Raises `ValueError` naming file, line and field at the first bad line."""
    for number, row in read_lines(path):
        if isinstance(row, ValueError):
            raise row
        try:
            yield cls.from_json(row)
        except ValueError as error:
            raise ValueError(f"{path}:{number + 1}: {error}") from error


def dump_line(row: Json) -> str:
    """One JSONL line with its newline: the same value gives the same bytes."""
    return json.dumps(row, ensure_ascii=False, separators=(", ", ": ")) + "\n"


def write_lines(path: str | Path, rows: Iterable[Json]) -> None:
    """Write JSONL beside its place and move it there, so that a reader never sees half a file."""
    write_text(path, "".join(dump_line(row) for row in rows))


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 beside its place and move it there; remote files are written in one request."""
    if is_remote(path):
        with _filesystem(path).open(str(path), "w", encoding="utf-8") as file:
            file.write(text)
        return
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # A lone surrogate in a model's text leaves as its JSON escape instead of failing the write.
    with open(aside, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


def _filesystem(path: str | Path) -> Any:
    import fsspec

    scheme = str(path).split("://")[0]
    try:
        return fsspec.filesystem(scheme)
    except (ImportError, ValueError) as error:
        raise LookupError(
            f"{path}: cannot read {scheme}:// ({error}); install it with: pip install 'rlvr[{scheme}]'"
        ) from error
