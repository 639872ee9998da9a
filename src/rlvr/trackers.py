"""Where the metrics of a run go besides its folder: TensorBoard and Weights & Biases, by name.

`metrics.jsonl` is what counts; a tracker shows the same rows elsewhere. A resumed run writes its rows again from the
first one, so that nothing stands twice and nothing that a killed process had not sent yet is missing.

tensorboard   the run's folder `tensorboard/`
wandb         the run's folder `wandb/`, and the server unless WANDB_MODE=offline. The project is WANDB_PROJECT, else
              rlvr. Online, a resumed run goes on under its id, and the server ignores rows that it has.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from importlib.util import find_spec
from typing import Any, Protocol

from rlvr import extras
from rlvr.records import Json
from rlvr.run import Run


class Tracker(Protocol):
    """An opened tracker."""

    def log(self, step: int, values: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


def missing(names: Sequence[str]) -> list[str]:
    """What has to be installed before these trackers can be used."""
    return [
        f"the tracker {name} needs the package {name}: {extras.install('trackers')}"
        for name in names
        if find_spec(name) is None
    ]


@contextmanager
def opened(names: Sequence[str], run: Run, name: str) -> Iterator[Callable[[Mapping[str, Json]], None]]:
    """A function that takes each further row of a run's metrics; those that stand there already are sent first."""
    with ExitStack() as stack:
        found: list[Tracker] = []
        for tracker in names:
            found.append(_TRACKERS[tracker](run, name))
            stack.callback(found[-1].close)

        def track(row: Mapping[str, Json]) -> None:
            for tracker in found:
                tracker.log(row["step"], numbers(row))

        for row in run.measured() if found else ():
            track(row)
        yield track


def numbers(row: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers of a row by their path, such as `evaluation/pass@1/value`; texts, lists and nulls are left out."""
    found: dict[str, float] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            found.update(numbers(value, f"{prefix}{key}/"))
        elif isinstance(value, int | float) and not isinstance(value, bool) and (prefix or key != "step"):
            found[prefix + key] = float(value)
    return found


class _TensorBoard:
    def __init__(self, run: Run, name: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = run.path / "tensorboard"
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = SummaryWriter(str(folder))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self._writer.add_scalar(key, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    def __init__(self, run: Run, name: str) -> None:
        import wandb

        # Offline runs lie in folders of their own, and could not be told apart when they are sent later.
        for folder in (run.path / "wandb").glob("offline-run-*"):
            shutil.rmtree(folder)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "rlvr"),
            name=name,
            id=_identity(run),
            resume="allow",
            dir=str(run.path),
            config={"recipe": (run.path / "config.yaml").read_text(encoding="utf-8")},
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True, x_save_requirements=False),
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


def _identity(run: Run) -> str:
    """The same for a run that is resumed, or whose folder was moved."""
    facts = [run.facts.get(key) for key in ("host", "folder", "started", "seed", "command")]
    return blake2b(repr(facts).encode(), digest_size=8).hexdigest()


_TRACKERS: dict[str, Callable[[Run, str], Tracker]] = {"tensorboard": _TensorBoard, "wandb": _Wandb}
