"""Where rows come from: files of every kind by their bytes, folders, remote paths, the hub; what else is refused."""

import gzip
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading

import pytest

from rlvr import storage
from rlvr.tasks import load

ROWS = [
    {
        "task_id": f"HumanEval/{n}",
        "prompt": f"def f{n}():\n",
        "canonical_solution": f"    return {n}\n",
        "test": f"def check(candidate):\n    assert candidate() == {n}\n",
        "entry_point": f"f{n}",
    }
    for n in range(3)
]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
IDS = ["HumanEval/0", "HumanEval/1", "HumanEval/2"]


def parquet(rows=ROWS):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    sink = pyarrow.BufferOutputStream()
    write_table(pyarrow.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


def ids(source):
    return [task.id for task in load("humaneval", source=str(source))]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.gz", "rows.parquet", "rows"])
def test_what_a_file_is_its_bytes_tell_and_not_its_name(tmp_path, name):
    path = tmp_path / name
    kinds = [LINES, gzip.compress(LINES), json.dumps(ROWS, indent=1).encode(), parquet()]
    for data in kinds:
        path.write_bytes(data)
        assert ids(path) == IDS


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "is empty; expected JSON lines, one JSON list, or parquet"),
        (b" \n\n", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"<!DOCTYPE html>\n<html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is the pointer to a file that Git LFS holds"),
        (b"PK\x03\x04rest", "is a zip archive; unpack it"),
        (b"(\xb5/\xfdrest", "is packed with zstd"),
        (b"ARROW1\0\0", "is an Arrow file"),
        (b"\x80\x04\x95", "is a Python pickle, which is never opened"),
        (b'{\n  "task_id": 1\n}', "is one JSON object written over several lines"),
        (gzip.compress(LINES, mtime=0)[:-20], "the compressed data breaks off"),
        (b"\x1f\x8b\x08 no gzip", "the compressed data breaks off or is damaged"),
        (b"task_id,prompt\n1,x\n", r":1: not JSON"),
        (b'["a"]', r":1: should be an object with named fields, not 'a'"),
        (b'{"train": [1]}\n', r":1: the field 'prompt' is missing; the row has: train"),
    ],
)
def test_a_file_of_another_kind_says_what_it_is(tmp_path, data, complaint):
    path = tmp_path / "humaneval.jsonl"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"humaneval.jsonl.*{complaint}"):
        ids(path)


def test_a_wrong_row_of_a_parquet_file_is_named_by_its_number(tmp_path):
    (tmp_path / "x.parquet").write_bytes(parquet([ROWS[0], {**ROWS[1], "prompt": None}]))
    with pytest.raises(ValueError, match=r"x.parquet, row 2: the field 'prompt' is missing"):
        ids(tmp_path / "x.parquet")


def test_a_parquet_file_that_breaks_off_is_named(tmp_path):
    (tmp_path / "x.parquet").write_bytes(parquet()[:-30])
    with pytest.raises(ValueError, match=r"x.parquet: the parquet file breaks off or is damaged"):
        ids(tmp_path / "x.parquet")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"x.parquet is a parquet file; to read it: pip install .*\[hub\]'"):
        ids(tmp_path / "x.parquet")


def test_remote_files_and_folders_are_read_like_local_ones(tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/plain/humaneval.jsonl.gz", gzip.compress(LINES))
    memory.pipe("/copy/openai_humaneval/test-00000-of-00001.parquet", parquet())
    memory.pipe("/other/readme.txt", b"x")
    storage.write_text("memory://tasks/mine.jsonl", LINES.decode())
    for source in ("plain", "plain/humaneval.jsonl.gz", "copy", "tasks/mine.jsonl"):
        assert ids(f"memory://{source}") == IDS
    with pytest.raises(
        FileNotFoundError, match=r"the folder memory://other holds no humaneval.jsonl.gz, and no openai"
    ):
        ids("memory://other")
    with pytest.raises(FileNotFoundError, match="no file memory://nowhere"):
        ids("memory://nowhere")


def test_a_copy_of_the_hubs_repository_is_a_source_and_its_parts_come_in_order(tmp_path):
    folder = tmp_path / "openai_humaneval"
    folder.mkdir()
    (folder / "test-00001-of-00002.parquet").write_bytes(parquet(ROWS[2:]))
    (folder / "test-00000-of-00002.parquet").write_bytes(parquet(ROWS[:2]))
    (tmp_path / "README.md").write_text("x")
    assert ids(tmp_path) == IDS


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """The hub's cache with one repository, and no way to the hub."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.delenv("RLVR_DATA", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "datasets--openai--openai_humaneval"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("a" * 40)
    snapshot = repository / "snapshots" / ("a" * 40) / "openai_humaneval"
    snapshot.mkdir(parents=True)
    return snapshot


def test_without_a_network_the_hubs_cache_is_enough(cached):
    (cached / "test-00000-of-00001.parquet").write_bytes(parquet())
    assert [task.id for task in load("humaneval")] == IDS


def test_a_cache_without_the_file_says_why_nothing_came(cached):
    with pytest.raises(FileNotFoundError, match=r"from the hub \(openai/openai_humaneval\) nothing came: .*offline"):
        list(load("humaneval"))


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub as its client asks for."""

    files: dict[str, bytes] = {}  # noqa: RUF012

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.wfile.write(self.answer())

    def answer(self):
        path = self.path.partition("?")[0]
        status, headers, data = 404, {}, b""
        if "/tree/" in path:
            tree = [{"type": "file", "path": name, "oid": digest(d), "size": len(d)} for name, d in self.files.items()]
            status, data = 200, json.dumps(tree).encode()
        elif path.startswith("/api/datasets/openai/"):
            siblings = [{"rfilename": name} for name in self.files]
            status, data = 200, json.dumps({"id": "openai/x", "sha": "a" * 40, "siblings": siblings}).encode()
        elif "/resolve/" in path and (name := path.partition("/resolve/")[2].partition("/")[2]) in self.files:
            status, data = 200, self.files[name]
            headers = {"ETag": f'"{digest(data)}"', "X-Repo-Commit": "a" * 40}
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        return data

    def log_message(self, *args):
        pass


def digest(data):
    return hashlib.sha1(data).hexdigest()


@pytest.mark.slow
def test_files_come_from_the_hub_once_and_then_from_its_cache(tmp_path):
    pytest.importorskip("huggingface_hub")
    Hub.files = {"openai_humaneval/test-00000-of-00001.parquet": parquet(), "README.md": b"x"}
    program = "from rlvr.tasks import load; print([task.id for task in load('humaneval')])"
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    environment.pop("RLVR_DATA", None)
    environment["HF_HOME"] = str(tmp_path)

    def run(**more):
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env={**environment, **more}, capture_output=True, text=True)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        assert str(IDS) in run(HF_ENDPOINT=endpoint).stdout
        server.shutdown()
    assert str(IDS) in run(HF_ENDPOINT=endpoint).stdout
    assert str(IDS) in run(HF_HUB_OFFLINE="1").stdout
