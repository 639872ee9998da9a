"""Models in a bucket: listed, copied, told apart, through the real client and a server that speaks its protocol."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from rlvr import models, storage
from rlvr.config.train_recipe import Lora, Model


class Bucket(BaseHTTPRequestHandler):
    """What S3 answers to reading: a list of keys, an object, or a part of it; anybody may ask."""

    objects: dict[str, bytes] = {}  # noqa: RUF012 - of the one server of a test

    def do_GET(self):
        url = urlsplit(self.path)
        key = unquote(url.path).lstrip("/").partition("/")[2]
        if not key:
            return self._list(parse_qs(url.query).get("prefix", [""])[0])
        if (data := self.objects.get(key)) is None:
            return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        start, _, end = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        part = data[int(start) : int(end) + 1 if end else None]
        return self._answer(206 if "Range" in self.headers else 200, part)

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def _list(self, prefix):
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"{hash(data)}"</ETag><Size>{len(data)}</Size></Contents>'
            for key, data in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        self._answer(
            200,
            f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>'
            f"<IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode(),
        )

    def _answer(self, status, data):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/xml")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    pytest.importorskip("s3fs", reason="needs the extra s3")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {
        "RLVR_CACHE": str(tmp_path / "cache"),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "anybody",
        "AWS_SECRET_ACCESS_KEY": "anything",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    Bucket.objects = {}

    def put(folder, name):
        files = [path for path in folder.rglob("*") if path.is_file()]
        Bucket.objects |= {f"{name}/{path.relative_to(folder)}": path.read_bytes() for path in files}
        storage.filesystem_of(f"s3://bucket/{name}")[0].invalidate_cache()
        return f"s3://bucket/{name}"

    yield put
    server.shutdown()
    server.server_close()


def test_a_model_a_run_and_an_adapter_are_loaded_from_a_bucket(tiny, tmp_path, bucket):
    for step in (2, 10):
        models.save(tiny(seed=step), tmp_path / "run" / "checkpoints" / f"step_{step}" / "model", {})
    run = bucket(tmp_path / "run", "runs/one")
    newest = models.load(run)
    assert newest.fingerprint() == tiny(seed=10).fingerprint()
    assert newest.checkpoint == f"{run} is a run, of which checkpoints/step_10 is taken, the newest"
    base = f"{run}/checkpoints/step_2/model"
    assert models.load(base).fingerprint() == tiny(seed=2).fingerprint()
    adapted = models.start(Model(path=base, lora=Lora(rank=2)), base, (), 0, tmp_path / "none", print)
    models.save(adapted, tmp_path / "adapter", {})
    loaded = models.load(bucket(tmp_path / "adapter", "adapters/one"))
    assert loaded.adapter.base == base
    assert loaded.fingerprint() == adapted.fingerprint()
    models.save(tiny(seed=3), tmp_path / "run" / "checkpoints" / "step_11" / "model", {})
    assert models.load(bucket(tmp_path / "run", "runs/one")).fingerprint() == tiny(seed=3).fingerprint()
    with pytest.raises(FileNotFoundError, match="no model at s3://bucket/nowhere: nothing is there"):
        models.load("s3://bucket/nowhere")


def test_without_its_client_a_bucket_is_an_error_that_names_the_extra(monkeypatch):
    from fsspec.registry import _registry, known_implementations

    monkeypatch.delitem(_registry, "s3", raising=False)
    monkeypatch.setitem(known_implementations, "s3", {"class": "no.such.Client", "err": "Install it"})
    with pytest.raises(LookupError, match=r"cannot read s3:// \(Install it\); it needs: pip install .*\[s3\]'"):
        models.load("s3://bucket/model")
