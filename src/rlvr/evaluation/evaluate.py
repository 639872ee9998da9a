"""A model and tasks in, results out: generate, then score, in one folder."""

import time
from collections.abc import Sequence
from pathlib import Path

from rlvr import models
from rlvr.engines.local import Local
from rlvr.evaluation.available import available
from rlvr.evaluation.estimate import check_ks
from rlvr.evaluation.generate import Plan, generate
from rlvr.evaluation.score import score
from rlvr.progress import Display
from rlvr.records import Json, Task
from rlvr.rollout import check
from rlvr.sandboxes import Sandbox


def evaluate(
    model: str,
    tasks: Sequence[Task],
    out: Path,
    plan: Plan,
    ks: Sequence[int],
    sandbox: Sandbox,
    screen: Display,
    trust: str = "any",
    *,
    skip_unavailable: bool = False,
) -> tuple[dict[str, Json], dict[str, float]]:
    """Results (as in `results.json`) and the seconds of both halves.

    model: a folder, a run or a hub id. trust: as for `rollout.check`. skip_unavailable: as for `complete`.
    Raises before any sampling where a task cannot be judged.
    """
    check(available(tasks, skip=skip_unavailable)[0], trust)
    check_ks(ks, plan.samples * len(plan.seeds))
    started = time.perf_counter()
    complete(model, tasks, out, plan, screen, skip_unavailable=skip_unavailable)
    generated = time.perf_counter()
    results = score(out, ks, sandbox, screen)
    return results, {"generate": generated - started, "judge": time.perf_counter() - generated}


def complete(
    model: str, tasks: Sequence[Task], out: Path, plan: Plan, screen: Display, *, skip_unavailable: bool = False
) -> dict[str, int]:
    """Load a model and write its completions of the tasks into `out`; finds and completes an interrupted call.

    skip_unavailable: leaves out tasks that cannot be judged here because an extra is not installed. Returns why tasks
    were left out, each reason with its number of tasks; they are in `plan.json` and `results.json`, too. Raises
    `ValueError` where there are such tasks and they are not to be skipped.
    """
    kept, left_out = available(tasks, skip=skip_unavailable)
    models.quiet()
    models.use_threads(0)
    loaded = models.load(model)
    facts: dict[str, Json] = {"model": model, "left_out": left_out}
    if loaded.checkpoint:
        screen.say(loaded.checkpoint)
        facts["checkpoint"] = loaded.checkpoint
    with Local().open(loaded) as engine:
        generate(loaded, engine, kept, plan, out, facts, screen)
    return left_out
