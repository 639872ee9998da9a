"""This machine as a sandbox: candidate and tests in two processes below a warm zygote per worker (`rlvr.judge`).

with Local().open() as sandbox:
    execution = sandbox.run(Job(program, tests))
    executions = sandbox.run_many(jobs)     # order kept, identical jobs run once
    execution = await sandbox.run_async(Job(program, tests))         # in an event loop; arun_many(jobs) as above
    sandbox.executed, sandbox.served        # programs run, executions handed out
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rlvr.judge.pool import Pool, cores

_LEVELS = ("process",)


@dataclass(frozen=True)
class Local:
    """Runs Python programs in processes of this machine.

    `open()` gives an object with `run(job) -> Execution` and `run_many(jobs) -> list[Execution]` for any number of
    threads, `run_async` and `arun_many` for event loops. All wait while its queue is full, and raise `ValueError` where
    a job's tests cannot be used, before anything runs. Executions are remembered while it is open, except timeouts and
    errors of the judge.
    """

    workers: int = 0
    """Programs that run at once; 0: one per core."""
    isolation: str = "process"
    """`process`: processes of their own with limits, no wall towards files, network or processes of the same user."""

    def __post_init__(self) -> None:
        if self.isolation not in _LEVELS:
            raise ValueError(
                f"isolation {self.isolation!r} does not exist; there is: {', '.join(_LEVELS)} (separate processes with "
                "limits). For walls towards files, network and other processes, run all of this inside a container."
            )
        if self.workers < 0:
            raise ValueError(f"workers should be 0 (one per core) or more, not {self.workers}")

    @contextmanager
    def open(self) -> Iterator[Pool]:
        """Start workers as they are needed, end them all on leaving. Raises `ValueError` on a system without fork."""
        if not hasattr(os, "fork"):
            raise ValueError("judging programs needs fork, which this system does not have; use Linux, macOS or WSL")
        pool = Pool(self.workers or cores())
        try:
            yield pool
        finally:
            pool.close()
