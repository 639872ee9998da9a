"""Files by path, local or `s3://`; JSON lines whose errors name file and line; writes that are all or nothing."""

import gzip
import io
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from rlvr import extras
from rlvr.records import Json, Record

R = TypeVar("R", bound=Record)

LONGEST_LINE = 256 * 1024 * 1024
"""Bytes. A longer line is a wrong file, not a row, and is skipped without being held in memory."""


def is_remote(path: str | Path) -> bool:
    return "://" in str(path)


def exists(path: str | Path) -> bool:
    if is_remote(path):
        return filesystem_of(path)[0].exists(str(path))
    return Path(path).exists()


def is_folder(path: str | Path) -> bool:
    if is_remote(path):
        return filesystem_of(path)[0].isdir(str(path))
    return Path(path).is_dir()


def open_bytes(path: str | Path) -> IO[bytes]:
    """Open for reading, unpacking gzip, which the bytes tell, not the name.

    Raises `FileNotFoundError` that says where it looked, and `IsADirectoryError`.
    """
    if not exists(path):
        where = "" if is_remote(path) else f" (looked in {Path(path).resolve().parent})"
        raise FileNotFoundError(f"no file {path}{where}")
    if is_folder(path):
        raise IsADirectoryError(f"{path} is a folder; name a file in it")
    raw: Any = filesystem_of(path)[0].open(str(path), "rb") if is_remote(path) else io.FileIO(path)
    file = io.BufferedReader(raw)
    packed = file.peek(2)[:2] == b"\x1f\x8b"
    return cast("IO[bytes]", _Unpacked(file) if packed else file)


class _Unpacked(gzip.GzipFile):
    """`gzip.open` leaves a file open that was given to it; this one closes it."""

    def __init__(self, packed: IO[bytes]) -> None:
        super().__init__(fileobj=packed, mode="rb")
        self._packed = packed

    def close(self) -> None:
        super().close()
        self._packed.close()


def open_text(path: str | Path) -> IO[str]:
    """As `open_bytes`, decoded as UTF-8 with or without a byte-order mark."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig")


def read_lines(path: str | Path) -> Iterator[tuple[int, Json | ValueError]]:
    """Each line that is not blank, with its number from 0: the decoded value, or the error that says what is wrong."""
    with open_bytes(path) as file:
        number = 0
        try:
            while line := file.readline(LONGEST_LINE):
                where = f"{path}:{number + 1}"
                if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                    while line and not line.endswith(b"\n"):
                        line = file.readline(LONGEST_LINE)
                    yield number, ValueError(f"{where}: longer than {LONGEST_LINE:,} bytes; is this a JSONL file?")
                elif line.strip(_BLANK if number else _BLANK + _BOM):
                    yield number, _decode_line(line.removeprefix(_BOM) if number == 0 else line, where)
                number += 1
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            yield number, ValueError(f"{path}:{number + 1}: the compressed data breaks off or is damaged: {error}")


_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


def _decode_line(line: bytes, where: str) -> Json | ValueError:
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return ValueError(f"{where}: not UTF-8: byte 0x{line[error.start]:02x} at column {error.start + 1}")
    except json.JSONDecodeError as error:
        found = " (a NUL byte)" if error.doc[error.pos : error.pos + 1] == "\0" else ""
        return ValueError(f"{where}: not JSON: {error.msg} at column {error.colno}{found}")
    except RecursionError:
        return ValueError(f"{where}: not readable: nested too deeply")
    except ValueError as error:  # a number of more digits than Python converts
        return ValueError(f"{where}: not readable: {error}")


def read_entries(path: str | Path) -> Iterator[tuple[int, Json | ValueError]]:
    """The rows of a JSONL file or of one JSON list, each with its line from 0: the value, or what is wrong with it."""
    with open_bytes(path) as file:
        start = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] != b"[":
        yield from read_lines(path)
        return
    try:
        with open_text(path) as file:
            text = file.read()
    except (UnicodeDecodeError, EOFError, OSError) as error:
        yield 0, ValueError(f"{path}:1: not a JSON list: {error}")
        return
    yield from _list_items(text, path)


def _list_items(text: str, path: str | Path) -> Iterator[tuple[int, Json | ValueError]]:
    """The items of a JSON list one by one, since `json.loads` would not tell on which line each of them is."""
    decoder = json.JSONDecoder()
    blank = " \t\r\n"
    at, line = text.index("[") + 1, 0
    counted = 0
    while True:
        while at < len(text) and text[at] in blank + ",":
            at += 1
        line += text.count("\n", counted, at)
        counted = at
        if text[at : at + 1] == "]":
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield line, ValueError(f"{path}:{line + 1}: not JSON: {getattr(error, 'msg', error)}")
            return
        yield line, value


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
    """One JSONL line with its newline, always encodable as UTF-8: the same value gives the same bytes."""
    line = json.dumps(row, ensure_ascii=False, separators=(", ", ": ")) + "\n"
    # A lone surrogate in a model's text leaves as its JSON escape instead of failing the write.
    return line if line.isascii() else line.encode("utf-8", "backslashreplace").decode("utf-8")


def write_lines(path: str | Path, rows: Iterable[Json]) -> None:
    """Write JSONL beside its place and move it there, so that a reader never sees half a file."""
    write_text(path, "".join(dump_line(row) for row in rows))


def write_text(path: str | Path, text: str) -> None:
    """As `write_bytes`, encoded as UTF-8."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write beside its place and move it there; remote files are written in one request."""
    if is_remote(path):
        with filesystem_of(path)[0].open(str(path), "wb") as file:
            file.write(data)
        return
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():
        # Moving a file onto /dev/null or a pipe would replace the device.
        path.write_bytes(data)
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(aside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def filesystem_of(path: str | Path) -> tuple[Any, str]:
    """fsspec's filesystem of a remote path, and the path in it. Raises `LookupError` where its package is missing."""
    import fsspec

    scheme = str(path).split("://")[0]
    try:
        return fsspec.url_to_fs(str(path))
    except (ImportError, ValueError) as error:
        need = f"; it needs: {extras.install('s3')}" if scheme == "s3" else ""
        raise LookupError(f"{path}: cannot read {scheme}:// ({error}){need}") from error
