"""What lies in a folder: runs, measurements, a summary; read so that a run that was cut off can still be shown."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any

from rlvr.config.dialect import parse
from rlvr.records import Json
from rlvr.storage import read_lines

LABELS = {"warmup": "warm-up", "before": "before RL", "raft": "RAFT", "grpo": "GRPO"}
"""How names of folders and objectives are written for people; others are shown as they are."""

COLOURS = {"before": "--before", "warmup": "--warmup", "raft": "--raft", "grpo": "--grpo"}
"""Of the quickstart's names. Any other name has the first of `FREE` that no name on the page has."""
FREE = ("--grpo", "--raft", "--extra1", "--extra2")

DEPTH = 2
"""Folders below the one that was asked for in which runs and evaluations are looked for."""


@dataclass(frozen=True)
class TrainingRun:
    """A folder with a `run.json`."""

    path: Path
    facts: dict[str, Any]
    recipe: str
    """The resolved recipe, as YAML; empty where it is missing."""
    settings: dict[str, Any]
    """The recipe, parsed."""
    steps: list[dict[str, Any]]
    """The rows of `metrics.jsonl` that have been learned from; step 0 only evaluates."""
    evaluations: list[tuple[int, dict[str, Any]]]
    """Steps with what was measured after them."""
    colour: str = ""
    """A CSS variable: one for a run and for what was measured of it, everywhere on the page."""

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def label(self) -> str:
        return LABELS.get(self.name, self.name)

    @property
    def judged(self) -> int:
        """Programs that its steps sampled and judged."""
        return sum(sum(row.get("outcomes", {}).values()) for row in self.steps)

    @property
    def samples(self) -> bool:
        """Whether it learned from judged samples, rather than from demonstrations."""
        return any("reward" in row for row in self.steps)


@dataclass(frozen=True)
class Measurement:
    """Results of one model, as `rlvr.evaluation.estimate.summarise` returns them."""

    name: str
    label: str
    results: dict[str, Any]
    folder: Path | None = None
    """Where the judged completions lie; None: measured during training, which keeps only the numbers."""
    colour: str = ""
    """As of the run of this name."""


@dataclass(frozen=True)
class Collected:
    """Everything that a page can be made of. The first measurement is what the others are compared with."""

    path: Path
    summary: dict[str, Any] | None
    runs: list[TrainingRun]
    measurements: list[Measurement]
    notes: list[str] = field(default_factory=list)
    """What could not be read."""


def collect(folder: Path) -> Collected:
    """Read the folder of a quickstart, a run or an evaluation.

    Raises `FileNotFoundError` where there is none, and `ValueError` where there are several strangers.
    """
    _refuse_strangers(folder)
    notes: list[str] = []
    runs = [_run(path.parent, notes) for path in _find(folder, "run.json")]
    runs.sort(key=lambda run: (_rank(run.name), str(run.facts.get("started", "")), run.name))
    measurements = [
        Measurement(path.parent.name, _label(path.parent), results, path.parent)
        for path in _find(folder, "results.json")
        if (results := _object(path, notes))
    ]
    measurements.sort(key=lambda found: (_rank(found.name), found.label))
    summary_file = folder / "summary.json"
    summary = _object(summary_file, notes) if summary_file.is_file() else {}
    if not (runs or measurements or summary):
        where = "" if folder.is_dir() else " (there is no such folder)"
        raise FileNotFoundError(
            f"nothing to report in {folder}{where}: looked for run.json (a run), results.json (an evaluation) and "
            f"summary.json (a quickstart), there and up to {DEPTH} folders below"
        )
    measurements = measurements or _measured_in_training(runs)
    colours = _colours([found.name for found in (*runs, *measurements)])
    runs = [replace(run, colour=colours[run.name]) for run in runs]
    measurements = [replace(found, colour=colours[found.name]) for found in measurements]
    return Collected(folder, summary or None, runs, measurements, notes)


def rows(path: Path, notes: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file that may be missing or end in half a line; what is broken is noted and skipped."""
    if not path.is_file():
        return
    for _, row in read_lines(path):
        if isinstance(row, dict):
            yield row
        elif notes is not None:
            notes.append(str(row) if isinstance(row, ValueError) else f"{path}: a line is no object")


def _refuse_strangers(folder: Path) -> None:
    """A page compares what it shows, which is wrong where one is not the continuation of the other."""
    found = {path.parent for name in ("run.json", "results.json") for path in _find(folder, name)}
    outermost = sorted(path for path in found if not found.intersection(path.parents))
    quickstart = (folder / "summary.json").exists() or all(path.name in LABELS for path in outermost)
    if len(outermost) > 1 and not quickstart:
        names = ", ".join(path.name for path in outermost)
        raise ValueError(
            f"{folder} holds {len(outermost)} runs or evaluations: {names}. A page is about one of them, or about a "
            f"quickstart: rlvr report {outermost[0]}"
        )


def _colours(names: Sequence[str]) -> dict[str, str]:
    free = cycle([colour for colour in FREE if colour not in {COLOURS.get(name) for name in names}] or FREE)
    return {name: COLOURS.get(name) or next(free) for name in dict.fromkeys(names)}


def _find(folder: Path, name: str) -> list[Path]:
    return sorted(path for depth in range(DEPTH + 1) for path in folder.glob("*/" * depth + name) if path.is_file())


def _rank(name: str) -> int:
    known = list(LABELS)
    return known.index(name) if name in known else len(known)


def _label(folder: Path) -> str:
    return LABELS.get(folder.name, folder.name)


def _object(path: Path, notes: list[str]) -> dict[str, Any]:
    try:
        data: Json = json.loads(path.read_bytes())
    except ValueError as error:
        notes.append(f"{path}: not JSON: {error}")
        return {}
    if not isinstance(data, dict):
        notes.append(f"{path}: not an object")
        return {}
    return data


def _run(path: Path, notes: list[str]) -> TrainingRun:
    recipe = path / "config.yaml"
    text = recipe.read_text(encoding="utf-8", errors="replace") if recipe.is_file() else ""
    try:
        settings = parse(text, str(recipe))
    except ValueError as error:
        notes.append(str(error))
        settings = {}
    metrics = [row for row in rows(path / "metrics.jsonl", notes) if isinstance(row.get("step"), int)]
    return TrainingRun(
        path,
        _object(path / "run.json", notes),
        text,
        settings if isinstance(settings, dict) else {},
        [row for row in metrics if row["step"] > 0],
        [(row["step"], row["evaluation"]) for row in metrics if isinstance(row.get("evaluation"), dict)],
    )


def _measured_in_training(runs: list[TrainingRun]) -> list[Measurement]:
    """Without evaluations of their own, the first and the last that the runs made on their way."""
    measured = [run for run in runs if run.evaluations]
    found: list[Measurement] = []
    if measured and measured[0].evaluations[0][0] == 0:
        found.append(Measurement("before", "before training", measured[0].evaluations[0][1]))
    for run in measured:
        step, results = run.evaluations[-1]
        if step > 0:
            found.append(Measurement(run.name, f"{run.label}, step {step}", results))
    return found


def metrics_of(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """The metrics that all results have, at most three: pass@1, greedy, and pass@k of the largest k."""
    shared = [key for key in results[0] if all(isinstance(r.get(key), dict) and "value" in r[key] for r in results)]
    ks = sorted((key for key in shared if key.startswith("pass@")), key=lambda key: int(key.removeprefix("pass@")))
    wanted = [*ks[:1], "greedy", *ks[1:][-1:]]
    return [key for key in wanted if key in shared]


def per_cent(share: float) -> str:
    return f"{100 * share:.1f} %"


def gain(now: float, before: float) -> str:
    """In percentage points, with its sign."""
    return f"{100 * (now - before):+.1f}".replace("-", "−")
