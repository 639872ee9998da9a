"""Verifiers say whether a completion solves a task: facts only, rewards are made elsewhere. A file here is one rule."""

from collections.abc import Sequence
from typing import Protocol

from rlvr.records import Completion, Task, Verdict
from rlvr.sandboxes import Sandbox


class Verifier(Protocol):
    """What every file of this shelf provides."""

    def check(self, task: Task) -> None:
        """Raises `ValueError` that names the task where its reference cannot be used; called before a run starts."""
        ...

    def judge_many(self, pairs: Sequence[tuple[Task, Completion]], sandbox: Sandbox) -> list[Verdict]:
        """One verdict for each pair, in order; no text of a completion can make it raise."""
        ...
