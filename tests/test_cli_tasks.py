"""`rlvr tasks` with options of the source: read as in recipes, checked against its fields, errors in one sentence."""

import json

import pytest

from rlvr import cli
from rlvr.records import Task
from rlvr.storage import read_records, write_lines


@pytest.fixture
def tasks(monkeypatch, capsys, tmp_path):
    """Runs `rlvr tasks` in an empty folder; returns the exit code, the tasks and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, list[Task], str]:
        monkeypatch.setattr("sys.argv", ["rlvr", "tasks", "--out", "T.jsonl", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        written = list(read_records("T.jsonl", Task)) if (tmp_path / "T.jsonl").exists() else []
        return code, written, capsys.readouterr().err

    return run


def test_options_of_the_source_arrive_with_their_types(tasks):
    code, found, _ = tasks("programs:train", "depths=[2]", "seed=3", "--limit", "4")
    assert code == 0
    assert [task.meta["depth"] for task in found] == [2, 2, 2, 2]
    _, others, _ = tasks("programs:train", "depths=[2]", "seed=4", "--limit", "4")
    assert {task.id for task in found} != {task.id for task in others}


def test_sources_of_a_mixture_can_be_written_on_a_command_line(tasks):
    code, found, _ = tasks(
        "mixture",
        "sources=[{name: programs:train, count: 2}, {name: programs:validation, count: 1}]",
        "mode=sequential",
    )
    assert code == 0
    assert [task.meta["split"] for task in found] == ["train", "train", "validation"]


def test_a_class_of_ones_own_is_a_source(tasks, monkeypatch, tmp_path):
    (tmp_path / "own_source.py").write_text(
        "from dataclasses import dataclass\n"
        "from rlvr.records import Task\n"
        "@dataclass(frozen=True)\n"
        "class Own:\n"
        "    count: int = 1\n"
        "    def __iter__(self):\n"
        "        for n in range(self.count):\n"
        "            yield Task(f'own/{n}', f'{n} + 1 =', {'answer': str(n + 1)}, 'math')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    code, found, _ = tasks("own_source:Own", "count=3")
    assert code == 0
    assert [task.id for task in found] == ["own/0", "own/1", "own/2"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["programs:test", "deths=[2]"], "deths: no key named 'deths'. Did you mean 'depths'?"),
        (["programs:test", "depths=2"], "depths: should be a list, not 2"),
        (["programs:test", "depths=[2"], "option 'depths=[2', line 1"),
        (["programs:test", "depths"], "'depths' should look like option=value"),
        (["programs:test", "limit=3", "--limit", "4"], "limit is given twice"),
        (["programs:test", "split=train"], "split is given twice"),
        (["programs", "name=mbpp"], "name is given twice"),
        (["mine.jsonl", "--form", "chat"], "form: no key named 'form'"),
        (["nowhere_to_be_found:Own"], "PYTHONPATH"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_writes_nothing(tasks, tmp_path, arguments, said):
    write_lines(tmp_path / "mine.jsonl", [json.loads('{"id": "a", "prompt": "", "reference": 1, "verifier": "math"}')])
    code, found, error = tasks(*arguments)
    assert (code, found) == (2, [])
    assert said in error
    assert "Traceback" not in error


def test_a_folder_is_no_file_to_write(tasks, tmp_path):
    (tmp_path / "there").mkdir()
    for out, example in (("new/", "new/out.jsonl"), ("there", "there/out.jsonl")):
        code, found, error = tasks("programs", "--out", out)
        assert (code, found) == (2, [])
        assert f"{out} is a folder; name a file, for example {example}" in error
    assert not (tmp_path / "new").exists()
