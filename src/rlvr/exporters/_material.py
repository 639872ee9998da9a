"""What is exported: tasks or what a model answered, from a run, an evaluation, a prepared folder or a source."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rlvr import registry, storage
from rlvr.batches import stored_rows
from rlvr.prepare import benchmarks
from rlvr.records import Completion, Rollout, Task, Turn, Verdict
from rlvr.tasks import load

PREPARED = ("train.jsonl", "validation.jsonl", "test_only.jsonl")
"""The tasks of a prepared folder; the first one that is there is meant by its name."""


@dataclass(frozen=True)
class Material:
    """Tasks, with rollouts or without."""

    name: str
    tasks: tuple[Task, ...]
    plain: Mapping[str, Task]
    """The same tasks by id, in the form that tells most about the words of the source."""
    groups: Callable[[], Iterator[list[Rollout]]] | None = None
    """The rollouts, group by group in the order in which they were trained; None: there are only tasks."""


def read(name: str, *, source: str | None = None, form: str | None = None, chat: bool = False) -> Material:
    """The material behind the folder of a run, of an evaluation or of prepared data, a tasks file, or `NAME[:split]`.

    source, form: of a data set. chat: the form where `form` is None and the data set has it.
    Raises `FileNotFoundError` for a folder that holds none of this, and what the sources raise.
    """
    plugin = registry.task_source(name)[0]
    if storage.is_folder(name) and (plugin == "jsonl" or plugin not in registry.names("tasks")):
        if given := form or source:
            raise ValueError(f"{name} is a folder, whose tasks are what they are; {given!r} is for data sets")
        folder = name.rstrip("/")
        for file, groups in (("traces/rollouts.jsonl", _of_run), ("scores.jsonl", _of_scores)):
            if storage.exists(f"{folder}/{file}"):
                return _answered(folder, f"{folder}/{file}", groups)
        name = _prepared(folder)
    options: dict[str, Any] = {"source": source, "form": form}
    forms = getattr(registry.task_class(name), "FORMS", ())
    if chat and form is None and "chat" in forms:
        options["form"] = "chat"
    tasks = tuple(load(name, **options))
    plain = benchmarks.read(name, source=source) if forms else tasks
    return Material(name, tasks, {task.id: task for task in plain})


def _prepared(folder: str) -> str:
    for file in PREPARED:
        if storage.exists(f"{folder}/{file}"):
            return f"{folder}/{file}"
    raise FileNotFoundError(
        f"{folder} holds nothing to export: no traces/rollouts.jsonl of a run, no scores.jsonl of an evaluation, and "
        f"no {', '.join(PREPARED)} of prepared data"
    )


def _answered(folder: str, path: str, groups: Callable[[str, Mapping[str, Task]], Iterator[list[Rollout]]]) -> Material:
    tasks = {task.id: task for task in storage.read_records(f"{folder}/tasks.jsonl", Task)}
    return Material(folder, tuple(tasks.values()), tasks, lambda: groups(path, tasks))


def _of_run(path: str, tasks: Mapping[str, Task]) -> Iterator[list[Rollout]]:
    rows = _known(path, stored_rows(path), tasks)
    for _, group in groupby(rows, key=lambda row: (row["step"], row["group"], row["task_id"])):
        yield [Rollout(tasks[row["task_id"]], tuple(map(_turn, row["turns"])), row.get("reward")) for row in group]


def _turn(data: Any) -> Turn:
    """Without tokens but for their number: a run has millions of them."""
    completion = data["completion"]
    slim = {"prompt_tokens": (), "tokens": (0,) * len(completion["tokens"]), "logprobs": None, "mask": None}
    return Turn.from_json({**data, "completion": {**completion, **slim}})


def _of_scores(path: str, tasks: Mapping[str, Task]) -> Iterator[list[Rollout]]:
    """An evaluation has no rewards; a verdict that passed is worth 1."""
    rows = _known(path, _decoded(path), tasks)
    for _, group in groupby(rows, key=lambda row: row["task_id"]):
        yield [_scored(tasks[row["task_id"]], row) for row in group]


def _scored(task: Task, row: Mapping[str, Any]) -> Rollout:
    verdict = Verdict(row["outcome"], row["passed"], answer=row["answer"])
    # The count stands where the tokens would: of equal programs the shorter stays.
    completion = Completion(row["text"], tokens=(0,) * row["tokens"], finish=row["finish"])
    return Rollout(task, (Turn(completion, verdict),), None if row["passed"] is None else float(row["passed"]))


def _decoded(path: str) -> Iterator[dict[str, Any]]:
    needed = {"task_id", "text", "tokens", "finish", "outcome", "passed", "answer"}
    for number, row in storage.read_lines(path):
        if isinstance(row, ValueError):
            raise row
        if not isinstance(row, dict) or not needed <= row.keys():
            raise ValueError(f"{path}:{number + 1}: a score has {', '.join(sorted(needed))}")
        yield row


def _known(path: str, rows: Iterator[dict[str, Any]], tasks: Mapping[str, Task]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if row["task_id"] not in tasks:
            raise ValueError(f"{path}: task {row['task_id']!r} is not in tasks.jsonl beside it")
        yield row
