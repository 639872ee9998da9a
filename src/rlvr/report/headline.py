"""The top of the page: what changed, in numbers with their intervals, and what it took."""

from collections.abc import Sequence
from html import escape
from typing import Any

from rlvr.report import examples
from rlvr.report.collect import Collected, Measurement, TrainingRun, gain, metrics_of, per_cent

_ABOUT = (
    "A language model wrote programs, each was run against hidden tests, and it learned from the verdicts alone: no "
    "human labels, no second model as a critic. This is <b>reinforcement learning with verifiable rewards</b> (RLVR)."
)
_WARM_UP = (
    " Before that, imitation taught it the language, with systematic mistakes in the examples; the verdicts had to "
    "correct those."
)


def headline(data: Collected) -> str:
    found = data.measurements
    parts = [_state(run) for run in data.runs]
    metrics = metrics_of([m.results for m in found]) if found else []
    if metrics:
        parts.append(f"<h1>{escape(_claim(found, metrics[0]))}</h1>")
        parts.append(f'<div class="intro"><p class="lead">{_lead(data)}</p><p>{_measured_on(data)}</p></div>')
        parts.append(f'<div class="grid metrics">{"".join(_metric(name, found) for name in metrics)}</div>')
    else:
        parts.append("<h1>Nothing has been measured yet</h1>")
    return "".join([*parts, _facts(data)])


def _claim(found: Sequence[Measurement], metric: str) -> str:
    what = "Right at the first try" if metric == "pass@1" else f"Right by {metric}"
    values = [(f"{100 * m.results[metric]['value']:.0f}\u00a0%", m.label) for m in found]
    if len(values) == 1:
        return f"{what}: {values[0][0]}"
    return f"{what}: {values[0][0]} {values[0][1]}, " + ", ".join(
        f"{value} after {label}" for value, label in values[1:]
    )


def _lead(data: Collected) -> str:
    if not any(run.samples for run in data.runs):
        return "A language model wrote programs, and every program was run against hidden tests."
    return _ABOUT + (_WARM_UP if any(run.name == "warmup" for run in data.runs) else "")


def _measured_on(data: Collected) -> str:
    results = data.measurements[0].results
    folder = data.measurements[0].folder
    meta: dict[str, Any] = {}
    if folder:
        meta = next((task.meta for task in examples.tasks_of(folder)), {})
    name = ":".join(str(meta[key]) for key in ("dataset", "split") if key in meta)
    where = f" of <code>{escape(name)}</code>" if name else ""
    unseen = ", which training is not allowed to use" if meta.get("role") == "test_only" else ""
    unseen = unseen if folder else " for validation, during training"
    depths = " or ".join(results.get("by", {}).get("depth", {}))
    depth = (
        f" Each asks for a chain of {escape(depths)} steps, in combinations that training never showed."
        if (depths and meta.get("dataset") == "programs" and unseen)
        else ""
    )
    return (
        f"Measured on {results.get('n')} problems{where}{unseen}, with {results.get('samples')} samples and one greedy "
        f"answer each.{depth} The bars are 95 % bootstrap intervals over the problems."
    )


def _metric(name: str, found: Sequence[Measurement]) -> str:
    base = found[0].results[name]["value"]
    rows = []
    for position, measurement in enumerate(found):
        value = measurement.results[name]
        low, high = 100 * value["low"], 100 * value["high"]
        change = f" <small>{gain(value['value'], base)} points</small>" if position else ""
        rows.append(
            f'<div class="score" style="--series: var({measurement.colour})">'
            f'<span class="label">{escape(measurement.label)}</span>'
            f'<span class="value">{per_cent(value["value"])}{change}</span>'
            f'<span class="track" role="img" aria-label="95 % interval from {low:.1f} to {high:.1f} %" '
            f'title="95 % interval: {low:.1f} to {high:.1f} %">'
            f'<i style="left:{low:.2f}%;width:{high - low:.2f}%"></i><b style="left:{100 * value["value"]:.2f}%"></b>'
            "</span></div>"
        )
    return f'<div class="metric"><h3>{name}</h3><p class="note">{_explained(name)}</p>{"".join(rows)}</div>'


def _explained(metric: str) -> str:
    if metric == "pass@1":
        return "The chance that one sampled program is right."
    if metric == "greedy":
        return "The share that is right when the model always writes its most likely next token."
    k = metric.removeprefix("pass@")
    return f"The chance that at least one of {k} samples is right: what is within the model's reach."


def _facts(data: Collected) -> str:
    summary = data.summary or {}
    judged = (
        summary.get("rollouts_judged")
        or sum(run.judged for run in data.runs)
        or sum(sum(m.results.get("outcomes", {}).values()) for m in data.measurements)
    )
    spent = [run.facts.get("spent", {}) for run in data.runs]
    wall = summary.get("seconds") or sum(s.get("seconds", 0.0) for s in spent)
    cpu = summary.get("cpu_seconds") or sum(s.get("cpu_seconds", 0.0) for s in spent)
    errors = summary.get("judge_errors", sum(m.results.get("judge_errors", 0) for m in data.measurements))
    facts = [(f"{judged:,}", "programs judged by running them, identical ones once")] if judged else []
    facts += [(f"{wall:,.0f} s", "in all")] if wall else []
    facts += [(f"{cpu:,.0f}", "CPU seconds")] if cpu else []
    if speed := summary.get("verdicts_per_second"):
        facts.append((f"{speed:,.0f}", "verdicts a second"))
    facts += [(f"{errors:,}", "judge errors")] if judged else []
    return '<ul class="facts">' + "".join(f"<li><b>{value}</b> {name}</li>" for value, name in facts) + "</ul>"


def _state(run: TrainingRun) -> str:
    status = str(run.facts.get("status", "unknown"))
    if status == "finished":
        return ""
    done, planned = (run.steps[-1]["step"] if run.steps else 0), run.settings.get("steps", "?")
    return f'<p class="warning">The run {escape(run.name)} is <b>{escape(status)}</b>: {done} of {planned} steps.</p>'
