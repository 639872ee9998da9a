"""Tasks to groups of judged rollouts: an engine answers, verifiers judge, a reward values."""

import hashlib
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rlvr import registry
from rlvr.engines import Engine, Request, Sampling
from rlvr.records import Completion, Rollout, Task, Turn, Verdict
from rlvr.rewards import Reward
from rlvr.scheduler import Scheduler, Ticket, position

if TYPE_CHECKING:
    from rlvr.models import Model

Group = list[Rollout]


def check(tasks: Sequence[Task], trust: str = "any") -> None:
    """Resolve every task's verifier and let it look at the task, before anything is sampled.

    trust: `split` refuses tasks whose tests would have to run in the program's process.
    Raises `LookupError` for an unknown verifier and `ValueError` for a reference that it cannot use.
    """
    for task in tasks:
        choosing = "trust" in registry.options(registry.find("verifiers", task.verifier))
        given: dict[str, Any] = {"trust": trust} if choosing else {}
        registry.build("verifiers", task.verifier, **given).check(task)


def check_demonstrations(tasks: Sequence[Task]) -> None:
    """Raises `ValueError` where a task has neither `meta.demonstration` nor `meta.solution`."""
    for task in tasks:
        if not isinstance(_demonstration(task), str):
            raise ValueError(
                f"task {task.id} has no demonstration to learn from: meta has no text named demonstration or "
                f"solution; it has: {', '.join(task.meta) or 'nothing'}"
            )


def judge(pairs: Sequence[tuple[Task, Completion]], sandbox: Any) -> list[Verdict]:
    """A verdict for each pair, in order. sandbox: an opened one of the sandboxes' shelf."""
    by_verifier: dict[str, list[int]] = {}
    for n, (task, _) in enumerate(pairs):
        by_verifier.setdefault(task.verifier, []).append(n)
    verdicts: dict[int, Verdict] = {}
    for name, numbers in by_verifier.items():
        verifier = registry.build("verifiers", name)
        mine = verifier.judge_many([pairs[n] for n in numbers], sandbox)
        verdicts.update(zip(numbers, mine, strict=True))
    return [verdicts[n] for n in range(len(pairs))]


def sample_seed(run: int, task_id: str, index: int, attempt: int) -> int:
    """The seed of one completion: the same rollout wherever and whenever it is sampled under the same weights."""
    digest = hashlib.blake2b(f"{run} {task_id} {index} {attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


@dataclass
class Account:
    """What one batch took and gave, for metrics."""

    seconds: dict[str, float] = field(default_factory=lambda: {"generate": 0.0, "judge": 0.0})
    judged: int = 0


class Demonstrations:
    """Batches of the tasks' own demonstrations, for objectives that sample nothing."""

    def __init__(self, tasks: Sequence[Task], model: "Model", batch_size: int, seed: int) -> None:
        """tasks: those that `check_demonstrations` has let through."""
        self._tasks, self._model, self._batch_size, self._seed = tasks, model, batch_size, seed

    def batch(self, step: int) -> tuple[list[Group], Account]:
        numbers = range(step * self._batch_size, (step + 1) * self._batch_size)
        tasks = [self._tasks[position(self._seed, number, len(self._tasks))] for number in numbers]
        return [[self._rollout(task)] for task in tasks], Account()

    def _rollout(self, task: Task) -> Rollout:
        text = _demonstration(task)
        completion = Completion(
            text=text,
            prompt_tokens=self._model.encode_prompt(task.prompt),
            tokens=self._model.encode_completion(text),
        )
        return Rollout(task, (Turn(completion),))


class Rollouts:
    """Batches of judged groups, sampled live."""

    def __init__(
        self,
        tasks: Sequence[Task],
        model: "Model",
        engine: Engine,
        sandbox: Any,
        scheduler: Scheduler[Group],
        *,
        group_size: int,
        sampling: Sampling,
        max_tokens: int | None,
        reward: Reward,
        seed: int,
    ) -> None:
        """max_tokens: overrides the tasks' own where given."""
        self._tasks, self._model, self._engine, self._sandbox = tasks, model, engine, sandbox
        self._scheduler, self._group_size, self._sampling = scheduler, group_size, sampling
        self._max_tokens, self._reward, self._seed = max_tokens, reward, seed
        self._running: dict[str, Ticket] = {}

    def batch(self, step: int) -> tuple[list[Group], Account]:
        """The next batch of groups in ticket order; `step` is the scheduler's version."""
        account = Account()
        while (batch := self._scheduler.take()) is None:
            started = time.perf_counter()
            tickets = self._scheduler.dispatch()
            self._running.update({str(ticket.number): ticket for ticket in tickets})
            self._engine.submit([self._request(ticket) for ticket in tickets])
            finished = self._engine.completed()
            generated = time.perf_counter()
            self._accept(finished, account)
            account.seconds["generate"] += generated - started
            account.seconds["judge"] += time.perf_counter() - generated
        return [group for _, group in batch], account

    def _task(self, ticket: Ticket) -> Task:
        return self._tasks[position(self._seed, ticket.number, len(self._tasks))]

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
            sampling=self._sampling,
        )

    def _accept(self, finished: list[tuple[str, list[Completion]]], account: Account) -> None:
        tickets = [self._running.pop(name) for name, _ in finished]
        pairs = [
            (self._task(ticket), completion)
            for ticket, (_, completions) in zip(tickets, finished, strict=True)
            for completion in completions
        ]
        verdicts = iter(judge(pairs, self._sandbox))
        account.judged += len(pairs)
        for ticket, (_, completions) in zip(tickets, finished, strict=True):
            task = self._task(ticket)
            rollouts = [Rollout(task, (Turn(completion, next(verdicts)),)) for completion in completions]
            self._scheduler.accept(ticket, [self._valued(rollout) for rollout in rollouts])

    def _valued(self, rollout: Rollout) -> Rollout:
        value = self._reward(rollout)
        if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
            raise ValueError(
                f"the reward of a rollout of task {rollout.task.id} is {value!r}, neither a finite number nor None"
            )
        return Rollout(rollout.task, rollout.turns, None if value is None else float(value))


def statistics(groups: Sequence[Group]) -> dict[str, Any]:
    """What a batch of judged groups looks like: rewards, contrast, outcomes, lengths, drift that no test can see."""
    rollouts = [rollout for group in groups for rollout in group]
    judged = [r for r in rollouts if r.reward is not None]
    rewards = [r.reward or 0.0 for r in judged]
    verdicts = [r.verdict for r in rollouts if r.verdict is not None]
    outcomes = Counter(verdict.outcome for verdict in verdicts)
    lengths = [len(r.completion.tokens) for r in rollouts]
    flat = sum(len({r.reward for r in group if r.reward is not None}) < 2 for group in groups)
    return {
        "reward": sum(rewards) / max(1, len(rewards)),
        "pass_rate": outcomes["passed"] / max(1, len(verdicts) - outcomes["judge_error"]),
        "zero_contrast_share": flat / max(1, len(groups)),
        "unjudged_share": outcomes["judge_error"] / max(1, len(verdicts)),
        "truncated_share": sum(r.completion.finish == "length" for r in rollouts) / max(1, len(rollouts)),
        "blank_line_share": sum(_has_blank_line(r.completion.text) for r in rollouts) / max(1, len(rollouts)),
        "length": sum(lengths) / max(1, len(lengths)),
        "outcomes": dict(sorted(outcomes.items())),
    }


def _has_blank_line(text: str) -> bool:
    return any(not line.strip() for line in text.rstrip("\n").split("\n")) and bool(text.strip())


def _demonstration(task: Task) -> Any:
    return task.meta.get("demonstration", task.meta.get("solution"))
