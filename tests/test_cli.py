"""The command line as people use it: names, files, exit codes, and sentences instead of tracebacks."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr import __version__, cli
from rlvr.records import Task
from rlvr.storage import read_records

RECIPES = Path(__file__).parent.parent / "recipes"


@pytest.fixture
def rlvr(monkeypatch, capsys):
    """Runs a command line; returns the exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["rlvr", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def tasks(tmp_path):
    path = tmp_path / "tasks.jsonl"
    reference = {"style": "asserts", "tests": ["assert add(2, 3) == 5", "assert add(0, 0) == 0"], "setup": ""}
    path.write_text(json.dumps({"id": "add", "prompt": "Write add.", "reference": reference, "verifier": "unit_tests"}))
    return path


def test_tasks_are_written_as_records_that_load_again(rlvr, tmp_path):
    code, out, _ = rlvr("tasks", "programs:test", "--limit", 5, "--out", tmp_path / "T.jsonl")
    assert code == 0
    assert "5 tasks" in out
    assert len(list(read_records(tmp_path / "T.jsonl", Task))) == 5


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("program:test", "Did you mean 'programs'"),
        ("programs:tset", "Did you mean 'test'"),
        ("missing.jsonl", "missing.jsonl"),
    ],
)
def test_a_wrong_name_is_one_sentence_and_exit_code_2(rlvr, tmp_path, name, said):
    code, _, err = rlvr("tasks", name, "--out", tmp_path / "T.jsonl")
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_verify_judges_good_rows_and_lists_bad_ones(rlvr, tasks, tmp_path):
    completions = tmp_path / "C.jsonl"
    rows = [
        json.dumps({"task_id": "add", "text": "def add(a, b):\n    return a + b"}),
        "{broken",
        json.dumps({"task_id": "adder", "text": ""}),
        json.dumps({"task_id": "add", "text": "def add(a, b):\n    return 5"}),
    ]
    completions.write_text("\n".join(rows))
    code, out, _ = rlvr("verify", "--tasks", tasks, "--completions", completions, "--out", tmp_path / "V.jsonl")
    assert code == 1
    verdicts = [json.loads(line) for line in (tmp_path / "V.jsonl").read_text().splitlines()]
    assert [(v["index"], v["passed"], v["outcome"], v["tests_passed"]) for v in verdicts] == [
        (0, True, "passed", 2),
        (3, False, "wrong_answer", 1),
    ]
    wrong = [json.loads(line) for line in (tmp_path / "V.errors.jsonl").read_text().splitlines()]
    assert [(Path(w["file"]).name, w["line"]) for w in wrong] == [("C.jsonl", 2), ("C.jsonl", 3)]
    assert "passed" in out


def test_a_dry_run_shows_the_arithmetic_and_writes_nothing(rlvr, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = rlvr(
        "train", RECIPES / "quickstart_grpo.yaml", "steps=7", "tasks.limit=9", "model.recipe.tasks.limit=9", "--dry-run"
    )
    assert code == 0
    assert "all together 224 prompts, 1,792 sequences" in out
    assert not list(tmp_path.iterdir())


def test_a_misspelt_key_is_named_with_the_nearest_one(rlvr):
    code, _, err = rlvr("train", RECIPES / "quickstart_grpo.yaml", "optimizer.lrr=1", "--dry-run")
    assert code == 2
    assert "'lr'" in err


def test_a_folder_with_a_run_is_not_overwritten(rlvr, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    code, _, err = rlvr("train", RECIPES / "quickstart_sft.yaml", "--out", tmp_path)
    assert code == 2
    assert "--resume" in err


def test_more_samples_are_asked_for_before_anything_is_sampled(rlvr, tmp_path):
    code, _, err = rlvr("evaluate", "nowhere", "--tasks", "programs:test", "--out", tmp_path, "--n", 4, "--k", 1, 8)
    assert code == 2
    assert "pass@8" in err


@pytest.mark.parametrize(("missing", "said"), [("fcntl", "needs fork"), ("torch", "'.[train]'")])
def test_what_this_machine_lacks_is_a_sentence(rlvr, monkeypatch, missing, said):
    def lacking(*_args, **_options):
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(cli, "app", lacking)
    code, _, err = rlvr("score", "x")
    assert code == 2
    assert said in err


@given(st.lists(st.integers(1, 99), min_size=1, max_size=4), st.lists(st.integers(0, 9), min_size=1, max_size=3))
def test_values_after_one_option_become_options_of_their_own(ks, seeds):
    words = ["evaluate", "model", "--k", *map(str, ks), "--out", "x", "--seeds", *map(str, seeds), "--n", "4"]
    spread = cli.spread(words)
    assert [spread[n + 1] for n, word in enumerate(spread) if word == "--k"] == list(map(str, ks))
    assert [spread[n + 1] for n, word in enumerate(spread) if word == "--seeds"] == list(map(str, seeds))
    assert cli.spread(spread) == spread


def test_the_version_is_told(rlvr) -> None:
    assert rlvr("--version") == (0, f"rlvr {__version__}\n", "")


def test_a_place_that_cannot_be_written_is_one_sentence(rlvr, tmp_path):
    (tmp_path / "file").write_text("mine")
    code, _, err = rlvr("tasks", "programs:train", "--limit", 1, "--out", tmp_path / "file" / "T.jsonl")
    assert (code, err.count("\n")) == (2, 1), err
    assert err.startswith("rlvr: ")
    assert str(tmp_path / "file") in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_one_sentence_and_exit_code_1(rlvr):
    code, _, err = rlvr("tasks", "programs:train", "--limit", 1, "--out", "/dev/full")
    assert (code, err) == (1, "rlvr: [Errno 28] No space left on device\n")
