"""Tasks whose verifier lacks an extra are named before anything runs, or left out and counted."""

import json
import sys

import pytest

from rlvr import cli, extras
from rlvr.evaluation.available import available, unavailable
from rlvr.evaluation.verify import verify
from rlvr.records import Task
from rlvr.storage import write_lines
from rlvr.verifiers._instructions import rule


def following(name: str, instruction: str, **kwargs) -> Task:
    reference = {"instructions": [{"id": instruction, "kwargs": kwargs}]}
    return Task(name, "Say it.", reference, "instructions")


TASKS = [
    following("commas", "punctuation:no_comma"),
    following("german", "language:response_language", language="de"),
    Task("sum", "1 + 2?", {"kind": "output", "output": "3"}, "execution"),
    following("french", "language:response_language", language="fr"),
]


@pytest.fixture(autouse=True)
def without_langdetect(monkeypatch):
    """As on a machine without the extra."""
    monkeypatch.setitem(sys.modules, "langdetect", None)
    rule._missing.cache_clear()
    yield
    rule._missing.cache_clear()


@pytest.fixture
def files(tmp_path):
    write_lines(tmp_path / "T.jsonl", [task.to_json() for task in TASKS])
    texts = {"commas": "no such thing", "german": "Guten Tag", "sum": "3", "french": "bonjour"}
    write_lines(tmp_path / "C.jsonl", [{"task_id": name, "text": text} for name, text in texts.items()])
    return tmp_path


def run_verify(folder, **options):
    return verify(folder / "T.jsonl", folder / "C.jsonl", folder / "V.jsonl", isolation="process", **options)


def test_what_is_missing_is_told_for_each_task():
    assert [unavailable(task) is None for task in TASKS] == [True, False, True, False]
    assert extras.install("if") in str(unavailable(TASKS[1]))


def test_tasks_that_cannot_be_judged_are_an_error_or_left_out():
    with pytest.raises(
        ValueError, match=r"2 of 4 tasks cannot .* \(first: german\): .*langdetect.*; or .* --skip-unavail"
    ):
        available(TASKS, skip=False)
    kept, left_out = available(TASKS, skip=True)
    assert [task.id for task in kept] == ["commas", "sum"]
    assert list(left_out.values()) == [2]
    assert available(TASKS[:1], skip=False) == (TASKS[:1], {})
    with pytest.raises(ValueError, match=r"1 of 1 tasks cannot be judged here .*\[if\]'\)$"):
        available([TASKS[1]], skip=True)


def test_verify_judges_nothing_until_it_is_told_to_leave_them_out(files):
    with pytest.raises(ValueError, match=r"2 of 4 tasks cannot be judged here .*--skip-unavailable"):
        run_verify(files)
    assert not (files / "V.jsonl").exists()
    summary = run_verify(files, skip_unavailable=True)
    assert [json.loads(line)["task_id"] for line in (files / "V.jsonl").open()] == ["commas", "sum"]
    assert (summary.tasks, summary.judged, summary.skipped, summary.errors) == (2, 2, 2, 0)
    assert list(summary.left_out.values()) == [2]
    assert not (files / "V.errors.jsonl").exists()


def test_the_command_line_takes_the_flag(files, monkeypatch, capsys):
    command = ["rlvr", "verify", "--tasks", files / "T.jsonl", "--completions", files / "C.jsonl", "--out"]
    for flags, code in (([], 2), (["--skip-unavailable"], 0)):
        monkeypatch.setattr("sys.argv", [*map(str, command), str(files / "V.jsonl"), *flags])
        ended = 0
        try:
            cli.main()
        except SystemExit as stop:
            ended = int(stop.code or 0)
        out, err = capsys.readouterr()
        assert ended == code, err
    assert "2 tasks left out: language:response_language needs the package langdetect" in out
    assert "2 completions of tasks that were left out" in out


@pytest.mark.parametrize("command", ["generate", "evaluate"])
def test_sampling_is_refused_before_a_model_is_loaded(files, command, monkeypatch, capsys):
    arguments = [command, "no/model", "--tasks", files / "T.jsonl", "--out", files / "run"]
    monkeypatch.setattr("sys.argv", ["rlvr", *map(str, arguments)])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert "2 of 4 tasks cannot be judged here" in capsys.readouterr().err
    assert not (files / "run").exists()


def test_an_evaluation_says_what_it_left_out(tmp_path, tiny, display, monkeypatch):
    from rlvr import models
    from rlvr.evaluation.evaluate import evaluate
    from rlvr.evaluation.generate import Plan
    from rlvr.sandboxes.local import Local

    models.save(tiny(), tmp_path / "model", {})
    out = tmp_path / "run"
    with Local(workers=1, isolation="process").open() as sandbox:
        results, _ = evaluate(
            str(tmp_path / "model"), TASKS, out, Plan(1, max_tokens=2), (1,), sandbox, display, skip_unavailable=True
        )
    assert (results["n"], list(results["left_out"].values())) == (2, [2])
    assert json.loads((out / "results.json").read_text())["left_out"] == results["left_out"]
