"""What people should read: problems before and after training, and groups of samples with what the update made of them.

Every choice is a fixed order over the data, so that the same folder shows the same examples.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr import registry
from rlvr.records import Rollout, Task
from rlvr.report.collect import Measurement, TrainingRun, rows

PER_KIND = 10
"""Problems of one kind that a page offers."""

WINDOW = 6_000_000
"""Bytes read at each end of a file of rollouts: early and late training, whatever the run's length."""


@dataclass(frozen=True)
class Answers:
    """What one model answered to one problem. Rows are those of `scores.jsonl`."""

    greedy: dict[str, Any] | None
    samples: list[tuple[int, dict[str, Any]]]
    """Different texts with how often each was sampled, the most frequent first."""

    @property
    def drawn(self) -> int:
        return sum(count for count, _ in self.samples)

    @property
    def passed(self) -> int:
        return sum(count for count, row in self.samples if row.get("passed"))

    @property
    def right(self) -> bool:
        """Whether the greedy answer is right; without one, whether most samples are."""
        return bool(self.greedy.get("passed")) if self.greedy else 2 * self.passed > self.drawn


@dataclass(frozen=True)
class Problem:
    task: Task
    kind: str
    answers: list[Answers]
    """One for each measurement."""


@dataclass(frozen=True)
class Sample:
    """Identical samples of one group."""

    count: int
    rollout: Rollout
    credit: float | None
    """What the objective makes of it, per sample; None: its objective cannot be asked."""


@dataclass(frozen=True)
class TrainingGroup:
    step: int
    task: Task
    samples: list[Sample]

    @property
    def size(self) -> int:
        return sum(sample.count for sample in self.samples)

    @property
    def rewards(self) -> list[float]:
        """Of every judged sample."""
        judged = [sample for sample in self.samples if sample.rollout.reward is not None]
        return [sample.rollout.reward or 0.0 for sample in judged for _ in range(sample.count)]

    @property
    def contrast(self) -> bool:
        return len(set(self.rewards)) > 1


def tasks_of(folder: Path) -> Iterator[Task]:
    """The tasks of a run or an evaluation, those that cannot be read left out."""
    return (task for row in rows(folder / "tasks.jsonl") if (task := _task(row)))


def problems(measurements: Sequence[Measurement], notes: list[str]) -> list[Problem]:
    """Problems that all measurements answered, by kind, the largest change in passing samples first."""
    folders = [(measurement, measurement.folder) for measurement in measurements if measurement.folder]
    if not folders:
        return []
    scored = [_by_task(folder / "scores.jsonl", notes) for _, folder in folders]
    found: list[Problem] = []
    for task in tasks_of(folders[0][1]):
        if all(task.id in scores for scores in scored):
            answers = [_answers(scores[task.id]) for scores in scored]
            found.append(Problem(task, _kind([m.label for m, _ in folders], answers), answers))
    found.sort(key=lambda problem: (-_change(problem), problem.task.id))
    kinds = sorted({problem.kind for problem in found}, key=lambda kind: (_kind_rank(kind), kind))
    return [problem for kind in kinds for problem in [p for p in found if p.kind == kind][:PER_KIND]]


def groups(run: TrainingRun) -> list[tuple[str, TrainingGroup]]:
    """Up to three groups of a run, titled: early with contrast, the same problem again, late with contrast."""
    path = run.path / "traces" / "rollouts.jsonl"
    if not path.is_file():
        return []
    early, late = (_stored_groups(path, tail=tail) for tail in (False, True))
    if not early:
        return []
    last = max(step for step, _ in early + late)
    later = {members[0]["task_id"]: (step, members) for step, members in late if step > max(1, 0.6 * last)}
    candidates = [(step, members) for step, members in early if step <= max(1, last // 10) and _balance(members)]
    chosen: list[tuple[str, tuple[int, list[dict[str, Any]]]]] = []
    if candidates:
        first = max(candidates, key=lambda c: (_gain(c, later), _balance(c[1]), -c[0], c[1][0]["task_id"]))
        chosen.append(("early", first))
        if first[1][0]["task_id"] in later:
            chosen.append(("the same problem later", later[first[1][0]["task_id"]]))
    contrasting = [
        (step, members) for step, members in late if _balance(members) and step > max(1, last - last // 10 - 1)
    ]
    if contrasting:
        chosen.append(("late", max(contrasting, key=lambda c: (_balance(c[1]), c[0], c[1][0]["task_id"]))))
    wanted = {members[0]["task_id"] for _, (_, members) in chosen}
    tasks = {task.id: task for task in tasks_of(run.path) if task.id in wanted}
    made = [(title, _training_group(run, step, members, tasks)) for title, (step, members) in chosen]
    return [(title, group) for title, group in made if group]


def _by_task(path: Path, notes: list[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows(path, notes):
        if isinstance(row.get("task_id"), str) and isinstance(row.get("text"), str):
            found.setdefault(row["task_id"], []).append(row)
    return found


def _answers(scores: list[dict[str, Any]]) -> Answers:
    sampled = [row for row in scores if row.get("seed") is not None]
    counts = Counter(row["text"] for row in sampled)
    first = {row["text"]: row for row in reversed(sampled)}
    ordered = sorted(counts, key=lambda text: (-counts[text], not first[text].get("passed"), text))
    greedy = next((row for row in scores if row.get("seed") is None), None)
    return Answers(greedy, [(counts[text], first[text]) for text in ordered])


_KINDS = ("Fixed", "Still wrong", "Broken", "Wrong", "Right all along", "Right")


def _kind(labels: list[str], answers: list[Answers]) -> str:
    before, after = answers[0].right, [answer.right for answer in answers[1:]]
    if not after:
        return "Right" if before else "Wrong"
    if all(right == before for right in after):
        return "Right all along" if before else "Still wrong"
    changed = [label for label, right in zip(labels[1:], after, strict=True) if right != before]
    by = " and ".join(changed) + (" only" if len(changed) < len(after) else "")
    return f"{'Broken' if before else 'Fixed'} by {by}"


def _kind_rank(kind: str) -> tuple[int, bool]:
    rank = next(n for n, start in enumerate(_KINDS) if kind.startswith(start))
    return rank, kind.endswith("only")


def _change(problem: Problem) -> float:
    shares = [answers.passed / answers.drawn if answers.drawn else 0.0 for answers in problem.answers]
    return abs(sum(shares[1:]) / max(1, len(shares) - 1) - shares[0])


def _stored_groups(path: Path, *, tail: bool) -> list[tuple[int, list[dict[str, Any]]]]:
    """Complete groups from one end of the file, with their steps."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        file.seek(max(0, size - WINDOW) if tail else 0)
        data = file.read(WINDOW)
    found: list[tuple[int, list[dict[str, Any]]]] = []
    for line in data.splitlines():
        try:
            row = json.loads(line)
            step, task, index = row["step"], row["task_id"], row["index"]
        except (ValueError, TypeError, KeyError):
            continue  # half a line at either end
        if index == 0 or not found or found[-1][1][0]["task_id"] != task:
            found.append((step, []))
        found[-1][1].append(row)
    usual = Counter(len(members) for _, members in found).most_common(1)
    return [(step, members) for step, members in found if len(members) == usual[0][0]]


def _balance(members: list[dict[str, Any]]) -> int:
    """How much contrast: the number of samples in the smaller camp."""
    rewards = [float(row["reward"]) for row in members if row.get("reward") is not None]
    if len(set(rewards)) < 2:
        return 0
    return min(rewards.count(min(rewards)), rewards.count(max(rewards)))


def _gain(candidate: tuple[int, list[dict[str, Any]]], later: dict[str, tuple[int, list[dict[str, Any]]]]) -> float:
    members = candidate[1]
    again = later.get(members[0]["task_id"])
    if again is None:
        return -1.0
    rewards = [row["reward"] for row in again[1] if row.get("reward") is not None]
    return sum(rewards) / max(1, len(rewards))


def _task(row: dict[str, Any]) -> Task | None:
    try:
        return Task.from_json(row)
    except ValueError:
        return None


def _training_group(
    run: TrainingRun, step: int, members: list[dict[str, Any]], tasks: dict[str, Task]
) -> TrainingGroup | None:
    task = tasks.get(members[0]["task_id"])
    if task is None:
        return None
    try:
        rollouts = [
            Rollout.from_json({"task": task, "turns": row["turns"], "reward": row.get("reward")}) for row in members
        ]
    except (ValueError, KeyError):
        return None
    credit = _credits(run, rollouts)
    counts = Counter(rollout.completion.text for rollout in rollouts)
    first = {rollout.completion.text: n for n, rollout in reversed(list(enumerate(rollouts)))}
    order = sorted(
        first.values(), key=lambda n: (-(rollouts[n].reward or 0.0), -counts[rollouts[n].completion.text], n)
    )
    samples = [Sample(counts[rollouts[n].completion.text], rollouts[n], credit[n] if credit else None) for n in order]
    return TrainingGroup(step, task, samples)


def _credits(run: TrainingRun, group: list[Rollout]) -> list[float] | None:
    """Asks the run's own objective, which is pure, so that the page cannot disagree with the training."""
    section = dict(run.settings.get("objective") or {})
    try:
        objective = registry.build("objectives", section.pop("name", ""), trusted=True, **section)
    except (LookupError, ValueError, TypeError):
        return None
    credit = {example.tokens: example.credit for example in objective.examples([group])}
    return [credit.get(r.completion.prompt_tokens + r.completion.tokens, 0.0) for r in group]
