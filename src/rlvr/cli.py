"""The command line: it names things and wires nothing.

Heavy imports stand inside the commands, so that `rlvr --help` answers at once and the judge works without torch.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from rlvr.records import Task

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Reinforcement learning with verifiable rewards: judge honestly, train on the verdicts, measure what changed.",
)

SPREAD = ("--tasks", "--k", "--seeds")
"""Options that take several values after one name: `--k 1 5 10`."""

Out = Annotated[Path, typer.Option("--out", help="Folder or file to write.")]
TaskNames = Annotated[
    list[str], typer.Option("--tasks", help="NAME[:split] or the path of a tasks file; several may follow.")
]
Source = Annotated[
    str | None, typer.Option("--source", help="File or folder of the dataset; else RLVR_DATA, else the hub.")
]
Workers = Annotated[int, typer.Option("--workers", min=0, help="Judging processes; 0: one for each core.")]
Isolation = Annotated[str, typer.Option("--isolation", help="How programs are contained.")]
Trust = Annotated[
    str, typer.Option("--trust", help="split: refuse tasks whose tests would have to share a process with the program.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first tasks of each source.")]


def main() -> None:
    """Entry point: every error that is the caller's is one clear message and exit code 2; an interrupt is 130."""
    # Two spinning threads on a busy two-core machine are many times slower than one that waits.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        app(args=spread(sys.argv[1:]))
    except (ValueError, LookupError, FileNotFoundError, FileExistsError, IsADirectoryError, PermissionError) as error:
        print(f"rlvr: {_message(error)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        print(f"rlvr: interrupted. {stop}", file=sys.stderr)
        sys.exit(130)


def spread(arguments: Sequence[str]) -> list[str]:
    """`--k 1 5 10` as `--k 1 --k 5 --k 10`, which is how the option parser wants it."""
    result: list[str] = []
    option: str | None = None
    for argument in arguments:
        if argument.startswith("-"):
            option = argument if argument in SPREAD else None
        elif option is not None and result[-1] != option:
            result.append(option)
        result.append(argument)
    return result


@app.command()
def quickstart(
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run [results/quickstart_<time>].")] = None,
    objective: Annotated[Literal["grpo", "raft", "both"], typer.Option()] = "both",
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of GRPO; RAFT scales with it.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted quickstart in --out.")] = False,
) -> None:
    """The whole loop without a GPU or a download: warm-up, RAFT, GRPO, before and after, a report."""
    from rlvr.quickstart import quickstart as run
    from rlvr.report import write
    from rlvr.report.table import print_summary
    from rlvr.run import default_path

    folder = out or default_path("quickstart")
    with _display() as screen:
        summary = run(folder, seed, objective, steps, screen, resume=resume)
        page = write(folder, folder / "report.html")
    print_summary(summary)
    print(f"report: {page}")


@app.command()
def tasks(
    name: Annotated[str, typer.Argument(help="NAME[:split] or the path of a tasks file.")],
    out: Out,
    source: Source = None,
    limit: Limit = None,
) -> None:
    """Write tasks as JSONL."""
    from rlvr.storage import write_lines

    found = _tasks([name], source, limit)
    write_lines(out, [task.to_json() for task in found])
    print(f"{len(found)} tasks: {out}")


@app.command()
def verify(
    tasks: Annotated[str, typer.Option("--tasks", help="Tasks, as JSONL; or NAME[:split].")],
    completions: Annotated[str, typer.Option("--completions", help="Rows of task_id and text.")],
    out: Out,
    workers: Workers = 0,
    isolation: Isolation = "process",
    cpu_limit: Annotated[
        float | None, typer.Option(help="CPU seconds for each program, instead of the task's.")
    ] = None,
    memory_limit: Annotated[int | None, typer.Option(help="MiB for each process, instead of the task's.")] = None,
    trust: Trust = "any",
) -> None:
    """Judge completions. Exit code 1: some rows of the input could not be used; they are in the errors file."""
    from rlvr.evaluation.verify import verify as run
    from rlvr.report.table import print_verification

    with _display() as screen:
        summary = run(
            tasks,
            completions,
            out,
            workers=workers,
            isolation=isolation,
            cpu_limit=cpu_limit,
            memory_limit=memory_limit,
            trust=trust,
            progress=screen,
        )
    print_verification(summary)
    if summary.errors:
        raise typer.Exit(1)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe, as YAML.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY.PATH=VALUE]...")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run [results/<recipe>_<time>].")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out from its newest checkpoint.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Resolve and check everything, print it, stop.")] = False,
) -> None:
    """Train by a recipe: SFT, RAFT or GRPO."""
    from rlvr.config import load_recipe
    from rlvr.run import default_path

    loaded = load_recipe(recipe, overrides or [])
    if resume and out is None:
        raise ValueError("--resume needs --out, the folder of the run to continue")
    from rlvr.train import describe
    from rlvr.train import train as run

    if dry_run:
        print(describe(loaded))
        return
    folder = out or default_path(loaded.name)
    with _display() as screen:
        run(loaded, folder, screen, resume=resume)
    print(f"run: {folder}")


@app.command()
def generate(
    model: Annotated[str, typer.Argument(help="A model's folder, a run, or a name on the hub.")],
    tasks: TaskNames,
    out: Out,
    n: Annotated[int, typer.Option("--n", min=0, help="Samples for each task and seed; 0: greedy only.")] = 1,
    seeds: Annotated[list[int] | None, typer.Option(help="Seeds of the samples [0].")] = None,
    temperature: Annotated[float, typer.Option(min=0.01)] = 1.0,
    top_p: Annotated[float, typer.Option(min=0.01, max=1.0)] = 1.0,
    top_k: Annotated[int, typer.Option(min=0)] = 0,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest completion, instead of the task's.")] = None,
    greedy: Annotated[bool, typer.Option(help="One more completion for each task, without chance.")] = True,
    source: Source = None,
    limit: Limit = None,
) -> None:
    """Sample completions into a folder; `score` judges them."""
    from rlvr.evaluation.evaluate import complete

    plan = _plan(n, seeds, temperature, top_p, top_k, max_tokens, greedy)
    with _display() as screen:
        complete(model, _tasks(tasks, source, limit), out, plan, screen)
    print(f"generations: {out / 'generations.jsonl'}")


@app.command()
def score(
    folder: Annotated[Path, typer.Argument(help="A folder that `generate` wrote.")],
    k: Annotated[list[int] | None, typer.Option("--k", help="Values of k for pass@k [1].")] = None,
    workers: Workers = 0,
    isolation: Isolation = "process",
) -> None:
    """Judge the generations of a folder and estimate pass@k."""
    from rlvr.evaluation.score import score as run
    from rlvr.report.table import print_results

    with _display() as screen, _sandbox(workers, isolation) as sandbox:
        results = run(folder, k or [1], sandbox, screen)
    print_results(results)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A model's folder, a run, or a name on the hub.")],
    tasks: TaskNames,
    out: Out,
    n: Annotated[int, typer.Option("--n", min=0, help="Samples for each task and seed; 0: greedy only.")] = 1,
    k: Annotated[list[int] | None, typer.Option("--k", help="Values of k for pass@k [1].")] = None,
    seeds: Annotated[list[int] | None, typer.Option(help="Seeds of the samples [0].")] = None,
    temperature: Annotated[float, typer.Option(min=0.01)] = 1.0,
    top_p: Annotated[float, typer.Option(min=0.01, max=1.0)] = 1.0,
    top_k: Annotated[int, typer.Option(min=0)] = 0,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest completion, instead of the task's.")] = None,
    greedy: Annotated[bool, typer.Option(help="One more completion for each task, without chance.")] = True,
    source: Source = None,
    limit: Limit = None,
    workers: Workers = 0,
    isolation: Isolation = "process",
    trust: Trust = "any",
) -> None:
    """Generate, judge, estimate: pass@k with intervals, and greedy."""
    from rlvr.evaluation.evaluate import evaluate as run
    from rlvr.report.table import print_results

    plan = _plan(n, seeds, temperature, top_p, top_k, max_tokens, greedy)
    if k and max(k) > n * len(plan.seeds):
        raise ValueError(f"pass@{max(k)} needs at least {max(k)} samples of each task; --n gives {n * len(plan.seeds)}")
    with _display() as screen, _sandbox(workers, isolation) as sandbox:
        results, _ = run(model, _tasks(tasks, source, limit), out, plan, k or [1], sandbox, screen, trust)
    print_results(results)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A quickstart, a run or an evaluation.")],
    out: Annotated[Path | None, typer.Option("--out", help="The page [report.html in the folder].")] = None,
) -> None:
    """One self-contained HTML page: curves, outcomes, rollouts to read."""
    from rlvr.report import write

    print(f"report: {write(folder, out or folder / 'report.html')}")


def _tasks(names: Sequence[str], source: str | None, limit: int | None) -> "list[Task]":
    from rlvr.tasks import load

    found = [task for name in names for task in load(name, source=source, limit=limit)]
    if not found:
        raise ValueError(f"{', '.join(names)} gave no tasks")
    return found


def _plan(
    n: int,
    seeds: list[int] | None,
    temperature: float,
    top_p: float,
    top_k: int,
    max_tokens: int | None,
    greedy: bool,
) -> Any:
    from rlvr.engines import Sampling
    from rlvr.evaluation.generate import Plan

    if n == 0 and not greedy:
        raise ValueError("--n 0 with --no-greedy would sample nothing")
    return Plan(n, tuple(seeds or [0]), Sampling(temperature, top_p, top_k), greedy, max_tokens)


@contextmanager
def _display() -> Iterator[Any]:
    from rlvr.progress import display

    with display() as screen:
        yield screen


@contextmanager
def _sandbox(workers: int, isolation: str) -> Iterator[Any]:
    from rlvr.sandboxes.local import Local

    with Local(workers=workers, isolation=isolation).open() as sandbox:
        yield sandbox


def _message(error: BaseException) -> str:
    """KeyError quotes its message; people should read the sentence."""
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
