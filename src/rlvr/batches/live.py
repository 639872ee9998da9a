"""Batches that are sampled and judged live, and the one under way on disk."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr.batches.batch import Account, Group, Lost, is_flat, valued
from rlvr.curriculum import Curriculum
from rlvr.engines import Engine, Request, Sampling
from rlvr.records import Completion, Rollout, Task, Turn
from rlvr.rewards import Reward
from rlvr.rollout import demonstrated, judge, sample_seed
from rlvr.sandboxes import Sandbox
from rlvr.scheduler import Scheduler, Ticket
from rlvr.storage import dump_line, read_lines

if TYPE_CHECKING:
    from rlvr.models import Model


class Pending:
    """Groups of the batch under way, on disk: a run that was killed in a long batch need not sample them again.

    A group is known by the version of the weights and its ticket; in a run these decide everything about it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def found(self, version: int) -> dict[tuple[int, int], tuple[Turn, ...]]:
        """The turns of each ticket's samples, by number and attempt; what belongs to another version is dropped."""
        known: dict[tuple[int, int], tuple[Turn, ...]] = {}
        for _, row in read_lines(self._path) if self._path.exists() else ():
            # A kill may have cut the last row.
            if isinstance(row, dict) and row["version"] == version:
                known[row["ticket"], row["attempt"]] = tuple(Turn.from_json(turn) for turn in row["turns"])
        if not known:
            self._path.unlink(missing_ok=True)
        return known

    def add(self, ticket: Ticket, turns: Sequence[Turn]) -> None:
        row = {"version": ticket.version, "ticket": ticket.number, "attempt": ticket.attempt}
        with open(self._path, "a", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(dump_line({**row, "turns": [turn.to_json() for turn in turns]}))


class Rollouts:
    """Batches of judged groups, sampled live."""

    def __init__(
        self,
        tasks: Sequence[Task],
        model: "Model",
        engine: Engine,
        sandbox: Sandbox,
        scheduler: Scheduler[Group],
        *,
        group_size: int,
        sampling: Callable[[int], Sampling],
        max_tokens: int | None,
        reward: Reward,
        seed: int,
        demonstrate: bool = False,
        replace_flat: int = 0,
        pending: Pending | None = None,
        curriculum: Curriculum | None = None,
    ) -> None:
        """sampling: by version of the weights. max_tokens: overrides the tasks' own where given. demonstrate: each
        task's own solution joins its group.

        replace_flat: how many groups whose rewards are all equal may be replaced in one batch by the groups of further
        tasks (dynamic sampling, DAPO, arXiv:2503.14476). pending: where a batch that takes several rounds is kept.
        curriculum: chooses the tasks; None: all of them in turn, shuffled.
        """
        self._tasks, self._model, self._engine, self._sandbox = tasks, model, engine, sandbox
        self._scheduler, self._group_size, self._sampling = scheduler, group_size, sampling
        self._max_tokens, self._reward, self._seed = max_tokens, reward, seed
        self._demonstrate, self._replace_flat, self._pending = demonstrate, replace_flat, pending
        self._curriculum = curriculum or Curriculum(len(tasks), seed)
        self._running: dict[str, Ticket] = {}

    def batch(self, step: int) -> tuple[list[Group], Account]:
        """The next batch of groups in ticket order; `step` is the scheduler's version."""
        account = Account()
        allowed = self._scheduler.discarded + self._replace_flat
        known = self._pending.found(self._scheduler.version) if self._pending else {}
        while (batch := self._scheduler.take()) is None:
            started = time.perf_counter()
            tickets = self._scheduler.dispatch()
            for ticket in tickets:
                if (turns := known.get((ticket.number, ticket.attempt))) is not None:
                    self._decide(ticket, turns, account, allowed)
                else:
                    self._running[str(ticket.number)] = ticket
                    self._engine.submit([self._request(ticket)])
            finished = self._engine.completed()
            started = account.spend("generate", self._scheduler.version, started)
            self._accept(finished, account, allowed)
            account.spend("judge", self._scheduler.version, started)
        for ticket, group in self._scheduler.dropped:
            turns = [rollout.turns[-1] for rollout in group if rollout.verdict is not None]
            account.lost.append(Lost("stale", ticket, group[0].task, turns))
        self._scheduler.dropped.clear()
        self._curriculum.settle(ticket.number for ticket, _ in batch)
        return [group for _, group in batch], account

    def _task(self, ticket: Ticket) -> Task:
        return self._tasks[self._curriculum.index(ticket.number)]

    def _request(self, ticket: Ticket) -> Request:
        task = self._task(ticket)
        # The ticket's number is in the seed: a task that comes again in a later epoch is sampled anew.
        key = f"{ticket.number} {task.id}"
        return Request(
            id=str(ticket.number),
            prompt=self._model.encode_prompt(task.prompt),
            seeds=tuple(sample_seed(self._seed, key, n, ticket.attempt) for n in range(self._group_size)),
            max_tokens=self._max_tokens or task.max_tokens,
            stop=task.stop,
            sampling=self._sampling(ticket.version),
        )

    def _accept(self, finished: list[tuple[str, list[Completion]]], account: Account, allowed: int) -> None:
        """allowed: how many groups may have been discarded in all."""
        tickets = [self._running.pop(name) for name, _ in finished]
        pairs = [
            (self._task(ticket), completion)
            for ticket, (_, completions) in zip(tickets, finished, strict=True)
            for completion in completions
        ]
        judged = judge(pairs, self._sandbox)
        account.judged += len(judged)
        for verdict in judged:
            if verdict.passed is None:
                account.judge_errors, account.why = account.judge_errors + 1, verdict.why
        verdicts = iter(judged)
        for ticket, (_, completions) in zip(tickets, finished, strict=True):
            turns = tuple(Turn(completion, next(verdicts)) for completion in completions)
            # What is all of a batch is learned at once; what is not may have been long in the making.
            if self._pending and (self._running or len(tickets) < self._scheduler.batch_size):
                self._pending.add(ticket, turns)
            self._decide(ticket, turns, account, allowed)

    def _decide(self, ticket: Ticket, turns: Sequence[Turn], account: Account, allowed: int) -> None:
        """What becomes of a ticket's samples."""
        task = self._task(ticket)
        if all(turn.verdict is not None and turn.verdict.passed is None for turn in turns):
            account.lost.append(Lost("failed", ticket, task, turns))
            self._scheduler.fail(ticket)
            return
        group = [valued(Rollout(task, (turn,)), self._reward) for turn in turns]
        unwanted = is_flat(group) and self._scheduler.discarded < allowed
        judged = [turn.verdict.passed for turn in turns if turn.verdict is not None and turn.verdict.passed is not None]
        self._curriculum.saw(ticket.number, sum(judged) / len(judged), discarded=unwanted)
        if unwanted:
            account.lost.append(Lost("replaced", ticket, task, turns))
            self._scheduler.discard(ticket)
            return
        shown = demonstrated(task, self._model) if self._demonstrate else []
        self._scheduler.accept(ticket, group + shown)
