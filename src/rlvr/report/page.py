"""The page, from the headline to how it was made: one HTML text that needs no network."""

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from rlvr.records import OUTCOMES
from rlvr.report import charts, examples, reading
from rlvr.report.charts import Chart
from rlvr.report.collect import Collected, Measurement, TrainingRun, metrics_of, per_cent
from rlvr.report.examples import TrainingGroup
from rlvr.report.headline import headline
from rlvr.report.made import provenance

Trained = tuple[TrainingRun, list[tuple[str, TrainingGroup]]]
"""A run with its groups to read, titled."""


def render(data: Collected) -> str:
    """The whole page. The same data give the same text."""
    drawn: list[Chart] = []
    trained = [(run, examples.groups(run)) for run in reversed(data.runs)]
    sections = [
        ("loop", "The loop", _loop(trained)),
        ("learning", "Learning", _learning(data, drawn)),
        ("outcomes", "Outcomes", _outcomes(data, drawn)),
        ("problems", "Problems to read", _problems(data)),
        ("updates", "Inside the update", _updates(trained)),
        ("made", "How it was made", provenance(data)),
    ]
    sections = [section for section in sections if section[2]]
    title = _title(data)
    links = "".join(f'<a href="#{name}">{heading}</a>' for name, heading, _ in sections)
    body = "".join(f'<section id="{name}"><h2>{heading}</h2>{text}</section>' for name, heading, text in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_file('style.css')}</style></head>\n<body>"
        f'<a class="skip" href="#main">To the content</a><header><nav><strong>{escape(title)}</strong>{links}</nav>'
        f'{headline(data)}</header>\n<main id="main">{body}</main>\n'
        "<footer>Made by <code>rlvr report</code> from the files of this run; it loads nothing.</footer>\n"
        f"{_scripts(drawn)}</body></html>\n"
    )


def _title(data: Collected) -> str:
    if data.summary:
        return f"rlvr quickstart, seed {data.summary.get('seed')}"
    return f"rlvr: {data.path.resolve().name}"


def _loop(trained: Sequence[Trained]) -> str:
    for run, groups in trained:
        for _, group in groups:
            if group.contrast:
                note = f"From {escape(run.label)}, step {group.step}: what happened to one problem, as it was stored."
                return f'<p class="note">{note}</p>{reading.loop(run, group)}'
    return ""


def _learning(data: Collected, drawn: list[Chart]) -> str:
    main, drift = charts.learning(data.runs), charts.monitors(data.runs)
    if not main + drift:
        return ""
    drawn += main + drift
    legend = _legend([(run.label, run.colour) for run in data.runs])
    curves = f'<div class="grid">{"".join(map(_figure, main))}</div>' if main else ""
    watched = '<h3 class="apart">What to keep an eye on</h3>' if main and drift else ""
    return legend + curves + watched + f'<div class="grid small-multiples">{"".join(map(_figure, drift))}</div>'


def _outcomes(data: Collected, drawn: list[Chart]) -> str:
    found = [m for m in data.measurements if m.results.get("outcomes")]
    if not found:
        return ""
    mix = charts.outcomes(found)
    groups: list[Chart] = []
    metrics = metrics_of([m.results for m in found])
    for key in found[0].results.get("by", {}):
        groups += charts.by_group(found, key, metrics)
    drawn += [mix, *groups]
    legend = _legend([(m.label, m.colour) for m in found]) if groups else ""
    below = f'<div class="apart">{legend}<div class="grid">{"".join(map(_figure, groups))}</div></div>'
    return f'<div class="grid">{_figure(mix)}<div class="scroll">{_outcome_table(found)}</div></div>' + below * bool(
        groups
    )


def _outcome_table(found: Sequence[Measurement]) -> str:
    head = "".join(f'<th class="number" scope="col">{escape(m.label)}</th>' for m in found)
    totals = [sum(m.results["outcomes"].values()) or 1 for m in found]
    rows = []
    for outcome in OUTCOMES:
        counts = [m.results["outcomes"].get(outcome, 0) for m in found]
        if any(counts):
            cells = "".join(
                f'<td class="number" title="{count:,} samples">{per_cent(count / total)}</td>'
                for count, total in zip(counts, totals, strict=True)
            )
            swatch = f'<span class="swatch" style="--series: var(--{outcome.replace("_", "-")})"></span>'
            rows.append(f'<tr><th scope="row">{swatch}{outcome.replace("_", " ")}</th>{cells}</tr>')
    return f'<table><thead><tr><th scope="col">outcome</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _problems(data: Collected) -> str:
    found = examples.problems(data.measurements, data.notes)
    if not found:
        return ""
    kinds = "The list is ordered by what training changed." if len(data.measurements) > 1 else ""
    of = data.measurements[0].results.get("n")
    note = f"{len(found)} of {of} problems, chosen by a fixed rule, none by hand. {kinds}"
    return f'<p class="note">{note}</p>{reading.problems(found, data.measurements)}'


def _updates(trained: Sequence[Trained]) -> str:
    texts = [reading.groups(run, groups) for run, groups in trained]
    if not any(texts):
        return ""
    note = "Groups of samples of one problem, early and late in training, and what the objective made of each sample."
    return f'<p class="note">{note}</p>' + "".join(texts)


def _legend(entries: Sequence[tuple[str, str]]) -> str:
    items = "".join(
        f'<span><span class="swatch" style="--series: var({c})"></span>{escape(label)}</span>' for label, c in entries
    )
    return f'<div class="legend">{items}</div>'


def _figure(chart: Chart) -> str:
    note = f'<p class="note">{escape(chart.note)}</p>' if chart.note else ""
    return (
        f"<figure><figcaption><h3>{escape(chart.title)}</h3>{note}</figcaption>"
        f'<div class="plot" id="chart-{escape(chart.id)}" role="img" aria-label="{escape(chart.title)}"></div></figure>'
    )


def _scripts(drawn: Sequence[Chart]) -> str:
    from plotly.offline import get_plotlyjs

    figures = json.dumps({chart.id: chart.figure for chart in drawn}, separators=(",", ":")).replace("<", "\\u003c")
    library = f"<script>{get_plotlyjs()}</script>\n" if drawn else ""
    return (
        f'<script type="application/json" id="figures">{figures}</script>\n{library}<script>{_file("page.js")}</script>'
    )


def _file(name: str) -> str:
    return files("rlvr.report").joinpath(name).read_text(encoding="utf-8")
