"""Workers behind one queue: groups by task, identical jobs once, verdicts remembered, lost processes replaced."""

import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from queue import Queue
from typing import Any

from rlvr.judge import assembly, cases
from rlvr.judge.worker import LostError, Worker
from rlvr.records import Execution, Job, TestResult

_GROUP = 16
"""Programs that one tests' process serves at most."""
_REMEMBERED = 20_000
_ATTEMPTS = 2
_Key = tuple[str, str, str, str]
Plan = assembly.Plan | cases.Cases


class Pool:
    """Runs jobs on `workers` zygotes. Safe to call from several threads; `close` ends everything.

    executed: programs that were run. served: executions handed out, remembered ones included.
    """

    def __init__(self, workers: int, isolation: str) -> None:
        self.isolation = isolation
        self.executed = 0
        self.served = 0
        self._lock = threading.Lock()
        self._memory: OrderedDict[_Key, Execution] = OrderedDict()
        self._queue: Queue[tuple[Plan, list[Job], Future[list[Execution]]] | None] = Queue()
        self._closed = False
        self._workers = [Worker(isolation) for _ in range(workers)]
        self._threads = [
            threading.Thread(target=self._work, args=(worker,), name=f"judge-{number}", daemon=True)
            for number, worker in enumerate(self._workers)
        ]
        for thread in self._threads:
            thread.start()

    def run(self, job: Job) -> Execution:
        return self.run_many([job])[0]

    def run_many(self, jobs: Sequence[Job]) -> list[Execution]:
        """One execution per job, in order. Raises `ValueError` for tests that cannot be used, before anything runs."""
        plans = [plan(job) for job in jobs]
        keys = [_key(job) for job in jobs]
        with self._lock:
            found: dict[_Key, Any] = {key: self._recall(key) for key in keys}
        groups: dict[tuple[str, str, str], list[int]] = {}
        for number, key in enumerate(keys):
            if found[key] is None:
                found[key] = _PENDING
                groups.setdefault(key[1:], []).append(number)
        size = max(1, min(_GROUP, -(-sum(map(len, groups.values())) // len(self._threads))))
        pending: list[tuple[list[int], Future[list[Execution]]]] = []
        for numbers in groups.values():
            for start in range(0, len(numbers), size):
                part = numbers[start : start + size]
                future: Future[list[Execution]] = Future()
                self._queue.put((plans[part[0]], [jobs[number] for number in part], future))
                pending.append((part, future))
        for part, future in pending:
            for number, execution in zip(part, future.result(), strict=True):
                found[keys[number]] = execution
        with self._lock:
            for part, _ in pending:
                for number in part:
                    self._remember(keys[number], found[keys[number]])
            self.served += len(jobs)
            self.executed += sum(len(part) for part, _ in pending)
        return [found[key] for key in keys]

    def close(self) -> None:
        """End all workers at once; calls under way in other threads raise `RuntimeError`."""
        self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        for worker in self._workers:
            worker.interrupt()
        for thread in self._threads:
            thread.join()

    def _recall(self, key: _Key) -> Execution | None:
        if key in self._memory:
            self._memory.move_to_end(key)
        return self._memory.get(key)

    def _remember(self, key: _Key, execution: Execution) -> None:
        """Keep what would come out the same again: never a timeout, never our own fault."""
        outcomes = {execution.ended, *(test.outcome for test in execution.tests)}
        if not outcomes & {"timeout", "judge_error"}:
            self._memory[key] = execution
            if len(self._memory) > _REMEMBERED:
                self._memory.popitem(last=False)

    def _work(self, worker: Worker) -> None:
        while (item := self._queue.get()) is not None:
            plan, jobs, future = item
            try:
                future.set_result(self._judge(worker, plan, jobs))
            except BaseException as error:
                future.set_exception(error)
        worker.close()

    def _judge(self, worker: Worker, plan: Plan, jobs: list[Job]) -> list[Execution]:
        """Run a group; after a loss, what is left one by one, so that whoever caused it is known."""
        try:
            found = self._run(worker, plan, jobs)
        except LostError as loss:
            found = loss.results
        except OSError as error:
            return [_unjudged(plan, f"no worker could be started: {error}", self.isolation) for _ in jobs]
        return [found[number] if number in found else self._alone(worker, plan, job) for number, job in enumerate(jobs)]

    def _alone(self, worker: Worker, plan: Plan, job: Job) -> Execution:
        for _ in range(_ATTEMPTS):
            try:
                return self._run(worker, plan, [job])[0]
            except LostError:
                continue
            except OSError as error:
                return _unjudged(plan, f"no worker could be started: {error}", self.isolation)
        # Alone on a fresh judge, again and again, and each time it was killed: that is the program's doing.
        why = "a process of the judge was killed each time this program ran"
        tests = (TestResult("early_exit", why),) * len(plan.tests)
        telltales = ("early_exit", "killed_judge")
        failed = _unjudged(plan, why, self.isolation)
        return replace(failed, ended="early_exit", tests=tests, telltales=telltales)

    def _run(self, worker: Worker, plan: Plan, jobs: list[Job]) -> dict[int, Execution]:
        if self._closed:
            raise RuntimeError("the sandbox was closed while programs were waiting in it")
        return worker.run(plan, jobs)


_PENDING: Any = object()


def plan(job: Job) -> Plan:
    if cases.is_stdio(job.tests):
        return cases.plan(job.tests, job.language)
    if job.language != "python":
        raise ValueError(f"no judge for {job.language!r} programs; there is one for: python")
    return assembly.plan(job.tests)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _key(job: Job) -> _Key:
    return (
        job.program,
        # Cases can be megabytes, and thousands of keys are remembered.
        hashlib.blake2b(json.dumps(job.tests, sort_keys=True).encode()).hexdigest(),
        json.dumps(job.limits.to_json()),
        job.language,
    )


def _unjudged(plan: Plan, why: str, isolation: str) -> Execution:
    tests = (TestResult("judge_error", why),) * len(plan.tests)
    return Execution("judge_error", tests, len(tests), why, isolation=isolation, trust=plan.trust)
