"""RESULTS.md of a run: what was trained, before and after, which checkpoint is best, how to do it again."""

from collections.abc import Mapping, Sequence
from typing import Any

from rlvr.config import TrainRecipe, digest
from rlvr.records import Json
from rlvr.train.best import Best, measured
from rlvr.train.resolving import Parts

STATUS = {
    "running": "The run is under way.",
    "finished": "The run is finished.",
    "interrupted": "The run was interrupted; `--resume` continues it.",
    "failed": "The run failed; log.txt says why.",
}
COUNTED = ("reward", "pass_rate", "loss")


def page(
    recipe: TrainRecipe, parts: Parts, facts: Mapping[str, Any], rows: Sequence[dict[str, Any]], best: Best
) -> str:
    """Markdown. facts: of `run.json`. rows: of `metrics.jsonl`."""
    steps = [row for row in rows if row["step"] > 0]
    done = steps[-1]["step"] if steps else 0
    lines = [
        f"# {recipe.name}",
        "",
        *_trained(recipe, parts),
        "",
        f"{STATUS[facts['status']]} Steps: {done} of {recipe.steps}.",
    ]
    if stopped := facts.get("stopped"):
        lines.append(f"It ended there because {stopped}.")
    lines += ["", *(_evaluations(rows, best) or _steps(steps)), "", *_checkpoints(facts, best), "", *_again(facts)]
    return "\n".join(lines) + "\n"


def card(recipe: TrainRecipe, facts: Mapping[str, Any], step: int, rows: Sequence[dict[str, Any]]) -> dict[str, Json]:
    """What the model card of a checkpoint says of its run. facts, rows: as for `page`."""
    row = next((row for row in rows if row["step"] == step and "evaluation" in row), {"evaluation": {}})
    values = {name: measured(name, row) for name in row["evaluation"]}
    lora = recipe.model.lora
    return {
        "recipe": recipe.name,
        "digest": digest(recipe),
        "step": step,
        "steps": recipe.steps,
        "seed": recipe.seed,
        "start": _start(recipe),
        "objective": recipe.objective.to_json(),
        "tasks": recipe.tasks.to_json(),
        "lora": None if lora is None else lora.model_dump(mode="json"),
        "held_out": {name: value for name, value in values.items() if value is not None},
        "commit": (facts["git"] or {}).get("commit"),
        "versions": {"rlvr": facts["rlvr"], **facts["versions"]},
    }


def _start(recipe: TrainRecipe) -> str:
    if recipe.model.recipe is not None:
        return f"the model of the recipe `{recipe.model.recipe.name}`"
    return f"`{recipe.model.path}`" if recipe.model.path else "a fresh architecture"


def _trained(recipe: TrainRecipe, parts: Parts) -> list[str]:
    size = f", {parts.objective.group_size} samples of each task" if parts.samples else ""
    lines = [
        f"{recipe.objective.name} on {len(parts.tasks)} tasks of `{recipe.tasks.name}` from {_start(recipe)}: "
        f"{recipe.steps} steps of {parts.batch_size} tasks{size}, seed {recipe.seed}."
    ]
    held_out = sum(task.meta.get("role") == "validation" for task in parts.tasks)
    if held_out:
        lines.append(
            f"**{held_out} of these tasks are validation data, as the recipe allows: do not evaluate on them.**"
        )
    return lines


def _evaluations(rows: Sequence[dict[str, Any]], best: Best) -> list[str]:
    """A table of the evaluations before training, of the best checkpoint and of the last one."""
    found = {row["step"]: row["evaluation"] for row in rows if "evaluation" in row}
    if not found:
        return []
    first, last = min(found), max(found)
    columns = {first: "before" if first == 0 else f"step {first}"}
    if best.step in found:
        columns[best.step] = f"best (step {best.step})"
    columns.setdefault(last, f"last (step {last})")
    names = [name for name, value in found[last].items() if _cell(value)]
    lines = [f"| held-out, {found[last].get('n', '?')} tasks | " + " | ".join(columns.values()) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for name in names:
        lines.append(f"| {name} | " + " | ".join(_cell(found[step].get(name)) or "-" for step in columns) + " |")
    return [*lines, "", "Shares in per cent, with 95 % intervals over tasks."]


def _cell(value: Any) -> str:
    if isinstance(value, dict) and {"value", "low", "high"} <= value.keys():
        return f"{100 * value['value']:.1f} ({100 * value['low']:.1f} to {100 * value['high']:.1f})"
    return f"{value:.4g}" if isinstance(value, float) else ""


def _steps(steps: Sequence[dict[str, Any]]) -> list[str]:
    if not steps:
        return ["Nothing has been measured yet."]
    names = [name for name in COUNTED if isinstance(steps[-1].get(name), int | float)]
    lines = [f"| batch | step {steps[0]['step']} | step {steps[-1]['step']} |", "|---|---|---|"]
    for name in names:
        first, last = (row.get(name) for row in (steps[0], steps[-1]))
        lines.append(f"| {name} | {'-' if first is None else f'{first:.4g}'} | {last:.4g} |")
    return lines


def _checkpoints(facts: Mapping[str, Any], best: Best) -> list[str]:
    lines = []
    if found := facts.get("best"):
        lines.append(f"Best by {found['metric']}: `{found['checkpoint']}` ({found['metric']} {found['value']:.4g}).")
    if last := facts.get("checkpoint"):
        lines.append(f"Last: `{last}`. Each is a model that transformers loads: `{last}/model`.")
        taken = "best" if found else "last"
        lines.append(f"As a model this folder stands for its {taken} checkpoint, and `{last}` inside it for that one.")
    return lines or ["There is no checkpoint yet."]


def _again(facts: Mapping[str, Any]) -> list[str]:
    git = facts.get("git")
    lines = ["## Again", "", "```"]
    if git:
        lines.append(f"git checkout {git['commit']}" + ("   # and the changes in patches/" if git["changed"] else ""))
    lines += ["rlvr train config.yaml --out AGAIN", "```", ""]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    gpus = ", ".join(gpu["name"] for gpu in facts["hardware"].get("gpus", [])) or "no GPU"
    lines.append(f"It ran as `{' '.join(facts['command'])}` with Python {facts['python']}, {versions}, {gpus}.")
    return lines
