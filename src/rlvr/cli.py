"""The command line: it names things and wires nothing.

Heavy imports stand inside the commands, so that `rlvr --help` answers at once and the judge works without torch.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import rlvr
from rlvr.run import RunStoppedError

if TYPE_CHECKING:
    from rlvr.records import Task

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

tokenizer = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Tokenizers of one's own.")
app.add_typer(tokenizer, name="tokenizer")

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


def main() -> None:
    """Entry point. An error of the caller's is one message and exit code 2, a run that stopped itself 1, Ctrl-C 130."""
    # Two spinning threads on a busy two-core machine are many times slower than one that waits.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        app(args=spread(sys.argv[1:]))
    except (ValueError, LookupError, FileNotFoundError, FileExistsError, IsADirectoryError, PermissionError) as error:
        print(f"rlvr: {_message(error)}", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if error.name in ("fcntl", "resource"):
            need = "judging programs needs fork, which this system does not have; use Linux, macOS or WSL"
        elif error.name in ("torch", "transformers", "tokenizers", "safetensors"):
            need = (
                f"sampling and training need {error.name}: install the extra train, for instance pip install '.[train]'"
            )
        else:
            raise
        print(f"rlvr: {need}", file=sys.stderr)
        sys.exit(2)
    except (FloatingPointError, RunStoppedError) as stop:
        print(f"rlvr: stopped. {stop}", file=sys.stderr)
        sys.exit(1)


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


def _version(wanted: bool) -> None:
    if wanted:
        print(f"rlvr {rlvr.__version__}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Reinforcement learning with verifiable rewards: judge honestly, train on the verdicts, measure what changed."""


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

    found = _tasks([name], source, limit, form, options or ())
    write_lines(out, [task.to_json() for task in found])
    print(f"{len(found)} tasks: {out}")


@app.command()
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
    with _display() as screen, _sandbox(workers, isolation) as sandbox:
        manifest = run(named(names, split), out, options, sandbox, screen)
    print("\n".join(told(manifest, out)))


@app.command()
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


@app.command()
def order(
    name: Annotated[str, typer.Argument(metavar="TASKS", help="NAME[:split] or the path of a tasks file.")],
    out: Out,
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
    found = _tasks([name], source, None, None)
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


@app.command()
def verify(
    tasks: Annotated[str, typer.Option("--tasks", help="Tasks, as JSONL; or NAME[:split].")],
    completions: Annotated[str, typer.Option("--completions", help="Rows of task_id and text.")],
    out: Out,
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
    with _display() as screen:
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


@app.command()
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
    with _display() as screen:
        run(loaded, folder, screen, resume=resume, rereward=rereward)
    print(f"run: {folder}")


@app.command()
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


@tokenizer.command("train")
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


@app.command()
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

    plan = _plan(n, seeds, temperature, top_p, top_k, max_tokens, greedy)
    with _display() as screen:
        found = _tasks(tasks, source, limit, form)
        left_out = complete(model, found, out, plan, screen, skip_unavailable=skip_unavailable)
    for why, count in left_out.items():
        print(f"{count} tasks left out: {why}")
    print(f"generations: {out / 'generations.jsonl'}")


@app.command()
def score(
    folder: Annotated[Path, typer.Argument(help="A folder that `generate` wrote.")],
    k: Ks = None,
    workers: Workers = 0,
    isolation: Isolation = "auto",
) -> None:
    """Judge the generations of a folder and estimate pass@k."""
    from rlvr.evaluation.score import score as run
    from rlvr.report.table import print_results

    with _display() as screen, _sandbox(workers, isolation) as sandbox:
        results = run(folder, k or [], sandbox, screen)
    print_results(results)


@app.command()
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

    plan = _plan(n, seeds, temperature, top_p, top_k, max_tokens, greedy)
    with _display() as screen, _sandbox(workers, isolation) as sandbox:
        found = _tasks(tasks, source, limit, form)
        results, _ = run(model, found, out, plan, k or [], sandbox, screen, trust, skip_unavailable=skip_unavailable)
    print_results(results)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A quickstart, a run or an evaluation.")],
    out: Annotated[Path | None, typer.Option("--out", help="The page [report.html in the folder].")] = None,
) -> None:
    """One self-contained HTML page: curves, outcomes, rollouts to read."""
    from rlvr.report import write

    print(f"report: {write(folder, out or folder / 'report.html')}")


@app.command()
def audit_tests(
    tasks: Annotated[str, typer.Argument(help="NAME[:split] or the path of a tasks file.")],
    source: Source = None,
    limit: Limit = None,
    form: Form = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="JSONL with a row for each task, the weakest first.")
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

    with _display() as screen, _sandbox(workers, isolation) as sandbox:
        found = run(_tasks([tasks], source, limit, form), sandbox, most=mutants, seed=seed, progress=screen)
    if out is not None:
        found.write(out)
    print_audit(found)


def _tasks(
    names: Sequence[str], source: str | None, limit: int | None, form: str | None, options: Sequence[str] = ()
) -> "list[Task]":
    given = _given(options, source=source, limit=limit, form=form)
    found = [task for name in names for task in _source(name, given)]
    if not found:
        raise ValueError(f"{', '.join(names)} gave no tasks")
    return found


def _given(options: Sequence[str], **named: Any) -> dict[str, Any]:
    """Options of a source: those that have an option of the command line, and the others as `option=value`."""
    from rlvr.config.dialect import parse

    given = {key: value for key, value in named.items() if value is not None}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or not key:
            raise ValueError(f"{option!r} should look like option=value, for example limit=10")
        if key in given or key == "name":
            raise ValueError(f"{key} is given twice, the second time as {option!r}")
        given[key] = parse(text, f"option {option!r}")
    return given


def _source(name: str, options: dict[str, Any]) -> "Iterable[Task]":
    """A person wrote the name, so `package.module:Class` is one, too."""
    from pydantic_core import PydanticCustomError

    from rlvr.config import task_source

    try:
        return task_source({**options, "name": name}).build()
    except PydanticCustomError as error:
        problems = (error.context or {})["problems"]
        raise ValueError("; ".join(f"{name}: {option}: {what}" for option, what in problems)) from error


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

    try:
        with display() as screen:
            yield screen
    except KeyboardInterrupt as stop:
        # Here, because the option parser would end the program without the sentence.
        print(f"rlvr: interrupted. {stop}".rstrip(), file=sys.stderr)
        raise typer.Exit(130) from stop


@contextmanager
def _sandbox(workers: int, isolation: str) -> Iterator[Any]:
    from rlvr.sandboxes.local import Local

    with Local(workers=workers, isolation=isolation).open() as sandbox:
        yield sandbox


def _message(error: BaseException) -> str:
    """KeyError quotes its message; people should read the sentence."""
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
