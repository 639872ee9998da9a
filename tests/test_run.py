"""A run's folder: never overwritten, reopened only for the same recipe, cut back to a checkpoint."""

import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from rlvr import run as room
from rlvr.run import Run, alone

CONFIG = "command: train\nsteps: 10\nlr: 0.1\n"


def facts(path):
    return json.loads((path / "run.json").read_text())


def test_a_new_run_says_what_was_asked_and_on_what(tmp_path):
    run = Run.create(tmp_path / "a" / "run", CONFIG, seed=7)
    assert (run.path / "config.yaml").read_text() == CONFIG
    found = facts(run.path)
    assert (found["status"], found["seed"]) == ("running", 7)
    assert {"rlvr", "command", "started", "python", "versions", "hardware", "git"} <= found.keys()
    assert "torch" in found["versions"]


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A working copy with one commit; the current folder is one below its root."""
    root = tmp_path / "copy"
    (root / "below").mkdir(parents=True)
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)
    (root / "a.txt").write_text("one\n")
    (root / "below" / "b.txt").write_text("one\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-q", "-m", "first")
    monkeypatch.chdir(root / "below")
    return root


def git(root, *arguments):
    subprocess.run(["git", *arguments], cwd=root, check=True)


def test_what_the_working_copy_had_besides_its_commit_can_be_made_again(copy, tmp_path):
    (copy / "a.txt").write_text("two\n")
    (copy / "below" / "b.txt").write_text("two\n")
    git(copy, "add", "below/b.txt")
    (copy / "nöw.py").write_text("x = 1\n")
    path = Run.create(tmp_path / "run", CONFIG, 0).path
    patches = {file.name: file.read_text() for file in (path / "patches").glob("git_*")}
    assert "+two" in patches["git_diff.patch"]
    assert "a.txt" in patches["git_diff.patch"]
    assert "b.txt" not in patches["git_diff.patch"]
    assert "below/b.txt" in patches["git_diff_cached.patch"]
    assert patches["git_untracked.txt"] == "nöw.py\n"
    assert "?? nöw.py" in patches["git_status.txt"]
    again = tmp_path / "again"
    git(tmp_path, "clone", "-q", str(copy), str(again))
    for patch in ("git_diff_cached.patch", "git_diff.patch"):
        git(again, "apply", str(path / "patches" / patch))
    with tarfile.open(path / "patches" / "untracked.tar.gz") as archive:
        archive.extractall(again, filter="data")
    names = ("a.txt", "below/b.txt", "nöw.py")
    assert [(again / name).read_text() for name in names] == [(copy / name).read_text() for name in names]
    found = facts(path)["git"]
    assert (found["branch"], found["changed"], os.path.realpath(found["root"])) == (
        "main",
        True,
        os.path.realpath(copy),
    )


def test_large_untracked_files_are_named_and_not_copied(copy, tmp_path):
    (copy / "weights.bin").write_bytes(bytes(room.SMALL + 1))
    path = Run.create(tmp_path / "run", CONFIG, 0).path
    assert (path / "patches" / "git_untracked.txt").read_text() == "weights.bin\n"
    assert not (path / "patches" / "untracked.tar.gz").exists()


def test_outside_of_a_working_copy_there_is_nothing_to_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    path = Run.create(tmp_path / "run", CONFIG, 0).path
    assert facts(path)["git"] is None
    assert not (path / "patches").exists()


def test_an_existing_folder_is_refused(tmp_path):
    Run.create(tmp_path / "run", CONFIG, 0)
    with pytest.raises(FileExistsError, match="already holds a run; continue it with --resume, or choose"):
        Run.create(tmp_path / "run", CONFIG, 0)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(FileExistsError, match="already holds files, and no run; choose another --out"):
        Run.create(tmp_path / "other", CONFIG, 0)
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="is a file; choose another --out"):
        Run.create(tmp_path / "file", CONFIG, 0)
    assert Run.create(tmp_path / "empty", CONFIG, 0).path.is_dir()


def test_a_process_killed_while_making_the_folder_leaves_nothing_in_the_way(tmp_path):
    (tmp_path / ".run.tmp" / "traces").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    assert facts(Run.create(tmp_path / "run", CONFIG, 0).path)["status"] == "running"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_reopening_with_another_recipe_shows_the_difference(tmp_path):
    Run.create(tmp_path / "run", CONFIG, 0)
    with pytest.raises(ValueError, match="cannot be resumed") as error:
        Run.reopen(tmp_path / "run", CONFIG.replace("0.1", "0.2"))
    message = str(error.value)
    assert "-lr: 0.1" in message
    assert "+lr: 0.2" in message
    assert "steps" not in message
    assert facts(tmp_path / "run")["status"] == "running"
    with pytest.raises(FileNotFoundError, match="holds no run to resume"):
        Run.reopen(tmp_path / "nothing", CONFIG)


def test_spent_time_adds_up_over_interruptions(tmp_path):
    run = Run.create(tmp_path / "run", CONFIG, 0)
    run.finish("interrupted")
    first = facts(run.path)["spent"]
    again = Run.reopen(run.path, CONFIG)
    assert facts(run.path)["status"] == "running"
    again.finish("finished", note="x")
    found = facts(run.path)
    assert (found["status"], found["note"], len(found["resumed"])) == ("finished", "x", 1)
    assert found["spent"]["seconds"] >= first["seconds"]


def test_a_killed_run_knows_what_it_had_spent_when_it_last_wrote(tmp_path):
    run = Run.create(tmp_path / "run", CONFIG, 0)
    time.sleep(0.01)
    run.note(checkpoint="checkpoints/step_1")
    spent = facts(run.path)["spent"]["seconds"]
    assert spent >= 0.01
    Run.reopen(run.path, CONFIG).note(checkpoint="checkpoints/step_2")
    assert facts(run.path)["spent"]["seconds"] >= spent


@pytest.mark.skipif(not list(Path("/proc/self/task").glob("*/children")), reason="the system tells of no children")
def test_the_work_of_a_child_counts_while_it_lives_and_once():
    code = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    before = room.cpu_seconds()
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        alive = room.cpu_seconds() - before
        child.communicate(b"\n")
    ended = room.cpu_seconds() - before
    assert 0.25 <= alive <= ended < 2 * alive


def test_rewinding_cuts_the_growing_files_to_where_they_were(tmp_path):
    run = Run.create(tmp_path / "run", CONFIG, 0)
    assert run.lengths() == {}
    run.metrics({"step": 1, "text": "é"})
    run.rollouts([{"n": 1}, {"n": 2}])
    lengths = run.lengths()
    before = (run.path / "metrics.jsonl").read_bytes()
    assert lengths == {"metrics.jsonl": len(before), "traces/rollouts.jsonl": 18}
    run.metrics({"step": 2})
    run.rollouts([{"n": 3}])
    run.rewind(lengths)
    assert run.lengths() == lengths
    assert (run.path / "metrics.jsonl").read_bytes() == before
    run.metrics({"step": 2})
    assert [json.loads(line)["step"] for line in (run.path / "metrics.jsonl").open()] == [1, 2]
    run.rewind({})
    assert set(run.lengths().values()) == {0}


def test_a_file_that_lost_rows_since_the_checkpoint_is_not_padded_or_forgotten(tmp_path):
    run = Run.create(tmp_path / "run", CONFIG, 0)
    run.metrics({"step": 1})
    lengths = run.lengths()
    for damage in (lambda file: file.write_text(""), lambda file: file.unlink()):
        damage(run.path / "metrics.jsonl")
        with pytest.raises(ValueError, match=r"metrics\.jsonl is shorter than at the checkpoint"):
            run.rewind(lengths)


def test_checkpoints_are_sorted_by_number_and_the_newest_kept(tmp_path):
    run = Run.create(tmp_path / "run", CONFIG, 0)
    for name in ("step_2", "step_10", "step_9", ".step_11.tmp"):
        (run.path / "checkpoints" / name / "model").mkdir(parents=True)
    assert [path.name for path in run.checkpoints()] == ["step_2", "step_9", "step_10"]
    run.forget_checkpoints(2)
    assert sorted(path.name for path in (run.path / "checkpoints").iterdir()) == ["step_10", "step_9"]
    run.forget_checkpoints(1, stays=lambda number: number == 9)
    assert len(run.checkpoints()) == 2
    run.forget_checkpoints(1)
    assert [path.name for path in run.checkpoints()] == ["step_10"]


def test_texts_that_no_encoding_takes_can_be_stored(tmp_path):
    run = Run.create(tmp_path / "run", CONFIG, 0)
    run.rollouts([{"text": "\ud800 \0 \u2028 é"}])
    lines = (run.path / "traces/rollouts.jsonl").read_text(encoding="utf-8").split("\n")
    assert json.loads(lines[0])["text"] == "\ud800 \0 \u2028 é"


def test_two_processes_do_not_train_in_one_folder(tmp_path, monkeypatch):
    code = "import sys\nfrom pathlib import Path\nfrom rlvr.run import alone\n"
    code += "with alone(Path(sys.argv[1])):\n    print('in', flush=True)\n    sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "in\n"
    monkeypatch.setattr("rlvr.run._ENDING_S", 0.0)
    with pytest.raises(FileExistsError, match=f"another process is training in {tmp_path}"), alone(tmp_path):
        pass
    monkeypatch.undo()
    other.kill()
    with alone(tmp_path):
        pass
    other.communicate()
