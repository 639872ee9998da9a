"""The page's charts, as plain Plotly figures.

Colours are names of CSS variables (`--grpo`), which `page.js` resolves when it draws: one figure serves light and dark.
"""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.records import OUTCOMES
from rlvr.report.collect import Measurement, TrainingRun

SMOOTHED_OVER = 9
"""Steps of the moving mean beside the raw points."""


RARE = 0.05
"""Shares below it keep an axis up to it, so that nothing looks like something only because the axis shrank."""


@dataclass(frozen=True)
class Chart:
    id: str
    title: str
    note: str
    """One sentence: how to read it."""
    figure: dict[str, Any]


def learning(runs: Sequence[TrainingRun]) -> list[Chart]:
    """Training's pass rate, and pass@1 and greedy on validation problems."""
    sampling = [run for run in runs if run.samples]
    charts = [
        _curves(
            "pass-rate",
            "Training: samples that pass",
            "Each point is one step's batch of freshly sampled, judged programs; the line is a moving mean.",
            sampling,
            "pass_rate",
            "share of samples",
            share=True,
        ),
        _held_out("validation-pass1", "pass@1", "Validation: pass@1", runs),
        _held_out("validation-greedy", "greedy", "Validation: greedy", runs),
    ]
    return [chart for chart in charts if chart.figure["data"]]


def monitors(runs: Sequence[TrainingRun]) -> list[Chart]:
    """Small multiples of what drifts without any test noticing it."""
    demonstrated, sampling = [r for r in runs if not r.samples], [r for r in runs if r.samples]
    loss = _curves(
        "loss",
        "Warm-up: loss",
        "Imitating demonstrations, before any reward: cross-entropy.",
        demonstrated,
        "loss",
        "nats per token",
    )
    drift = [
        (
            "length",
            "Completion length",
            "Sudden growth or collapse: the reward is met by form, not content.",
            "tokens",
            0,
        ),
        (
            "entropy",
            "Entropy",
            "How undecided the model is. Near 0 it no longer tries anything new.",
            "nats per token",
            0,
        ),
        ("zero_contrast_share", "Groups without contrast", "All samples equal: GRPO learns nothing there.", "share", 1),
        ("truncated_share", "Truncated", "Cut off at the token limit instead of ending by itself.", "share", 1),
        ("blank_line_share", "Blank lines", "Harmless to tests, so a habit that rewards could amplify.", "share", 1),
        ("unjudged_share", "Not judged", "Our own faults. They are left out, never counted as wrong.", "share", 1),
        (
            "grad_norm",
            "Gradient norm",
            "Before clipping. Spikes are steps that tried to change too much.",
            "L2 norm",
            0,
        ),
    ]
    charts = [loss] + [
        _curves(f"drift-{key}", title, note, sampling, key, axis, share=bool(share))
        for key, title, note, axis, share in drift
    ]
    return [chart for chart in charts if chart.figure["data"]]


def outcomes(measurements: Sequence[Measurement]) -> Chart:
    """Stacked bars, one for each measurement, in the fixed order and colours of the outcomes."""
    totals = [sum(m.results.get("outcomes", {}).values()) or 1 for m in measurements]
    data = []
    for outcome in OUTCOMES:
        counts = [m.results.get("outcomes", {}).get(outcome, 0) for m in measurements]
        if any(counts):
            data.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "name": outcome.replace("_", " "),
                    "y": [html.escape(m.label) for m in measurements],
                    "x": [count / total for count, total in zip(counts, totals, strict=True)],
                    "customdata": counts,
                    "hovertemplate": "%{x:.1%} (%{customdata} samples)<extra>%{fullData.name}</extra>",
                    "marker": {"color": f"--{outcome.replace('_', '-')}", "line": {"width": 1, "color": "--paper"}},
                }
            )
    layout = _layout("share of samples", "", share="x", height=110 + 46 * len(measurements))
    layout.update(barmode="stack", bargap=0.35)
    layout["yaxis"].update(autorange="reversed", automargin=True, ticksuffix=" ", showgrid=False)
    layout["xaxis"]["range"] = [0, 1]
    layout["margin"].update(l=8, r=26)
    return Chart("outcomes", "How samples end", "", {"data": data, "layout": layout})


def by_group(measurements: Sequence[Measurement], key: str, metrics: Sequence[str]) -> list[Chart]:
    """One chart for each metric: bars with intervals by a fact of the tasks, such as their depth."""
    charts = []
    for metric in metrics:
        data = []
        for measurement in measurements:
            found = measurement.results.get("by", {}).get(key, {})
            points = {name: values.get(metric) for name, values in found.items() if values.get(metric)}
            if points:
                data.append(
                    {
                        "type": "bar",
                        "name": html.escape(measurement.label),
                        "x": [f"{key} {html.escape(name)}" for name in points],
                        "marker": {"color": measurement.colour},
                        **_interval(list(points.values())),
                    }
                )
        layout = _layout("", "share of problems", share="y", height=230)
        layout.update(barmode="group", bargap=0.3, bargroupgap=0.08)
        layout["yaxis"]["range"] = [0, 1.03]
        layout["xaxis"].update(type="category", showgrid=False, title={"text": f"{key} of the problem"})
        charts.append(
            Chart(f"by-{key}-{metric.replace('@', '')}", f"{metric} by {key}", "", {"data": data, "layout": layout})
        )
    return [chart for chart in charts if chart.figure["data"]]


def _curves(
    name: str, title: str, note: str, runs: Sequence[TrainingRun], key: str, axis: str, *, share: bool = False
) -> Chart:
    """Raw points and a moving mean for each run, over programs judged so far, or steps where nothing is judged."""
    data: list[dict[str, Any]] = []
    judged = all(run.samples for run in runs)
    for run in runs:
        position = _judged_so_far(run) if judged else (lambda row: row["step"])
        points = [(position(row), row[key], row["step"]) for row in run.steps if isinstance(row.get(key), int | float)]
        if not points:
            continue
        x, y, steps = (list(column) for column in zip(*points, strict=True))
        line = run.colour
        hover = (
            "step %{customdata}: " + ("%{y:.1%}" if share else "%{y:.3g}") + f"<extra>{html.escape(run.label)}</extra>"
        )
        common = {
            "type": "scatter",
            "x": x,
            "name": html.escape(run.label),
            "customdata": steps,
            "hovertemplate": hover,
        }
        smooth = len(y) > 3 * SMOOTHED_OVER
        if smooth:
            raw = {**common, "y": y, "mode": "markers", "opacity": 0.35, "marker": {"color": line, "size": 3}}
            data.append(raw)
            common["hoverinfo"], common["hovertemplate"] = "skip", None
        shape = {"mode": "lines" if smooth else "lines+markers", "line": {"color": line, "width": 2}}
        data.append({**common, **shape, "y": _moving_mean(y) if smooth else y, "marker": {"size": 5, "color": line}})
    layout = _layout("programs judged" if judged else "step", axis, share="y" if share else "")
    highest = max((value for trace in data for value in trace["y"]), default=0.0)
    layout["yaxis"]["rangemode"] = "tozero"
    if share and highest < RARE:
        layout["yaxis"]["range"] = [-0.03 * RARE, RARE]
    return Chart(name, title, note, {"data": data, "layout": layout})


def _held_out(name: str, metric: str, title: str, runs: Sequence[TrainingRun]) -> Chart:
    data: list[dict[str, Any]] = []
    for run in runs:
        position = _judged_so_far(run)
        by_step = {row["step"]: position(row) for row in run.steps}
        points = [(step, results[metric]) for step, results in run.evaluations if results.get(metric)]
        if not points:
            continue
        line = run.colour
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": html.escape(run.label),
                "x": [by_step.get(step, 0) for step, _ in points],
                "customdata": [step for step, _ in points],
                "line": {"color": line, "width": 2},
                "marker": {"color": line, "size": 6},
                **_interval([values for _, values in points]),
                "hovertemplate": f"step %{{customdata}}: %{{y:.1%}}<extra>{html.escape(run.label)}</extra>",
            }
        )
    problems = next((results.get("n") for run in runs for _, results in run.evaluations), None)
    note = f"On {problems} problems that are never trained on, while training goes on; bars are 95 % intervals."
    layout = _layout("programs judged", "share of problems", share="y")
    layout["yaxis"]["range"] = [0, 1.03]
    return Chart(name, title, note, {"data": data, "layout": layout})


def _interval(values: Sequence[dict[str, float]]) -> dict[str, Any]:
    return {
        "y": [value["value"] for value in values],
        "error_y": {
            "type": "data",
            "array": [round(value["high"] - value["value"], 6) for value in values],
            "arrayminus": [round(value["value"] - value["low"], 6) for value in values],
            "thickness": 1.2,
            "width": 3,
            "color": "--muted",
        },
        "hovertemplate": "%{y:.1%}<extra>%{fullData.name}</extra>",
    }


def _judged_so_far(run: TrainingRun) -> Callable[[dict[str, Any]], int]:
    """Steps of different runs are not comparable; the number of programs behind them is."""
    total = 0
    after: dict[int, int] = {}
    for row in run.steps:
        total += sum(row.get("outcomes", {}).values())
        after[row["step"]] = total
    return lambda row: after[row["step"]]


def _moving_mean(values: Sequence[float]) -> list[float]:
    half = SMOOTHED_OVER // 2
    windows = (values[max(0, n - half) : n + half + 1] for n in range(len(values)))
    return [sum(window) / len(window) for window in windows]


def _layout(x: str, y: str, *, share: str = "", height: int = 210) -> dict[str, Any]:
    """share: the axes (`x`, `y` or both) that count in per cent of 1."""
    axis = {"gridcolor": "--line", "zerolinecolor": "--line", "linecolor": "--line", "tickcolor": "--line"}
    x_axis: dict[str, Any] = {
        **axis,
        "title": {"text": x, "standoff": 8},
        "showgrid": False,
        "zeroline": False,
        "nticks": 5,
    }
    y_axis: dict[str, Any] = {**axis, "title": {"text": y, "standoff": 6}, "automargin": True, "nticks": 5}
    for name, found in (("x", x_axis), ("y", y_axis)):
        found["fixedrange"] = True
        if name in share:
            found["tickformat"] = "~%"
    return {
        "height": height,
        "margin": {"l": 52, "r": 12, "t": 8, "b": 42},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": "--muted"},
        "hoverlabel": {"bgcolor": "--paper", "bordercolor": "--line", "font": {"color": "--ink"}},
        "showlegend": False,
        "xaxis": x_axis,
        "yaxis": y_axis,
    }
