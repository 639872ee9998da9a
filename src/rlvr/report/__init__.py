"""One self-contained HTML page about a folder: numbers, curves, outcomes, and rollouts to read."""

from pathlib import Path

from rlvr.storage import write_text


def write(folder: Path, out: Path) -> Path:
    """Write the page about a quickstart, a run or an evaluation to `out`; the same folder gives the same bytes.

    Raises `FileNotFoundError` where `folder` holds none of them, and `ValueError` where it holds several strangers.
    """
    from rlvr.report.collect import collect
    from rlvr.report.page import render

    write_text(out, render(collect(folder)))
    return out
