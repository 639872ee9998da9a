"""What is missing is installed by what the message says, from wherever one reads it."""

from pathlib import Path

from rlvr import extras


def test_a_clone_is_named_by_the_way_to_it(tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / "clone" / "src" / "rlvr"
    package.mkdir(parents=True)
    monkeypatch.setattr(extras, "__file__", str(package / "extras.py"))
    monkeypatch.chdir(tmp_path)
    assert extras.install("hub") == "pip install 'rlvr[hub]'"
    (tmp_path / "clone" / "pyproject.toml").touch()
    assert extras.install("hub") == "pip install -e 'clone[hub]'"
    monkeypatch.chdir(tmp_path / "clone")
    assert extras.install("hub") == "pip install -e '.[hub]'"
