"""Workers behind one queue: groups by task, identical jobs once, verdicts remembered, lost processes replaced."""

import asyncio
import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from rlvr.judge import assembly, cases, profiles
from rlvr.judge.profiles import LEAN, Profile
from rlvr.judge.queue import Queue
from rlvr.judge.worker import LostError, Worker
from rlvr.records import Execution, Job, TestResult

_GROUP = 16
"""Programs that one tests' process serves at most."""
_WAITING = 8
"""Groups in the queue for each worker; whoever brings more waits."""
_REMEMBERED = 20_000
_ATTEMPTS = 2
_Key = tuple[str, str, str, str]
Plan = assembly.Plan | cases.Cases
_Item = tuple[Plan, Profile, list[Job], "Future[list[Execution]]"]


class Pool:
    """Runs jobs on `workers` zygotes at once. For any number of threads and event loops; `close` ends everything.

    pool.run(job), pool.run_many(jobs)                 in a thread
    await pool.run_async(job), pool.arun_many(jobs)    in an event loop, without a thread for each
    executed: programs that were run. served: executions handed out, remembered ones included.
    """

    def __init__(self, workers: int, isolation: str) -> None:
        self.isolation = isolation
        self.executed = 0
        self.served = 0
        self._lock = threading.Lock()
        self._memory: OrderedDict[_Key, Execution] = OrderedDict()
        self._queue: Queue[_Item] = Queue(_WAITING * workers)
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
        """One execution per job, in order; waits while the queue is full.

        Raises `ValueError` for tests that cannot be used, before anything runs.
        """
        batch = _Batch(self, jobs)
        try:
            for item in batch.items:
                self._queue.put(item)
            for number in range(len(batch.items)):
                batch.take(number, batch.items[number][3].result())
        finally:
            batch.abandon()
        return self._finish(batch)

    async def run_async(self, job: Job) -> Execution:
        return (await self.arun_many([job]))[0]

    async def arun_many(self, jobs: Sequence[Job]) -> list[Execution]:
        """As `run_many`. Where it is cancelled, what has not started is not run."""
        batch = _Batch(self, jobs)
        try:
            for item in batch.items:
                await self._queue.put_async(item)
            for number in range(len(batch.items)):
                batch.take(number, await asyncio.wrap_future(batch.items[number][3]))
        finally:
            batch.abandon()
        return self._finish(batch)

    def close(self) -> None:
        """End all workers at once; calls under way in other threads raise `RuntimeError`."""
        self._closed = True
        self._queue.close()
        with self._lock:
            workers = list(self._workers)
        for worker in workers:
            worker.interrupt()
        for thread in self._threads:
            thread.join()

    def recall(self, keys: Sequence[_Key]) -> list[Execution | None]:
        with self._lock:
            for key in keys:
                if key in self._memory:
                    self._memory.move_to_end(key)
            return [self._memory.get(key) for key in keys]

    def group_size(self, programs: int) -> int:
        return max(1, min(_GROUP, -(-programs // len(self._threads))))

    def _finish(self, batch: "_Batch") -> list[Execution]:
        with self._lock:
            for key in batch.ran:
                self._remember(key, batch.found[key])
            self.served += len(batch.keys)
            self.executed += len(batch.ran)
        return [batch.found[key] for key in batch.keys]

    def _remember(self, key: _Key, execution: Execution) -> None:
        """Keep what would come out the same again: never a timeout, never our own fault."""
        outcomes = {execution.ended, *(test.outcome for test in execution.tests)}
        if not outcomes & {"timeout", "judge_error"}:
            self._memory[key] = execution
            if len(self._memory) > _REMEMBERED:
                self._memory.popitem(last=False)

    def _work(self, lean: Worker) -> None:
        """The life of one thread, which has one worker for each profile that it meets."""
        workers = {LEAN: lean}
        while (item := self._queue.get()) is not None:
            plan, profile, jobs, future = item
            if not future.set_running_or_notify_cancel():
                continue
            if profile not in workers:
                workers[profile] = Worker(self.isolation, profile)
                with self._lock:
                    self._workers.append(workers[profile])
            try:
                future.set_result(self._judge(workers[profile], plan, jobs))
            except BaseException as error:
                future.set_exception(error)
        for worker in workers.values():
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
        if not _programs_may_kill_the_judge(self.isolation):
            return _unjudged(plan, "a process of the judge died each time this program ran", self.isolation)
        # Alone on a fresh judge, again and again, and each time it was killed: that is the program's doing.
        why = "a process of the judge was killed each time this program ran"
        tests = (TestResult("early_exit", why),) * len(plan.tests)
        telltales = ("early_exit", "killed_judge")
        failed = _unjudged(plan, why, self.isolation)
        return replace(failed, ended="early_exit", tests=tests, telltales=telltales)

    def _run(self, worker: Worker, plan: Plan, jobs: list[Job]) -> dict[int, Execution]:
        try:
            if not self._closed:
                return worker.run(plan, jobs)
        except OSError:  # no worker could be started
            if not self._closed:
                raise
        raise RuntimeError("the sandbox was closed while programs were waiting in it")


class _Batch:
    """The jobs of one call: what has to run, in groups, and what is known."""

    def __init__(self, pool: Pool, jobs: Sequence[Job]) -> None:
        plans = [plan(job) for job in jobs]
        self.keys = [_key(job) for job in jobs]
        self.found: dict[_Key, Execution] = {}
        self.ran: list[_Key] = []
        self.items: list[_Item] = []
        self._parts: list[list[_Key]] = []
        groups: dict[tuple[Any, ...], list[int]] = {}
        seen: set[_Key] = set()
        for number, (key, known) in enumerate(zip(self.keys, pool.recall(self.keys), strict=True)):
            if known is not None:
                self.found[key] = known
            elif key not in seen:
                seen.add(key)
                profile = _profile(plans[number], jobs[number])
                groups.setdefault((*key[1:], profile), []).append(number)
        size = pool.group_size(len(seen))
        for group, numbers in groups.items():
            for start in range(0, len(numbers), size):
                part = numbers[start : start + size]
                self.items.append((plans[part[0]], group[-1], [jobs[number] for number in part], Future()))
                self._parts.append([self.keys[number] for number in part])

    def take(self, number: int, executions: list[Execution]) -> None:
        self.found.update(zip(self._parts[number], executions, strict=True))
        self.ran += self._parts[number]

    def abandon(self) -> None:
        """Nobody waits any more: what has not started does not run."""
        for *_, future in self.items:
            future.cancel()


def plan(job: Job) -> Plan:
    if cases.is_stdio(job.tests):
        return cases.plan(job.tests, job.language)
    if job.language != "python":
        raise ValueError(f"no judge for {job.language!r} programs; there is one for: python")
    return assembly.plan(job.tests)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _programs_may_kill_the_judge(isolation: str) -> bool:
    """Whether programs run without walls as the judge's own user; as root they get a user of their own."""
    return isolation == "process" and os.getuid() != 0


def _profile(plan: Plan, job: Job) -> Profile:
    if job.language != "python":
        return LEAN
    return profiles.choose(plan.needs if isinstance(plan, assembly.Plan) else (), job.program)


def _key(job: Job) -> _Key:
    # Programs and cases can be megabytes, and thousands of keys are remembered.
    return (
        hashlib.blake2b(job.program.encode("utf-8", "surrogatepass")).hexdigest(),
        hashlib.blake2b(json.dumps(job.tests, sort_keys=True).encode()).hexdigest(),
        json.dumps(job.limits.to_json()),
        job.language,
    )


def _unjudged(plan: Plan, why: str, isolation: str) -> Execution:
    tests = (TestResult("judge_error", why),) * len(plan.tests)
    return Execution("judge_error", tests, len(tests), why, isolation=isolation, trust=plan.trust)
