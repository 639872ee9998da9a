"""The two audits as tables: how strong the tests are, and which verdicts moved."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rlvr.evaluation.audit_tests import Audit
from rlvr.evaluation.stability import Stability
from rlvr.report.collect import per_cent

_SHOWN = 20


def print_audit(audit: Audit) -> None:
    """The weakest tasks with one survivor each, the operators, and the sums."""
    console = _console()
    found = audit.summary()
    weak = [row for row in audit.rows if row.survivors]
    if weak:
        table = _table(f"Tasks whose tests let mutants pass, {min(_SHOWN, len(weak))} of {len(weak)}", "task")
        for name in ("killed", "line", "one that passed"):
            table.add_column(name, justify="right" if name == "killed" else "left")
        for row in weak[:_SHOWN]:
            one = row.survivors[0]
            table.add_row(row.task_id, f"{row.killed} of {row.mutants}", str(one.line), one.change)
        console.print(table)
    table = _table("By operator", "operator")
    for name in ("mutants", "killed", "share"):
        table.add_column(name, justify="right")
    for name, counts in found["operators"].items():
        table.add_row(name, str(counts["mutants"]), str(counts["killed"]), per_cent(counts["share"]))
    console.print(table)
    share = "" if found["share"] is None else f" ({per_cent(found['share'])})"
    console.print(
        f"{found['killed']:,} of {found['mutants']:,} mutants killed{share}; some of those that passed are equivalent "
        f"to the solution. {found['with_survivors']:,} of {found['tasks']:,} tasks let mutants pass. "
        f"{found['cpu_s']:.0f} CPU seconds, {found['unjudged']:,} mutants without a verdict"
    )
    for row in audit.rows:
        if row.skipped:
            console.print(f"{row.task_id}: {row.skipped}")


def print_stability(found: Stability) -> None:
    """The rows whose verdict moved, with what each repetition said."""
    console = _console()
    if found.moved:
        table = _table(f"Verdicts that moved, {min(_SHOWN, len(found.moved))} of {len(found.moved)}", "task")
        table.add_column("line", justify="right")
        for turn in found.conditions:
            table.add_column(f"{turn.workers} workers\n{turn.burners} burners")
        for row in found.moved[:_SHOWN]:
            said = zip(row.outcomes, row.tests_passed, strict=True)
            table.add_row(row.task_id, str(row.index + 1), *(f"{outcome}, {passed} passed" for outcome, passed in said))
        console.print(table)
        console.print(f"all of them: {found.file}")
    console.print(
        f"{len(found.moved):,} of {found.summary.judged:,} verdicts moved between {len(found.conditions)} repetitions"
    )


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column(first, no_wrap=True)
    return table


def _console() -> Console:
    # Programs hold brackets, which are not markup.
    return Console(markup=False, highlight=False, soft_wrap=True)
