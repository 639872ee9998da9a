"""Commands about data: tasks as files, prepared and exported data, the order of a curriculum, tokenizers."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from rlvr.cli.options import Form, Isolation, Limit, Out, OutFile, Source, Workers, display, sandbox_of, tasks_of


def tasks(
    name: Annotated[str, typer.Argument(help="NAME[:split] or the path of a tasks file.")],
    out: OutFile,
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="OPTION=VALUE", help="Of the source, as in a recipe: levels=[1,2] shots=4"),
    ] = None,
    source: Source = None,
    limit: Limit = None,
    form: Form = None,
) -> None:
    """Write tasks as JSONL."""
    from rlvr.storage import write_lines

    found = tasks_of([name], source, limit, form, options or ())
    write_lines(out, [task.to_json() for task in found])
    print(f"{len(found)} tasks: {out}")


def prepare(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="NAME[:split] or tasks files.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write; one of an earlier call is replaced.")
    ] = None,
    source: Source = None,
    split: Annotated[str | None, typer.Option(help="Of names that have none, such as all.")] = None,
    validation_size: Annotated[int, typer.Option(min=0, help="Validation rows of each dataset.")] = 20,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    form: Form = None,
    licence: Annotated[str | None, typer.Option(help="Of data that does not say it.")] = None,
    against: Annotated[
        list[str] | None, typer.Option(help="One more benchmark that training rows are compared with.")
    ] = None,
    shingle: Annotated[int, typer.Option(min=1, help="Words that near duplicates are compared by.")] = 3,
    threshold: Annotated[float, typer.Option(help="Jaccard similarity of near duplicates; 1: only exact ones.")] = 0.8,
    supervised: Annotated[
        bool, typer.Option("--supervised", help="Write sets of id, prompt and solution, too.")
    ] = False,
    train_size: Annotated[int | None, typer.Option(min=1, help="Rows of the supervised training set.")] = None,
    max_lines: Annotated[int, typer.Option(min=1, help="Of a supervised solution.")] = 30,
    simple: Annotated[bool, typer.Option("--simple", help="Supervised: one function, no deep loops.")] = False,
    evaluation_only: Annotated[
        bool, typer.Option("--evaluation-only", help="Supervised rows of test-only data, in a file training refuses.")
    ] = False,
    workers: Workers = 0,
    isolation: Isolation = "auto",
    check: Annotated[Path | None, typer.Option("--check", help="Only verify a folder's hashes and counts.")] = None,
) -> None:
    """Prove, deduplicate, decontaminate and split data: the standard files, tasks for training, a manifest."""
    from rlvr.prepare.manifest import check_folder

    if check is not None:
        problems = check_folder(check)
        print("\n".join(problems) or f"{check}: every hash and count is as the manifest says")
        raise typer.Exit(1 if problems else 0)
    if not names or out is None:
        raise ValueError("give the names of data sets and --out, or --check and a folder")
    from rlvr.prepare.preparation import prepare as run
    from rlvr.prepare.state import Options, named
    from rlvr.prepare.supervised import Rules
    from rlvr.prepare.told import told

    options = Options(
        source=source,
        validation_size=validation_size,
        seed=seed,
        form=form,
        licence=licence,
        shingle=shingle,
        threshold=threshold,
        against=tuple(against or ()),
        supervised=Rules(max_lines, simple) if supervised or evaluation_only or simple or train_size else None,
        train_size=train_size,
        evaluation_only=evaluation_only,
    )
    with display() as screen, sandbox_of(workers, isolation) as sandbox:
        manifest = run(named(names, split), out, options, sandbox, screen)
    print("\n".join(told(manifest, out)))


def export(
    name: Annotated[
        str,
        typer.Argument(metavar="RUN_OR_TASKS", help="Folder of a run, scores or prepared data; else tasks."),
    ],
    out: Out,
    format_name: Annotated[str, typer.Option("--format", help="A file on the shelf of exporters, such as sharegpt.")],
    options: Annotated[list[str] | None, typer.Argument(metavar="[OPTION=VALUE]...", help="Of the format.")] = None,
    source: Source = None,
    form: Form = None,
    evaluation_only: Annotated[
        bool, typer.Option("--evaluation-only", help="Let test-only tasks through, and mark every row.")
    ] = False,
) -> None:
    """Write tasks, or the samples of a run that its judge accepted, as files for other trainers."""
    from rlvr.config import named_plugin
    from rlvr.exporters import export as run
    from rlvr.exporters import read

    exporter = named_plugin("exporters", format_name, options or []).build()
    done = run(
        exporter,
        read(name, source=source, form=form, chat=exporter.CHAT),
        out,
        evaluation_only=evaluation_only,
    )
    for why, count in done.left_out.items():
        print(f"left out: {count} {why}")
    print(f"{done.rows} rows: {', '.join(map(str, done.files))}")


def order(
    name: Annotated[str, typer.Argument(metavar="TASKS", help="NAME[:split] or the path of a tasks file.")],
    out: OutFile,
    by: Annotated[
        str | None, typer.Option("--by", help="Results: a scored folder, a run, or a file of rlvr verify.")
    ] = None,
    by_field: Annotated[str | None, typer.Option(help="length of the prompt, or a field of meta.")] = None,
    sort: Annotated[Literal["easy-first", "hard-first", "weighted", "given"], typer.Option()] = "easy-first",
    band: Annotated[tuple[float, float] | None, typer.Option(help="Only values from LOW to HIGH.")] = None,
    unmeasured: Annotated[
        Literal["keep", "drop"], typer.Option(help="Tasks without a value: keep them at the end, or drop them.")
    ] = "keep",
    seed: Annotated[int, typer.Option(min=0, help="Of --sort weighted.")] = 0,
    source: Source = None,
) -> None:
    """Write task ids in the order of measured pass rates, for `order` of a source in a mixture."""
    from rlvr.prepare.order import Ordering, field_values, ordered, pass_rates, told
    from rlvr.storage import write_text

    if (by is None) == (by_field is None):
        raise ValueError("give either --by and results, or --by-field and the name of a field")
    found = tasks_of([name], source, None, None)
    values = pass_rates(by, found) if by is not None else field_values(by_field or "", found)
    made = ordered(found, values, Ordering(sort, band, unmeasured, seed))
    write_text(out, made.text())
    listed = out.with_name(f"{out.stem}.unmeasured.txt")
    listed.unlink(missing_ok=True)
    if made.unmeasured:
        write_text(listed, "".join(f"{each}\n" for each in made.unmeasured))
        print(f"tasks without a value are listed in {listed}")
    print("\n".join(told(values, made)))
    print(f"{len(made.ids)} of {len(found)} tasks: {out}")


def tokenizer_train(
    names: Annotated[
        list[str], typer.Argument(metavar="FILES_OR_TASKS...", help="Text files, files of rows, or NAME[:split].")
    ],
    out: Out,
    vocab_size: Annotated[int, typer.Option(min=258, help="All tokens, the 256 bytes and the special ones included.")],
    source: Source = None,
    limit: Limit = None,
) -> None:
    """Train a byte-level BPE; a recipe takes it as `model.tokenizer.path`."""
    from rlvr import models
    from rlvr.tasks import texts

    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} already holds files; choose another --out")
    models.quiet()
    made = models.train_tokenizer(texts(names, source=source, limit=limit), vocab_size)
    made.save_pretrained(out)
    print(f"tokenizer of {len(made)} tokens: {out}")
