"""A checkpoint is whole or is refused, and a full disk costs no earlier one."""

import random
import resource
import shutil

import pytest
import torch

from rlvr.config.train_recipe import Optimizer
from rlvr.learner import checkpoints
from rlvr.learner.step import Learner
from rlvr.objectives.sft import SFT
from rlvr.records import Example
from rlvr.run import RunStoppedError

ROWS = [Example((40 + n, 50, 51 + n, 1), (False, True, True, True)) for n in range(4)]


def learner(tiny, seed=0, **changes):
    return Learner(tiny(seed=seed, **changes), Optimizer(name="muon", lr=1e-2, tokens_per_microbatch=8), 10, 1.0)


def stepped(one, *steps):
    for step in steps:
        one.update(ROWS, SFT().loss, step, 0)
    return one


@pytest.fixture(scope="module")
def saved(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "step_2"
    checkpoints.save(folder, stepped(learner(tiny), 0, 1), {"step": 2}, {"recipe": "r"})
    return folder


def test_a_learner_goes_on_from_a_checkpoint_to_the_bit(tiny, saved):
    again = learner(tiny, seed=1)
    assert checkpoints.restore(saved, again) == {"step": 2}
    whole = stepped(learner(tiny), 0, 1, 2, 3)
    assert stepped(again, 2, 3).model.fingerprint() == whole.model.fingerprint()
    assert str(again.state()) == str(whole.state())


@pytest.mark.parametrize("name", ["model/model.safetensors", "optimizers.pt", "ledger.json", "files.json"])
@pytest.mark.parametrize("how", ["cut", "gone", "zeros", "noise"])
def test_a_damaged_checkpoint_is_refused_by_name_before_a_weight_moves(tiny, saved, tmp_path, name, how):
    folder = tmp_path / "step_2"
    shutil.copytree(saved, folder)
    file = folder / name
    size = file.stat().st_size
    if how == "cut":
        file.write_bytes(file.read_bytes()[: size // 2])
    elif how == "gone":
        file.unlink()
    else:
        file.write_bytes(bytes(size) if how == "zeros" else random.Random(1).randbytes(size))
    one = learner(tiny, seed=1)
    before = one.model.fingerprint()
    with pytest.raises(ValueError, match=r"step_2 is damaged: .*Remove that folder to continue from the checkpoint b"):
        checkpoints.restore(folder, one)
    assert one.model.fingerprint() == before


def test_a_checkpoint_of_another_model_is_refused(tiny, saved):
    one = learner(tiny, num_hidden_layers=1)
    before = one.model.fingerprint()
    with pytest.raises(ValueError, match=r"does not fit this model.*layers\.1\."):
        checkpoints.restore(saved, one)
    assert one.model.fingerprint() == before


@pytest.mark.parametrize("limit", [20_000, 100])
def test_a_full_disk_leaves_the_checkpoint_before_and_nothing_half_written(tiny, tmp_path, limit):
    one = stepped(learner(tiny), 0)
    checkpoints.save(tmp_path / "step_1", one, {"step": 1}, {})
    stepped(one, 1)
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most[1]))
    try:
        with pytest.raises(
            RunStoppedError, match=r"checkpoint step_2 could not be written to .*Those before it are wh"
        ):
            checkpoints.save(tmp_path / "step_2", one, {"step": 2}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert [path.name for path in tmp_path.iterdir()] == ["step_1"]
    assert checkpoints.restore(tmp_path / "step_1", learner(tiny)) == {"step": 1}
    checkpoints.save(tmp_path / "step_2", one, {"step": 2}, {})
    assert checkpoints.restore(tmp_path / "step_2", learner(tiny)) == {"step": 2}


def test_what_is_not_a_failure_of_the_disk_is_told_as_it_is(tiny, tmp_path, monkeypatch):
    def broken(*_):
        raise KeyError("a bug")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(KeyError, match="a bug"):
        checkpoints.save(tmp_path / "step_1", learner(tiny), {}, {})
    assert not list(tmp_path.iterdir())
