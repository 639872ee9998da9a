"""Progress of long work: bars and a live table of numbers on a terminal, a line now and then anywhere else."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table


class Stage:
    """One bar. `advance` it, with the numbers that people want to see."""

    def __init__(self, display: "Display", name: str, total: int, done: int) -> None:
        self._display, self._name, self._total = display, name, total
        self._before = self._done = done
        self._started = self._printed = time.monotonic()
        self._bar = display.bars.add_task(name, total=total, completed=done, shown={}) if display.bars else None

    def advance(self, count: int = 1, shown: Mapping[str, Any] | None = None) -> None:
        """shown: the columns of this stage's row in the table, or what its line says."""
        self._done += count
        if self._bar is not None and self._display.bars is not None:
            self._display.bars.update(self._bar, advance=count, shown=dict(shown or {}))
        elif time.monotonic() - self._printed >= self._display.every_s or self._done == self._total:
            self._printed = time.monotonic()
            elapsed = time.monotonic() - self._started
            left = elapsed / max(1, self._done - self._before) * (self._total - self._done)
            text = "  ".join(f"{key} {_short(value)}" for key, value in (shown or {}).items())
            self._display.console.print(
                f"{self._name:<28} {self._done}/{self._total}  {text}  {elapsed:.0f} s, {left:.0f} s left",
                highlight=False,
                soft_wrap=True,
            )


class Display:
    """Where progress goes: live bars on a terminal, else a line every `every_s` seconds and at the end of a stage."""

    def __init__(self, console: Console, bars: "Bars | None", every_s: float = 10.0) -> None:
        self.console, self.bars, self.every_s = console, bars, every_s

    def stage(self, name: str, total: int, done: int = 0) -> Stage:
        """done: of an earlier call, so that the time left is told from this one's speed."""
        return Stage(self, name, total, done)

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, highlight=False, soft_wrap=True)


class Bars(Progress):
    """A bar for each stage, and below them the numbers of those under way, which their tasks have as `shown`."""

    def __init__(self, console: Console) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            if task.fields["shown"] and not task.finished:
                yield _numbers(task)


@contextmanager
def display() -> Iterator[Display]:
    """Open the display on standard error, so that standard output stays for results."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Display(console, None)
        return
    with Bars(console) as bars:
        yield Display(console, bars)


def _numbers(task: Any) -> Table:
    shown = {"step": f"{task.completed:.0f}", **task.fields["shown"], "ETA": _clock(task.time_remaining)}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name, value in shown.items():
        # On a narrow terminal the names of alarms take several lines, so that the numbers stay whole.
        table.add_column(name, justify="right", no_wrap=name in ("step", "ETA") or not isinstance(value, str))
    table.add_row(*(_short(value) for value in shown.values()))
    return table


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _short(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
