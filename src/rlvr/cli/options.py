"""Options that several commands have, and what is made of them."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rlvr.records import Task


def file_path(path: str) -> Path:
    """Refused before the work is done, not when its result is written; a `Path` would drop the slash."""
    if path.endswith(("/", os.sep)) or os.path.isdir(path):
        raise typer.BadParameter(f"{path} is a folder; name a file, for example {os.path.join(path, 'out.jsonl')}")
    return Path(path)


Out = Annotated[Path, typer.Option("--out", help="Folder or file to write.")]
OutFile = Annotated[Path, typer.Option("--out", parser=file_path, metavar="FILE", help="File to write.")]
TaskNames = Annotated[
    list[str], typer.Option("--tasks", help="NAME[:split] or the path of a tasks file; several may follow.")
]
Source = Annotated[
    str | None, typer.Option("--source", help="File or folder of the dataset; else RLVR_DATA, else the hub.")
]
Workers = Annotated[int, typer.Option("--workers", min=0, help="Judging processes; 0: one for each core.")]
Isolation = Annotated[
    str, typer.Option("--isolation", help="full, restricted, process, or auto: the best that can be had here.")
]
Trust = Annotated[
    str, typer.Option("--trust", help="split: refuse tasks whose tests would have to share a process with the program.")
]
SkipUnavailable = Annotated[
    bool, typer.Option("--skip-unavailable", help="Leave out, and count, tasks whose verifier needs an extra.")
]
Form = Annotated[
    str | None,
    typer.Option("--form", help="completion, chat or thinking, for datasets that can be asked in several ways."),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first tasks of each source.")]
Samples = Annotated[int, typer.Option("--n", min=0, help="Samples for each task and seed; 0: greedy only.")]
Seeds = Annotated[list[int] | None, typer.Option(help="Seeds of the samples [0].")]
Temperature = Annotated[float, typer.Option(min=0.01)]
TopP = Annotated[float, typer.Option(min=0.01, max=1.0)]
TopK = Annotated[int, typer.Option(min=0)]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="Longest completion, instead of the task's.")]
Greedy = Annotated[bool, typer.Option(help="One more completion for each task, without chance.")]
Ks = Annotated[list[int] | None, typer.Option("--k", help="Values of k for pass@k [1].")]


def tasks_of(
    names: Sequence[str], source: str | None, limit: int | None, form: str | None, options: Sequence[str] = ()
) -> "list[Task]":
    """The tasks of all names. Raises `ValueError` where there are none."""
    from rlvr.config import named_plugin

    given = {"source": source, "limit": limit, "form": form}
    found = [task for name in names for task in named_plugin("tasks", name, options, **given).build()]
    if not found:
        raise ValueError(f"{', '.join(names)} gave no tasks")
    return found


def plan_of(
    n: int,
    seeds: list[int] | None,
    temperature: float,
    top_p: float,
    top_k: int,
    max_tokens: int | None,
    greedy: bool,
) -> Any:
    """How a model is sampled."""
    from rlvr.engines import Sampling
    from rlvr.evaluation.generate import Plan

    if n == 0 and not greedy:
        raise ValueError("--n 0 with --no-greedy would sample nothing")
    return Plan(n, tuple(seeds or [0]), Sampling(temperature, top_p, top_k), greedy, max_tokens)


@contextmanager
def display() -> Iterator[Any]:
    """A bar on a terminal, lines elsewhere; and Ctrl-C as a sentence."""
    from rlvr import progress

    try:
        with progress.display() as screen:
            yield screen
    except KeyboardInterrupt as stop:
        # Here, because the option parser would end the program without the sentence.
        print(f"rlvr: interrupted. {stop}".rstrip(), file=sys.stderr)
        raise typer.Exit(130) from stop


@contextmanager
def sandbox_of(workers: int, isolation: str) -> Iterator[Any]:
    """An open sandbox of this machine."""
    from rlvr.sandboxes.local import Local

    with Local(workers=workers, isolation=isolation).open() as sandbox:
        yield sandbox
