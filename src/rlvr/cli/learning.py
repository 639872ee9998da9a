"""Commands that train: the quickstart, a recipe; and an adapter's merge into the weights below it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from rlvr.cli.options import Out, display


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
    with display() as screen:
        summary = run(folder, seed, objective, steps, screen, resume=resume)
        page = write(folder, folder / "report.html")
    print_summary(summary)
    print(f"report: {page}")


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe, as YAML.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY.PATH=VALUE]...")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run [results/<recipe>_<time>].")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out from its newest checkpoint.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Resolve and check everything, print it, stop.")] = False,
    rereward: Annotated[
        Path | None, typer.Option(help="Learn from the stored samples of this run, under the recipe's reward.")
    ] = None,
) -> None:
    """Train by a recipe: SFT, DPO, RAFT or the GRPO family."""
    from rlvr.config import load_recipe
    from rlvr.run import default_path

    loaded = load_recipe(recipe, overrides or [])
    if resume and (out is None or not (out / "run.json").exists()):
        raise FileNotFoundError(f"--resume needs --out, the folder of the run to continue; {out} holds no run.json")
    from rlvr.train import describe
    from rlvr.train import train as run

    if dry_run:
        print(describe(loaded))
        return
    folder = out or default_path(loaded.name)
    with display() as screen:
        run(loaded, folder, screen, resume=resume, rereward=rereward)
    print(f"run: {folder}")


def merge(
    model: Annotated[str, typer.Argument(help="An adapter's folder, or a run that trained one.")],
    out: Out,
) -> None:
    """Add an adapter into the weights that it was trained on: a whole model, for whatever takes no adapters."""
    from rlvr import models

    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} already holds files; choose another --out")
    models.quiet()
    loaded = models.load(model)
    if loaded.adapter is None:
        raise ValueError(f"{model} is a whole model, with no adapter to merge")
    if loaded.checkpoint:
        print(loaded.checkpoint)
    models.save(models.merged(loaded), out, {"merged": model, "base": loaded.adapter.base})
    print(f"model: {out}")
