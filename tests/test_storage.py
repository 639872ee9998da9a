"""What a person sees when a file is broken, and that a half-written file is never seen at all."""

import gzip
import json
import sys
from pathlib import Path

import pytest
from fsspec.registry import _registry as fsspec_registry
from hypothesis import given
from hypothesis import strategies as st

from rlvr import storage
from rlvr.records import Limits

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def written(folder: Path, data: bytes, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def values_and_errors(path: Path) -> list[object]:
    return [str(row) if isinstance(row, ValueError) else row for _, row in storage.read_lines(path)]


@given(st.lists(json_values, max_size=5))
def test_any_json_rows_come_back_as_they_were_one_per_line(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    storage.write_lines(path, rows)
    assert path.read_bytes().count(b"\n") == len(rows)
    assert [row for _, row in storage.read_lines(path)] == rows


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b'{"a": "\xff"}', "not UTF-8: byte 0xff at column 8"),
        (b'{"a": \x00}', "a NUL byte"),
        (b'{"a": 1', "not JSON"),
        (b'{"a": 1}{"a": 2}', "column 9"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5_000, "digits"),
    ],
)
def test_a_bad_line_is_named_and_the_ones_after_it_are_still_read(tmp_path, line, complaint):
    path = written(tmp_path, b"1\n" + line + b"\n3\n")
    first, error, last = values_and_errors(path)
    assert (first, last) == (1, 3)
    assert str(error).startswith(f"{path}:2: ")
    assert complaint in str(error)


def test_a_line_too_long_to_be_a_row_is_skipped_without_holding_it(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "LONGEST_LINE", 100)
    path = written(tmp_path, b"1\n" + b"x" * 950 + b"\n" + b'"' + b"y" * 97 + b'"\n3\n')
    first, error, just_short_enough, last = values_and_errors(path)
    assert (first, just_short_enough, last) == (1, "y" * 97, 3)
    assert str(error).startswith(f"{path}:2: longer than 100 bytes")


def test_blank_lines_windows_line_ends_and_a_byte_order_mark_are_no_rows(tmp_path):
    path = written(tmp_path, b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \n{"a": 2}')
    assert list(storage.read_lines(path)) == [(0, {"a": 1}), (3, {"a": 2})]
    assert list(storage.read_lines(written(tmp_path, b"\xef\xbb\xbf\n2\n"))) == [(1, 2)]
    assert list(storage.read_lines(written(tmp_path, b""))) == []


def test_separators_inside_a_text_do_not_end_its_line(tmp_path):
    rows = ["a\u2028b", "c\x85d", "e\rf", "g\x1ch"]
    storage.write_lines(tmp_path / "rows.jsonl", rows)
    assert values_and_errors(tmp_path / "rows.jsonl") == rows


def test_gzip_is_known_by_its_bytes_whatever_the_name_says(tmp_path):
    for name in ("rows.jsonl", "rows.jsonl.gz"):
        assert values_and_errors(written(tmp_path, gzip.compress(b"1\n2\n"), name)) == [1, 2]
        assert values_and_errors(written(tmp_path, b"1\n2\n", name)) == [1, 2]


@pytest.mark.parametrize("damage", [lambda packed: packed[:-20], lambda packed: packed[:-8] + bytes(8)])
def test_broken_gzip_gives_what_can_be_read_and_then_says_where_it_broke(tmp_path, damage):
    packed = gzip.compress(b"".join(b'{"n": %d}\n' % n for n in range(20_000)))
    path = written(tmp_path, damage(packed), "rows.jsonl.gz")
    *rows, error = values_and_errors(path)
    assert rows[:2] == [{"n": 0}, {"n": 1}]
    assert str(error).startswith(f"{path}:{len(rows) + 1}: the compressed data breaks off or is damaged")


def test_lone_surrogates_of_a_model_survive_as_escapes(tmp_path):
    storage.write_lines(tmp_path / "rows.jsonl", ["\ud83d", "😀"])
    assert values_and_errors(tmp_path / "rows.jsonl") == ["\ud83d", "😀"]


def test_a_missing_file_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no file .*absent.jsonl .looked in {tmp_path}"):
        storage.open_text(tmp_path / "absent.jsonl")


def test_an_unknown_scheme_is_told_and_a_known_one_says_what_to_install(monkeypatch):
    with pytest.raises(LookupError, match=r"cannot read nosuch:// \([^;]*\)$"):
        storage.exists("nosuch://bucket/rows.jsonl")
    monkeypatch.delitem(fsspec_registry, "s3", raising=False)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(LookupError, match=r"cannot read s3://.*pip install .*\[s3\]'"):
        storage.exists("s3://bucket/rows.jsonl")


def test_remote_files_read_and_write_like_local_ones():
    storage.write_lines("memory://bucket/rows.jsonl", [{"a": "ü"}, 2])
    assert [row for _, row in storage.read_lines("memory://bucket/rows.jsonl")] == [{"a": "ü"}, 2]
    assert storage.is_folder("memory://bucket")
    with pytest.raises(FileNotFoundError, match="memory://bucket/absent"):
        storage.open_bytes("memory://bucket/absent")


def test_records_name_file_line_and_field(tmp_path):
    path = written(tmp_path, b'{"cpu_s": 1}\n{"cpu_s": "fast"}\n')
    with pytest.raises(ValueError, match=rf"{path}:2: field cpu_s should be a number, not 'fast'"):
        list(storage.read_records(path, Limits))
    with pytest.raises(ValueError, match=rf"{path}:1: not JSON"):
        list(storage.read_records(written(tmp_path, b"{"), Limits))


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "rows.jsonl"
    storage.write_text(path, "old")
    with pytest.raises(TypeError):
        storage.write_lines(path, [1, object()])
    with pytest.raises(TypeError):
        storage.write_bytes(path, "not bytes")  # pyright: ignore[reportArgumentType]
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.jsonl"]


def test_writing_makes_folders_keeps_line_ends_and_follows_links(tmp_path):
    real = tmp_path / "deep" / "er" / "text.txt"
    storage.write_text(real, "a\r\nb\n")
    (tmp_path / "link.txt").symlink_to(real)
    storage.write_text(tmp_path / "link.txt", "c\r\nd\n")
    assert real.read_bytes() == b"c\r\nd\n"
    assert (tmp_path / "link.txt").is_symlink()


def test_writing_to_a_device_does_not_replace_it():
    storage.write_text("/dev/null", "gone")
    assert Path("/dev/null").is_char_device()


def test_the_same_value_gives_the_same_line():
    line = storage.dump_line({"b": 1, "a": [1.5, None, "ü"]})
    assert line == '{"b": 1, "a": [1.5, null, "ü"]}\n'
    assert json.loads(line) == {"b": 1, "a": [1.5, None, "ü"]}


def test_a_folder_in_place_of_a_file_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="is a folder; name a file in it"):
        storage.open_bytes(tmp_path)
