"""A class of one's own is a source wherever a name can stand, and is made of what `rlvr.tasks` makes public."""

import json
import sys
from pathlib import Path

import pytest

from rlvr import Bound, cli, registry
from rlvr.tasks import load

MODULE = '''
"""Numbers and their successors."""

from dataclasses import dataclass

from rlvr.records import Task
from rlvr.tasks import Dataset, Origin, Question, Row


@dataclass(frozen=True, kw_only=True)
class Successors(Dataset):
    ROLES = {"train": "train", "test": "test_only"}

    split: str = "train"

    def origin(self, part: str) -> Origin:
        return Origin("successors", (f"successors_{part}.jsonl",), "https://example.org", "a/b", (f"{part}.parquet",))

    def task(self, row: Row) -> Task:
        number = row.number("number")
        if number < 0:
            raise row.unusable("below 0")
        asked = Question(f"{number} + 1 =", f"What is {number} + 1?")
        solution = str(number + 1)
        return self.make(f"successors/{number}", asked, {"answer": solution}, "math", solution=solution)
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a dataset of a user's, whose files are in the current folder and in RLVR_DATA."""
    (tmp_path / "successors.py").write_text(MODULE)
    for part, numbers in (("train", [1, 20, -3, 300]), ("test", [4000])):
        rows = "".join(json.dumps({"number": number}) + "\n" for number in numbers)
        (tmp_path / f"successors_{part}.jsonl").write_text(rows)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLVR_DATA", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "successors", raising=False)
    return "successors:Successors"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["rlvr", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def ids(path: str) -> list[str]:
    return [row.get("id") or row.get("task_id") for row in map(json.loads, Path(path).read_text().splitlines())]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", ["successors/1", "successors/20", "successors/300"]),
        (":test", ["successors/4000"]),
        (":train[1:]", ["successors/20", "successors/300"]),
    ],
)
def test_it_has_splits_and_slices_in_its_name(own, name, expected):
    assert [task.id for task in load(own + name)] == expected


def test_an_unknown_split_or_option_of_it_is_told_as_for_any_other(own):
    with pytest.raises(ValueError, match=r"no split of successors named 'tset'. Did you mean 'test'\?"):
        load(own + ":tset")
    with pytest.raises(LookupError, match="no option of tasks/successors:Successors named 'levels'"):
        load(own, levels=[1])
    with pytest.raises(LookupError, match="'successors:Nothing' is not an importable class for tasks"):
        load("successors:Nothing")


def test_it_is_verified_by_name(own, monkeypatch):
    Path("C.jsonl").write_text('{"task_id": "successors/20", "text": "21"}\n{"task_id": "successors/1", "text": "3"}\n')
    assert run(monkeypatch, "verify", "--tasks", own, "--completions", "C.jsonl", "--out", "V.jsonl") == 0
    assert [json.loads(line)["passed"] for line in Path("V.jsonl").read_text().splitlines()] == [True, False]


def test_it_is_bound_by_name(own):
    with Bound(own, workers=1) as verifier:
        assert verifier.verify("21", "successors/20").passed


def test_it_is_prepared_with_all_of_its_splits(own, monkeypatch):
    arguments = ["prepare", own, "--licence", "CC0-1.0", "--validation-size", "1", "--workers", "1", "--out", "data"]
    assert run(monkeypatch, *arguments) == 0
    assert len(ids("data/train.jsonl")) == 2
    assert ids("data/test_only.jsonl") == ["successors/4000"]
    assert Path("data/successors_train_full.jsonl").exists()


def test_it_is_exported_and_ordered_by_name(own, monkeypatch):
    assert run(monkeypatch, "export", own, "--format", "full", "--out", "full.jsonl") == 0
    assert len(ids("full.jsonl")) == 3
    arguments = ["order", own, "--by-field", "length", "--sort", "hard-first", "--out", "order.txt"]
    assert run(monkeypatch, *arguments) == 0
    assert Path("order.txt").read_text().split() == ["successors/300", "successors/20", "successors/1"]


def test_data_cannot_name_it(own):
    with pytest.raises(LookupError, match="no verifiers plug-in named"):
        registry.build("verifiers", own)
