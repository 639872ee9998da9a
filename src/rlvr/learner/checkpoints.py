"""The state of a run on disk: a folder is complete or it is not there, and a damaged one is refused by name.

model/          weights and tokenizer, as models are saved everywhere
optimizers.pt   the optimizers' state; in its place, from a run of several processes:
shards/         what learns and its optimizers' state, in shares (torch.distributed.checkpoint)
ledger.json     what else the run has to know
files.json      every file above with its bytes, written last
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from rlvr import models
from rlvr.learner import ranks, sharding
from rlvr.learner.step import Learner
from rlvr.records import Json
from rlvr.run import RunStoppedError


def save(folder: Path, learner: Learner, ledger: Json, facts: Mapping[str, Json]) -> None:
    """Write weights, tokenizer, optimizer and the run's ledger aside, then move them into place.

    Every process of a run calls it, and the first writes what is not shared out. Raises `RunStoppedError` where the
    disk takes no more; nothing of this checkpoint is left then.
    """
    aside = folder.with_name(f".{folder.name}.tmp")
    if ranks.first():
        shutil.rmtree(aside, ignore_errors=True)
    ranks.barrier()
    with _whole_or_nothing(aside):
        aside.mkdir(parents=True, exist_ok=True)
        if ranks.world() == 1:
            models.save(learner.model, aside / "model", facts)
            torch.save(learner.state(), aside / "optimizers.pt")
        else:
            with sharding.whole_weights(learner.model.network):
                if ranks.first():
                    models.save(learner.model, aside / "model", facts)
            sharding.save(learner.model.network, learner.optimizers, aside / "shards")
        if ranks.first():
            (aside / "ledger.json").write_text(json.dumps(ledger), encoding="utf-8")
            (aside / "files.json").write_text(json.dumps(_sizes(aside)), encoding="utf-8")
            os.replace(aside, folder)
    ranks.barrier()


def restore(folder: Path, learner: Learner) -> Json:
    """Put a checkpoint's weights and optimizer into a learner of the same recipe; returns the ledger.

    Raises `ValueError` for a folder that is damaged, or does not fit, before any weight has moved.
    """
    _check_files(folder)
    shards, network = folder / "shards", learner.model.network
    if ranks.world() > 1 and not shards.exists():
        raise ValueError(f"{folder} is of a run of one process, so it cannot be resumed by {ranks.world()}")
    try:
        ledger = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))
        if shards.exists():
            sharding.restore(network, learner.optimizers, shards)
        else:
            # Not beside what is on the GPU already.
            state = torch.load(folder / "optimizers.pt", map_location="cpu", weights_only=True)
            models.restore(learner.model, folder / "model")
            learner.restore(state)
    except (json.JSONDecodeError, RuntimeError, SafetensorError) as error:
        raise _damaged(folder, str(error)) from error
    return ledger


@contextmanager
def _whole_or_nothing(aside: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        shutil.rmtree(aside, ignore_errors=True)
        # Libraries say that a disk is full in ways of their own.
        if isinstance(error, OSError | RuntimeError | SafetensorError):
            raise RunStoppedError(
                f"the checkpoint {aside.name.removeprefix('.').removesuffix('.tmp')} could not be written to "
                f"{aside.parent}: {str(error).splitlines()[0]}. Those before it are whole; make room there and "
                "continue with --resume"
            ) from error
        raise


def _sizes(folder: Path) -> dict[str, int]:
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.stat().st_size for path in found}


def _check_files(folder: Path) -> None:
    """Raises `ValueError` where a file is missing or has another size than when it was written."""
    try:
        written: dict[str, Any] = json.loads((folder / "files.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(folder, f"its list of files, files.json, cannot be read ({error})") from error
    found = _sizes(folder)
    for name, size in written.items():
        if name not in found:
            raise _damaged(folder, f"{name} is missing")
        if found[name] != size:
            raise _damaged(folder, f"{name} has {found[name]:,} bytes and was written with {size:,}")


def _damaged(folder: Path, why: str) -> ValueError:
    return ValueError(
        f"the checkpoint {folder} is damaged: {why}. Remove that folder to continue from the checkpoint before it"
    )
