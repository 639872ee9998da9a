"""The whole loop on a laptop: warm up a small transformer, correct it by RAFT and GRPO, measure on unseen problems.

The recipes `quickstart_*.yaml` are trained as `rlvr train` would, from one shared warm-up, and measured as
`rlvr evaluate` would. Headline numbers are for held-out compositions of depth 2 and 3 (the split `programs:test`).
"""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import rlvr
from rlvr.config import TrainRecipe, load_recipe
from rlvr.evaluation.evaluate import evaluate
from rlvr.evaluation.generate import Plan
from rlvr.judge.pool import Pool
from rlvr.progress import Display
from rlvr.records import Json, Task
from rlvr.report.table import ROWS
from rlvr.run import cpu_seconds
from rlvr.storage import write_text
from rlvr.tasks import load
from rlvr.train import train

Choice = Literal["grpo", "raft", "both"]

TEST = "programs:test"
SAMPLES = 16
KS = (1, 8)


def recipes() -> Path:
    """The folder of the recipes that come with this version: of the checkout, or inside the installed package."""
    package = Path(rlvr.__file__).parent
    checkout = package.parent.parent / "recipes"
    return checkout if checkout.is_dir() else package / "recipes"


@dataclass
class _Work:
    """What has been done so far."""

    out: Path
    seed: int
    display: Display
    sandbox: Pool
    test: list[Task]
    resume: bool
    judged: int = 0
    judge_errors: int = 0
    judge_seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)

    def train(self, recipe: TrainRecipe, name: str) -> None:
        """Run a recipe into the folder `name`, starting from the warm-up where it has a recipe to start from."""
        started = time.perf_counter()
        totals: dict[str, Any] = train(
            recipe,
            self.out / name,
            self.display,
            resume=self.resume,
            sandbox=self.sandbox,
            warmup=self.out / "warmup",
        )
        self.stages[name] = time.perf_counter() - started
        self.judged += totals["judged"]
        self.judge_errors += totals["judge_errors"]
        self.judge_seconds += totals["seconds"].get("judge", 0.0)

    def measure(self, name: str, model: str) -> dict[str, Json]:
        """Evaluate the run in the folder `model` on the test split; returns what `results.json` holds."""
        plan = Plan(samples=SAMPLES, seeds=(self.seed,))
        folder = self.out / "evaluations" / name
        results, seconds = evaluate(str(self.out / model), self.test, folder, plan, KS, self.sandbox, self.display)
        self.stages[f"evaluate {ROWS[name]}"] = sum(seconds.values())
        self.judged += sum(results["outcomes"].values()) + len(self.test)
        self.judge_errors += results["judge_errors"]
        self.judge_seconds += seconds["judge"]
        return results


def quickstart(
    out: Path, seed: int, objective: Choice, steps: int | None, display: Display, *, resume: bool = False
) -> dict[str, Any]:
    """Run it all into `out`; returns the summary, which is written as `summary.json`, with the full results beside it.

    steps: of GRPO, None for the recipe's own; RAFT's number of cycles scales with it.
    Raises `FileExistsError` if `out` has files already and `resume` is not set.
    """
    if out.exists() and any(out.iterdir()) and not resume:
        raise FileExistsError(f"{out} already holds files; continue it with --resume, or choose another --out")
    runs = _recipes(seed, objective, steps)
    warmup = next(iter(runs.values())).model.recipe
    assert warmup is not None
    before = _spent(out)
    started, cpu = time.perf_counter(), cpu_seconds()
    with warmup.sandbox.build().open() as sandbox:
        work = _Work(out, seed, display, sandbox, list(load(TEST)), resume)
        work.train(warmup, "warmup")
        measured = {"before": work.measure("before", "warmup")}
        for name, recipe in runs.items():
            work.train(recipe, name)
            measured[name] = work.measure(name, name)
        executed = sandbox.executed
    summary = {
        "seed": seed,
        "seconds": round(before["seconds"] + time.perf_counter() - started, 1),
        "cpu_seconds": round(before["cpu_seconds"] + cpu_seconds() - cpu, 1),
        "steps": max(recipe.steps for recipe in runs.values()),
        **{name: _entry(measured[name]) if name in measured else None for name in ROWS},
        "rollouts_judged": work.judged,
        "programs_executed": executed,
        "verdicts_per_second": round(work.judged / max(1e-9, work.judge_seconds), 1),
        "judge_errors": work.judge_errors,
        "stages": {name: round(seconds, 1) for name, seconds in work.stages.items()},
    }
    write_text(out / "summary.json", json.dumps(summary, indent=2) + "\n")
    return {**summary, "measured": measured}


def _spent(out: Path) -> dict[str, float]:
    """What the runs of an earlier call took, as far as they wrote it down."""
    found = [json.loads(file.read_text(encoding="utf-8")).get("spent", {}) for file in out.glob("*/run.json")]
    return {name: sum(spent.get(name, 0.0) for spent in found) for name in ("seconds", "cpu_seconds")}


def _recipes(seed: int, objective: Choice, steps: int | None) -> dict[str, TrainRecipe]:
    """The recipes of the objectives, with the run's seed and number of steps."""
    names = ("raft", "grpo")
    files = {name: recipes() / f"quickstart_{name}.yaml" for name in names}
    own = {name: load_recipe(file).steps for name, file in files.items()}
    share = 1.0 if steps is None else steps / own["grpo"]
    scaled = {name: max(1, round(own[name] * share)) for name in names}
    wanted = names if objective == "both" else (objective,)
    return {name: load_recipe(files[name], [f"seed={seed}", f"steps={scaled[name]}"]) for name in wanted}


def _entry(results: dict[str, Any]) -> dict[str, Json]:
    """A row of the headline."""
    return {**{key: results[key]["value"] for key in ("pass@1", "pass@8", "greedy")}, "n": results["n"]}
