"""A run's folder: never overwritten, reopened only for the same recipe, cut back to a checkpoint."""

import json

import pytest

from rlvr.run import Run

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


def test_texts_that_no_encoding_takes_can_be_stored(tmp_path):
    run = Run.create(tmp_path / "run", CONFIG, 0)
    run.rollouts([{"text": "\ud800 \0 \u2028 é"}])
    lines = (run.path / "traces/rollouts.jsonl").read_text(encoding="utf-8").split("\n")
    assert json.loads(lines[0])["text"] == "\ud800 \0 \u2028 é"
