"""Progress of long work: a live table on a terminal, a line now and then anywhere else."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


class Stage:
    """One bar. `advance` it, with the numbers that people want to see."""

    def __init__(self, display: "Display", name: str, total: int, done: int) -> None:
        self._display, self._name, self._total = display, name, total
        self._before = self._done = done
        self._started = self._printed = time.monotonic()
        self._bar = display.bars.add_task(name, total=total, completed=done, shown="") if display.bars else None

    def advance(self, count: int = 1, shown: Mapping[str, Any] | None = None) -> None:
        """shown: names and values to print beside the bar."""
        self._done += count
        text = "  ".join(f"{key} {_short(value)}" for key, value in (shown or {}).items())
        if self._bar is not None and self._display.bars is not None:
            self._display.bars.update(self._bar, advance=count, shown=text)
        elif time.monotonic() - self._printed >= self._display.every_s or self._done == self._total:
            self._printed = time.monotonic()
            elapsed = time.monotonic() - self._started
            left = elapsed / max(1, self._done - self._before) * (self._total - self._done)
            self._display.console.print(
                f"{self._name:<28} {self._done}/{self._total}  {text}  {elapsed:.0f} s, {left:.0f} s left",
                highlight=False,
                soft_wrap=True,
            )


class Display:
    """Where progress goes: live bars on a terminal, else a line every `every_s` seconds and at the end of a stage."""

    def __init__(self, console: "Console", bars: "Progress | None", every_s: float = 10.0) -> None:
        self.console, self.bars, self.every_s = console, bars, every_s

    def stage(self, name: str, total: int, done: int = 0) -> Stage:
        """done: of an earlier call, so that the time left is told from this one's speed."""
        return Stage(self, name, total, done)

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, highlight=False, soft_wrap=True)


@contextmanager
def display() -> Iterator[Display]:
    """Open the display on standard error, so that standard output stays for results."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Display(console, None)
        return
    columns = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=10),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[shown]}"),
    ]
    with Progress(*columns, console=console) as bars:
        yield Display(console, bars)


def _short(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
