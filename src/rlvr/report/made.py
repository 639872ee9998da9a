"""How it was made: what ran, for how long, from which recipe, on which machine, and what could not be read."""

from collections.abc import Sequence
from html import escape
from typing import Any

from rlvr.report.collect import Collected, TrainingRun
from rlvr.report.reading import code


def provenance(data: Collected) -> str:
    parts = [_runs(data.runs), _origin(data.runs[-1].facts)] if data.runs else []
    if stages := (data.summary or {}).get("stages"):
        listed = ", ".join(f"{escape(name)} {seconds:g}" for name, seconds in stages.items())
        parts.insert(1, f'<p class="note">Wall seconds by stage: {listed}.</p>')
    parts += [
        f"<details><summary>Recipe of {escape(run.label)}, resolved</summary>{code(run.recipe)}</details>"
        for run in data.runs
        if run.recipe
    ]
    if data.notes:
        listed = "".join(f"<li>{escape(note)}</li>" for note in dict.fromkeys(data.notes))
        parts.append(f"<h3>What could not be read</h3><ul>{listed}</ul>")
    return "".join(parts)


def _runs(runs: Sequence[TrainingRun]) -> str:
    columns = ("run", "status", "steps", "programs judged", "wall s", "CPU s")
    rows = [
        (
            run.label,
            str(run.facts.get("status", "unknown")),
            f"{run.steps[-1]['step'] if run.steps else 0:,}",
            f"{run.judged:,}",
            f"{run.facts.get('spent', {}).get('seconds', 0):,.1f}",
            f"{run.facts.get('spent', {}).get('cpu_seconds', 0):,.1f}",
        )
        for run in runs
    ]
    right = [' class="number"' if n > 1 else "" for n in range(len(columns))]
    head = "".join(f'<th{kind} scope="col">{name}</th>' for kind, name in zip(right, columns, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(right, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _origin(facts: dict[str, Any]) -> str:
    git, hardware = facts.get("git") or {}, facts.get("hardware") or {}
    commit = f"{git.get('commit')}{', with changes' if git.get('changed') else ''}" if git else None
    versions = ", ".join(f"{name} {version}" for name, version in (facts.get("versions") or {}).items())
    rows = [
        ("seed", facts.get("seed")),
        ("started", facts.get("started")),
        ("command", " ".join(map(str, facts.get("command") or []))),
        ("rlvr", facts.get("rlvr")),
        ("git commit", commit),
        ("versions", f"Python {facts.get('python')}, {versions}" if versions else None),
        ("machine", ", ".join(f"{value} {key}" if key == "cores" else str(value) for key, value in hardware.items())),
    ]
    body = "".join(
        f'<tr><th scope="row">{name}</th><td>{escape(str(value))}</td></tr>'
        for name, value in rows
        if value not in (None, "")
    )
    return f'<table class="origin"><tbody>{body}</tbody></table>'
