"""The whole loop on a laptop: warm up a small transformer, correct it by RAFT and GRPO, measure on unseen problems.

It wires nothing of its own: the recipes `quickstart_*.yaml` are trained as `rlvr train` would, and measured as
`rlvr evaluate` would. Headline numbers are for held-out compositions of depth 2 and 3 (the split `programs:test`).
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import rlvr
from rlvr import registry
from rlvr.config import TrainRecipe, load_recipe
from rlvr.evaluation.evaluate import evaluate
from rlvr.evaluation.generate import Plan
from rlvr.progress import Display
from rlvr.records import Json, Task
from rlvr.run import cpu_seconds
from rlvr.storage import write_text
from rlvr.train import train

Choice = Literal["grpo", "raft", "both"]

SAMPLES = 16
KS = (1, 8)
NAMES = {"before": "before", "raft": "after RAFT", "grpo": "after GRPO"}


def recipes() -> Path:
    """The folder of the recipes that come with this version: of the checkout, or inside the installed package."""
    package = Path(rlvr.__file__).parent
    checkout = package.parent.parent / "recipes"
    return checkout if checkout.is_dir() else package / "recipes"


@dataclass
class Quickstart:
    """What has been measured so far."""

    out: Path
    seed: int
    display: Display
    sandbox: Any
    tasks: list[Task]
    judged: int = 0
    judge_errors: int = 0
    judge_seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)

    def train(self, recipe: TrainRecipe, *, resume: bool) -> None:
        folder = self.out / ("warmup" if recipe.name == "quickstart_sft" else recipe.objective.name)
        started = time.perf_counter()
        totals: dict[str, Any] = train(recipe, folder, self.display, resume=resume, sandbox=self.sandbox)
        self.stages[folder.name] = time.perf_counter() - started
        self.judged += totals["judged"]
        self.judge_errors += totals["judge_errors"]
        self.judge_seconds += totals["seconds"].get("judge", 0.0)

    def measure(self, model: Path, name: str) -> dict[str, Json]:
        """Evaluate on the test split; returns the stage's entry of the summary."""
        plan = Plan(samples=SAMPLES, seeds=(self.seed,))
        folder = self.out / "evaluations" / name
        results, seconds = evaluate(str(model), self.tasks, folder, plan, KS, self.sandbox, self.display)
        self.stages[f"evaluate {NAMES[name]}"] = sum(seconds.values())
        self.judged += sum(results["outcomes"].values()) + len(self.tasks)
        self.judge_errors += results["judge_errors"]
        self.judge_seconds += seconds["judge"]
        entry = {
            "pass@1": results["pass@1"]["value"],
            "pass@8": results["pass@8"]["value"],
            "greedy": results["greedy"]["value"],
            "n": results["n"],
        }
        return {**entry, "results": results}


def quickstart(
    out: Path, seed: int, objective: Choice, steps: int | None, display: Display, *, resume: bool = False
) -> dict[str, Any]:
    """Run it all into `out` and return the summary, written as `summary.json` there.

    steps: of GRPO, None for the recipe's own; RAFT's number of cycles scales with it.
    Raises `FileExistsError` if `out` has files already and `resume` is not set.
    """
    if out.exists() and any(out.iterdir()) and not resume:
        raise FileExistsError(f"{out} already holds files; continue it with --resume, or choose another --out")
    warmup, runs = _recipes(out, seed, objective, steps)
    started, cpu = time.perf_counter(), cpu_seconds()
    test = list(registry.build("tasks", "programs", split="test"))
    with warmup.sandbox.build().open() as sandbox:
        work = Quickstart(out, seed, display, sandbox, test)
        work.train(warmup, resume=resume)
        measured = {"before": work.measure(out / "warmup", "before")}
        for name, recipe in runs.items():
            work.train(recipe, resume=resume)
            measured[name] = work.measure(out / name, name)
    summary = {
        "seed": seed,
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(cpu_seconds() - cpu, 1),
        "steps": max(recipe.steps for recipe in runs.values()),
        "before": _entry(measured["before"]),
        "raft": _entry(measured.get("raft")),
        "grpo": _entry(measured.get("grpo")),
        "rollouts_judged": work.judged,
        "verdicts_per_second": round(work.judged / max(1e-9, work.judge_seconds), 1),
        "judge_errors": work.judge_errors,
        "stages": {name: round(seconds, 1) for name, seconds in work.stages.items()},
    }
    write_text(out / "summary.json", json.dumps(summary, indent=2) + "\n")
    return {**summary, "measured": measured}


def _recipes(out: Path, seed: int, objective: Choice, steps: int | None) -> tuple[TrainRecipe, dict[str, TrainRecipe]]:
    folder = recipes()
    warmup = load_recipe(folder / "quickstart_sft.yaml", [f"seed={seed}", f"tasks.seed={seed}"])
    start = [f"seed={seed}", f"tasks.seed={seed}", "model.recipe=null", f"model.path={json.dumps(str(out / 'warmup'))}"]
    wanted = ("raft", "grpo") if objective == "both" else (objective,)
    full = {name: load_recipe(folder / f"quickstart_{name}.yaml", start) for name in ("raft", "grpo")}
    share = 1.0 if steps is None else steps / full["grpo"].steps
    scaled = {"grpo": round(full["grpo"].steps * share), "raft": max(1, round(full["raft"].steps * share))}
    return warmup, {
        name: load_recipe(folder / f"quickstart_{name}.yaml", [*start, f"steps={scaled[name]}"]) for name in wanted
    }


def _entry(measured: Mapping[str, Any] | None) -> dict[str, Json] | None:
    return {key: measured[key] for key in ("pass@1", "pass@8", "greedy", "n")} if measured else None
