"""Sandboxes run programs: jobs go in, executions come out. A file here is one place; its `open` gives a `Sandbox`."""

from collections.abc import Sequence
from typing import Protocol

from rlvr.records import Execution, Job


class Sandbox(Protocol):
    """An opened sandbox."""

    def run_many(self, jobs: Sequence[Job]) -> list[Execution]:
        """One execution for each job, in order. Raises `ValueError` for a job whose tests cannot be used."""
        ...
