"""Results as tables on standard output; what the page shows in full, here in a screenful."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rlvr.evaluation.verify import Summary
from rlvr.records import OUTCOMES
from rlvr.report.collect import gain, metrics_of, per_cent

ROWS = {"before": "before", "raft": "after RAFT", "grpo": "after GRPO"}


def print_summary(summary: Mapping[str, Any]) -> None:
    """A quickstart: before and after with intervals and gains in points, outcomes, and what it took.

    summary: as `rlvr.quickstart.quickstart` returns it, with `measured`.
    """
    measured: Mapping[str, Any] = summary["measured"]
    results = {ROWS[name]: found for name, found in measured.items()}
    console = _console()
    n = next(iter(results.values()))["n"]
    console.print(_scores(results, f"{n} held-out problems, 95 % intervals, gains in points"))
    console.print(_outcomes(results))
    stages = _table("Wall seconds by stage", "stage", "seconds")
    for name, seconds in summary["stages"].items():
        stages.add_row(name, f"{seconds:.1f}")
    stages.add_section()
    stages.add_row("all", f"{summary['seconds']:.1f}")
    console.print(stages)
    console.print(
        f"{summary['cpu_seconds']:.0f} CPU seconds, {summary['rollouts_judged']:,} programs judged, "
        f"{summary['verdicts_per_second']:,.0f} verdicts a second, {summary['judge_errors']} judge errors"
    )


def print_results(results: Mapping[str, Any]) -> None:
    """One evaluation, as in `results.json`: the metrics for all problems and by each fact that they differ in."""
    console = _console()
    shown = {"all": results}
    for key, found in results.get("by", {}).items():
        shown.update({f"{key} {name}": values for name, values in found.items()})
    title = f"{results['n']} problems, {results['samples']} samples each, 95 % intervals"
    if metrics_of([results]):
        console.print(_scores(shown, title, compare=False))
    for key, rows in (("parts", "samples"), ("greedy_parts", "greedy answers")):
        sources = results.get("by", {}).get("dataset") or {"all": results}
        for source, found in sources.items():
            if names := _of_every_task(found, key):
                console.print(_parts(found[key], names, f"Parts of the verdicts: {source}, {rows}"))
    if results.get("outcomes"):
        console.print(_outcomes({"samples": results}))
    for why, count in results.get("left_out", {}).items():
        console.print(f"{count:,} tasks left out: {why}")
    facts = [f"{results['judge_errors']} judge errors"]
    if results.get("mean_tokens") is not None:
        facts.append(f"{results['mean_tokens']:.1f} tokens a sample")
    if results.get("truncated_share") is not None:
        facts.append(f"{per_cent(results['truncated_share'])} truncated")
    console.print(", ".join(facts))


def print_verification(summary: Summary) -> None:
    """What `rlvr verify` judged, and what of its input it could not use."""
    console = _console()
    if summary.judged:
        console.print(_outcomes({"completions": {"outcomes": summary.outcomes}}))
    kept = f" ({summary.kept:,} of them in an earlier call)" if summary.kept else ""
    console.print(
        f"{summary.judged:,} completions of {summary.tasks:,} tasks judged{kept}, "
        f"{summary.outcomes.get('judge_error', 0):,} judge errors"
    )
    fresh = summary.judged - summary.kept
    if fresh:
        speed, each = fresh / max(1e-9, summary.seconds), 1000 * summary.cpu_s / fresh
        level = " and ".join(summary.isolation) or "none"
        console.print(f"{speed:,.0f} verdicts a second, {each:.1f} CPU-ms a program, isolation {level}")
    for why, count in summary.left_out.items():
        console.print(f"{count:,} tasks left out: {why}")
    if summary.skipped:
        console.print(f"{summary.skipped:,} completions of tasks that were left out")
    if summary.errors:
        console.print(f"{summary.errors:,} rows of the input could not be used: {summary.errors_file}")
        console.print(f"the first: {summary.first_error}", markup=False)


def _of_every_task(results: Mapping[str, Any], key: str) -> list[str]:
    """Parts that the verdicts on all tasks have; the others, such as those of one instruction, are in the file."""
    return [name for name, part in results.get(key, {}).items() if part["n"] == results["n"]]


def _parts(parts: Mapping[str, Mapping[str, float]], names: Sequence[str], title: str) -> Table:
    table = _table(title, "", "mean over tasks", "per test")
    for name in names:
        table.add_row(name.replace("_", " "), per_cent(parts[name]["mean"]), per_cent(parts[name]["per_test"]))
    return table


def _table(title: str, first: str, *numbers: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column(first)
    for number in numbers:
        table.add_column(number, justify="right")
    return table


def _console() -> Console:
    # Paths and texts of a model hold brackets, which are not markup.
    return Console(markup=False, highlight=False, soft_wrap=True)


def _scores(results: Mapping[str, Mapping[str, Any]], title: str, *, compare: bool = True) -> Table:
    """A row for each of the results; compare: with the gain over the first row."""
    metrics = metrics_of(list(results.values()))
    table = _table(title, "", *metrics)
    first: Mapping[str, Any] | None = None
    for name, found in results.items():
        table.add_row(name, *(_score(found[metric], first and first[metric]) for metric in metrics))
        first = first or (found if compare else None)
    return table


def _score(value: Mapping[str, float], before: Mapping[str, float] | None) -> str:
    change = f"{gain(value['value'], before['value'])}  " if before else ""
    return f"{change}{per_cent(value['value'])}\n{100 * value['low']:.1f} to {100 * value['high']:.1f}"


def _outcomes(results: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("Outcomes", "outcome", *results)
    counts: Sequence[Mapping[str, int]] = [found["outcomes"] for found in results.values()]
    for outcome in OUTCOMES:
        if any(outcome in count for count in counts):
            shares = [per_cent(count.get(outcome, 0) / max(1, sum(count.values()))) for count in counts]
            if len(counts) == 1:
                shares = [f"{counts[0][outcome]:,}  {shares[0]}"]
            table.add_row(outcome.replace("_", " "), *shares)
    return table
