"""The first half of an evaluation: completions to a file, row by row; an interrupted call goes on where it was."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr.engines import Engine, Request, Sampling
from rlvr.progress import Display
from rlvr.records import Json, Task
from rlvr.rollout import sample_seed
from rlvr.storage import dump_line, read_lines, write_lines, write_text

if TYPE_CHECKING:
    from rlvr.models import Model

TASKS_AT_ONCE = 256


@dataclass(frozen=True)
class Plan:
    """What is sampled of each task."""

    samples: int = 1
    """Completions for each task and seed."""
    seeds: tuple[int, ...] = (0,)
    sampling: Sampling = field(default_factory=Sampling)
    greedy: bool = True
    """One more completion for each task, without chance."""
    max_tokens: int | None = None
    """None: what each task says."""


def sample(model: "Model", engine: Engine, tasks: Sequence[Task], plan: Plan) -> Iterator[dict[str, Json]]:
    """Rows task by task: `task_id, seed, index, text, tokens, finish`; `seed` is null for the greedy one."""
    for start in range(0, len(tasks), TASKS_AT_ONCE):
        chunk = tasks[start : start + TASKS_AT_ONCE]
        requests = {request.id: request for task in chunk for request in _requests(model, task, plan)}
        engine.submit(list(requests.values()))
        finished: dict[str, Any] = {}
        while len(finished) < len(requests):
            finished.update(engine.completed())
        for task in chunk:
            for kind, place, seed, index in _places(plan):
                completion = finished[f"{task.id} {kind}"][place]
                yield {
                    "task_id": task.id,
                    "seed": seed,
                    "index": index,
                    "text": completion.text,
                    "tokens": len(completion.tokens),
                    "finish": completion.finish,
                }


def generate(
    model: "Model",
    engine: Engine,
    tasks: Sequence[Task],
    plan: Plan,
    out: Path,
    facts: Mapping[str, Json],
    screen: Display,
) -> None:
    """Write `tasks.jsonl`, `plan.json` and `generations.jsonl` into `out`; a second call completes an interrupted one.

    Raises `FileExistsError` where `out` holds the generations of another model, other tasks or another plan, and
    `ValueError` where two tasks have one id.
    """
    if twice := [name for name, count in Counter(task.id for task in tasks).items() if count > 1]:
        raise ValueError(f"{len(twice)} task ids occur more than once, for instance {twice[0]}: name each source once")
    rows_per_task = len(plan.seeds) * plan.samples + plan.greedy
    header = {**facts, "plan": asdict(plan), "key": _key(model, tasks, plan)}
    path = out / "generations.jsonl"
    done = 0
    if (out / "plan.json").exists():
        before = json.loads((out / "plan.json").read_text(encoding="utf-8"))
        if before["key"] != header["key"]:
            raise FileExistsError(
                f"{out} holds generations of another model, other tasks or another plan; choose another --out"
            )
        rows = _whole_rows(path)
        done = len(rows) // rows_per_task
        if done < len(tasks):
            # Back to where a batch began: another batch has other shapes, and so other roundings.
            done -= done % TASKS_AT_ONCE
        write_lines(path, rows[: done * rows_per_task])
    elif out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} holds files, and no generations to complete; choose another --out")
    # The plan first, for it is what a later call knows the folder by; the tasks again, as their references may differ.
    write_text(out / "plan.json", json.dumps(header, indent=2) + "\n")
    write_lines(out / "tasks.jsonl", [task.to_json() for task in tasks])
    total = len(tasks) * rows_per_task
    stage = screen.stage("generate", total, done=done * rows_per_task)
    with open(path, "a", encoding="utf-8") as file:
        for row in sample(model, engine, tasks[done:], plan):
            file.write(dump_line(row))
            file.flush()
            stage.advance()


def _whole_rows(path: Path) -> list[Json]:
    """The rows before the one that an interrupted call broke off in."""
    rows: list[Json] = []
    for _, row in read_lines(path) if path.exists() else ():
        if isinstance(row, ValueError):
            break
        rows.append(row)
    return rows


def _places(plan: Plan) -> Iterator[tuple[str, int, int | None, int]]:
    """Each row of a task: its request, its place among that request's completions, its seed, its index."""
    # The samples of all seeds are one request, so that they share the work on the prompt.
    for place in range(len(plan.seeds) * plan.samples):
        yield "sampled", place, plan.seeds[place // plan.samples], place % plan.samples
    if plan.greedy:
        yield "greedy", 0, None, 0


def _requests(model: "Model", task: Task, plan: Plan) -> Iterator[Request]:
    prompt = model.encode_prompt(task.prompt)
    seeds = tuple(sample_seed(seed, task.id, index, 0) for seed in plan.seeds for index in range(plan.samples))
    limit = plan.max_tokens or task.max_tokens
    if plan.samples:
        yield Request(f"{task.id} sampled", prompt, seeds, limit, task.stop, plan.sampling)
    if plan.greedy:
        yield Request(f"{task.id} greedy", prompt, (0,), limit, task.stop, Sampling(temperature=0.0))


def _key(model: "Model", tasks: Sequence[Task], plan: Plan) -> str:
    """A hash of everything that decides the completions."""
    asked = [[task.id, task.to_json()["prompt"], task.stop, task.max_tokens] for task in tasks]
    text = json.dumps([model.fingerprint(), asked, asdict(plan)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
