"""Commands that measure a model: its completions, their scores, a page about them."""

from pathlib import Path
from typing import Annotated

import typer

from rlvr.cli.options import (
    Form,
    Greedy,
    Isolation,
    Ks,
    Limit,
    MaxTokens,
    Out,
    Samples,
    Seeds,
    SkipUnavailable,
    Source,
    TaskNames,
    Temperature,
    TopK,
    TopP,
    Trust,
    Workers,
    display,
    file_path,
    plan_of,
    sandbox_of,
    tasks_of,
)


def generate(
    model: Annotated[str, typer.Argument(help="A model's folder, a run, or a name on the hub.")],
    tasks: TaskNames,
    out: Out,
    n: Samples = 1,
    seeds: Seeds = None,
    temperature: Temperature = 1.0,
    top_p: TopP = 1.0,
    top_k: TopK = 0,
    max_tokens: MaxTokens = None,
    greedy: Greedy = True,
    source: Source = None,
    limit: Limit = None,
    form: Form = None,
    skip_unavailable: SkipUnavailable = False,
) -> None:
    """Sample completions into a folder; `score` judges them."""
    from rlvr.evaluation.evaluate import complete

    plan = plan_of(n, seeds, temperature, top_p, top_k, max_tokens, greedy)
    with display() as screen:
        found = tasks_of(tasks, source, limit, form)
        left_out = complete(model, found, out, plan, screen, skip_unavailable=skip_unavailable)
    for why, count in left_out.items():
        print(f"{count} tasks left out: {why}")
    print(f"generations: {out / 'generations.jsonl'}")


def score(
    folder: Annotated[Path, typer.Argument(help="A folder that `generate` wrote.")],
    k: Ks = None,
    workers: Workers = 0,
    isolation: Isolation = "auto",
) -> None:
    """Judge the generations of a folder and estimate pass@k."""
    from rlvr.evaluation.score import score as run
    from rlvr.report.table import print_results

    with display() as screen, sandbox_of(workers, isolation) as sandbox:
        results = run(folder, k or [], sandbox, screen)
    print_results(results)


def evaluate(
    model: Annotated[str, typer.Argument(help="A model's folder, a run, or a name on the hub.")],
    tasks: TaskNames,
    out: Out,
    n: Samples = 1,
    k: Ks = None,
    seeds: Seeds = None,
    temperature: Temperature = 1.0,
    top_p: TopP = 1.0,
    top_k: TopK = 0,
    max_tokens: MaxTokens = None,
    greedy: Greedy = True,
    source: Source = None,
    limit: Limit = None,
    form: Form = None,
    workers: Workers = 0,
    isolation: Isolation = "auto",
    trust: Trust = "any",
    skip_unavailable: SkipUnavailable = False,
) -> None:
    """Generate, judge, estimate: pass@k with intervals, and greedy."""
    from rlvr.evaluation.evaluate import evaluate as run
    from rlvr.report.table import print_results

    plan = plan_of(n, seeds, temperature, top_p, top_k, max_tokens, greedy)
    with display() as screen, sandbox_of(workers, isolation) as sandbox:
        found = tasks_of(tasks, source, limit, form)
        results, _ = run(model, found, out, plan, k or [], sandbox, screen, trust, skip_unavailable=skip_unavailable)
    print_results(results)


def report(
    folder: Annotated[Path, typer.Argument(help="A quickstart, a run or an evaluation.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", parser=file_path, metavar="FILE", help="The page [report.html in it]."),
    ] = None,
) -> None:
    """One self-contained HTML page: curves, outcomes, rollouts to read."""
    from rlvr.report import write

    print(f"report: {write(folder, out or folder / 'report.html')}")
