"""The command line: it names things and wires nothing.

Heavy imports stand inside the commands, so that `rlvr --help` answers at once and the judge works without torch.
"""

import os
import sys
from collections.abc import Sequence
from errno import EDQUOT, ENOSPC
from typing import Annotated

import typer

import rlvr
from rlvr import extras
from rlvr.cli.data import export, order, prepare, tasks, tokenizer_train
from rlvr.cli.judging import audit_tests, verify
from rlvr.cli.learning import merge, quickstart, train
from rlvr.cli.measuring import evaluate, generate, report, score
from rlvr.run import RunStoppedError

SPREAD = ("--tasks", "--k", "--seeds")
"""Options that take several values after one name: `--k 1 5 10`."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    *(quickstart, tasks, prepare, export, order),
    *(verify, train, merge, generate, score, evaluate, report, audit_tests),
):
    app.command()(command)

tokenizer = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Tokenizers of one's own.")
tokenizer.command("train")(tokenizer_train)
app.add_typer(tokenizer, name="tokenizer")


def main() -> None:
    """Entry point. An error of the caller's is one message and exit code 2, a full disk or a run that stopped itself 1,
    Ctrl-C 130."""
    # Two spinning threads on a busy two-core machine are many times slower than one that waits.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        app(args=spread(sys.argv[1:]))
    except (ValueError, LookupError) as error:
        print(f"rlvr: {_message(error)}", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if error.name in ("fcntl", "resource"):
            need = "judging programs needs fork, which this system does not have; use Linux, macOS or WSL"
        elif error.name in ("torch", "transformers", "tokenizers", "safetensors"):
            need = f"sampling and training need {error.name}: {extras.install('train')}"
        else:
            raise
        print(f"rlvr: {need}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"rlvr: {_message(error)}", file=sys.stderr)
        sys.exit(1 if error.errno in (ENOSPC, EDQUOT) else 2)
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


def _message(error: BaseException) -> str:
    """KeyError quotes its message; people should read the sentence."""
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
