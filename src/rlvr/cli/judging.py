"""Commands that judge: completions by their tasks, and tests by wrong programs."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from rlvr.cli.options import (
    Form,
    Isolation,
    Limit,
    OutFile,
    SkipUnavailable,
    Source,
    Trust,
    Workers,
    display,
    file_path,
    sandbox_of,
    tasks_of,
)


def verify(
    tasks: Annotated[str, typer.Option("--tasks", help="Tasks, as JSONL; or NAME[:split].")],
    completions: Annotated[str, typer.Option("--completions", help="Rows of task_id and text.")],
    out: OutFile,
    workers: Workers = 0,
    isolation: Isolation = "auto",
    cpu_limit: Annotated[
        float | None, typer.Option(help="CPU seconds for each program, instead of the task's.")
    ] = None,
    memory_limit: Annotated[int | None, typer.Option(help="MiB for each process, instead of the task's.")] = None,
    audit: Annotated[
        int | None, typer.Option(min=2, help="Judge everything this often under other load; list what moved.")
    ] = None,
    trust: Trust = "any",
    skip_unavailable: SkipUnavailable = False,
) -> None:
    """Judge completions. Exit code 1: rows of the input could not be used (see the errors file), or verdicts moved."""
    from rlvr.evaluation.stability import stability
    from rlvr.evaluation.verify import verify as once
    from rlvr.report.audit_tables import print_stability
    from rlvr.report.table import print_verification

    run: Any = once if audit is None else partial(stability, repetitions=audit)
    with display() as screen:
        found = run(
            tasks,
            completions,
            out,
            workers=workers,
            isolation=isolation,
            cpu_limit=cpu_limit,
            memory_limit=memory_limit,
            trust=trust,
            skip_unavailable=skip_unavailable,
            progress=screen,
        )
    summary = found if audit is None else found.summary
    print_verification(summary)
    if audit is not None:
        print_stability(found)
    if summary.errors or (audit is not None and found.moved):
        raise typer.Exit(1)


def audit_tests(
    tasks: Annotated[str, typer.Argument(help="NAME[:split] or the path of a tasks file.")],
    source: Source = None,
    limit: Limit = None,
    form: Form = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", parser=file_path, metavar="FILE", help="A row for each task, the weakest first."),
    ] = None,
    mutants: Annotated[int, typer.Option(min=1, help="Wrong programs for each task, at most.")] = 12,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Workers = 0,
    isolation: Isolation = "auto",
) -> None:
    """How strong are the tests? Judge small mutants of each reference solution: those that pass would be rewarded.

    Some mutants are equivalent to the solution, and no tests can kill them: look at the survivors before blaming tests.
    """
    from rlvr.evaluation.audit_tests import audit_tests as run
    from rlvr.report.audit_tables import print_audit

    with display() as screen, sandbox_of(workers, isolation) as sandbox:
        found = run(tasks_of([tasks], source, limit, form), sandbox, most=mutants, seed=seed, progress=screen)
    if out is not None:
        found.write(out)
    print_audit(found)
