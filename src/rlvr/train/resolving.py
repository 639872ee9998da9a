"""What a recipe names, loaded and checked before anything runs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rlvr import rewards, trackers
from rlvr.config import Plugin, TrainRecipe
from rlvr.curriculum import Curriculum
from rlvr.evaluation.available import unavailable
from rlvr.judge import languages
from rlvr.objectives import Objective
from rlvr.records import Task
from rlvr.rollout import check, check_demonstrations, check_preferences


@dataclass(frozen=True)
class Parts:
    """Everything that a recipe names, resolved and checked before anything runs."""

    tasks: list[Task]
    objective: Objective
    reward: rewards.Reward
    evaluation: list[Task]
    held_out: list[Task]
    """Demonstrations whose loss is measured."""
    batch_size: int
    """Tasks in one step."""

    @property
    def samples(self) -> bool:
        """Whether training samples and judges, rather than imitating demonstrations."""
        return self.objective.group_size > 0

    @property
    def rows(self) -> int:
        """Answers of one task in a step, at most; 0: conversations, which may make several rows each."""
        if self.samples:
            return self.objective.group_size + ("demonstrations" in self.objective.needs)
        if "preferences" in self.objective.needs:
            return 2
        return 0 if any(isinstance(task.meta.get("demonstration"), list) for task in self.tasks) else 1


def resolve(recipe: TrainRecipe, lacking: list[str] | None = None) -> Parts:
    """Load tasks and plug-ins. Raises `ValueError` or `LookupError` for whatever could not work later.

    lacking: takes a sentence for each thing that only this machine lacks (data, packages, compilers), which is an error
    without it.
    """
    if needed := trackers.missing(recipe.trackers):
        if lacking is None:
            raise ValueError("; ".join(needed))
        lacking += needed
    objective: Objective = recipe.objective.build()
    tasks = _tasks(recipe.tasks, lacking)
    parts = Parts(
        tasks=tasks,
        objective=objective,
        reward=rewards.build(recipe.reward),
        evaluation=[task for source in recipe.evaluation.tasks for task in _tasks(source, lacking)],
        held_out=_tasks(recipe.evaluation.loss, lacking) if recipe.evaluation.loss else [],
        batch_size=recipe.batch_size or len(tasks),
    )
    if not tasks and not lacking:
        raise ValueError(f"{recipe.name}: the task source {recipe.tasks.name!r} gave no tasks")
    _check_roles(recipe, tasks)
    _check_settings(recipe, parts)
    if parts.samples:
        check(_judgeable(tasks, lacking), recipe.trust)
    if "demonstrations" in objective.needs:
        check_demonstrations(tasks)
    if "preferences" in objective.needs:
        check_preferences(tasks)
    check(_judgeable(parts.evaluation, lacking))
    check_demonstrations(parts.held_out)
    if recipe.model.recipe is not None:
        resolve(recipe.model.recipe, lacking)
    return parts


def _tasks(source: Plugin, lacking: list[str] | None) -> list[Task]:
    try:
        return list(source.build())
    except (FileNotFoundError, ModuleNotFoundError) as error:
        if lacking is None:
            raise
        lacking.append(f"tasks {source.name} ({error})")
        return []


def _judgeable(tasks: Sequence[Task], lacking: list[str] | None) -> Sequence[Task]:
    """The tasks that this machine can judge; all of them where it has to."""
    if lacking is None:
        return tasks
    reasons = [_unjudgeable(task) for task in tasks]
    for reason, count in Counter(reason for reason in reasons if reason).items():
        lacking.append(f"a judge for {count} tasks ({reason})")
    return [task for task, reason in zip(tasks, reasons, strict=True) if not reason]


def _unjudgeable(task: Task) -> str:
    language = task.reference.get("language") if isinstance(task.reference, dict) else None
    compiler = languages.find(language).missing() if language in languages.NAMES else ""
    return compiler or unavailable(task) or ""


def _check_roles(recipe: TrainRecipe, tasks: Sequence[Task]) -> None:
    forbidden = [task.id for task in tasks if task.meta.get("role") == "test_only"]
    if forbidden:
        raise ValueError(
            f"{recipe.name}: {len(forbidden)} of the tasks are test-only and cannot be trained on, for instance "
            f"{', '.join(forbidden[:5])}; train on another split"
        )
    held_out = [task.id for task in tasks if task.meta.get("role") == "validation"]
    if held_out and not recipe.validation_data:
        raise ValueError(
            f"{recipe.name}: {len(held_out)} of the tasks are for validation, for instance "
            f"{', '.join(held_out[:5])}; train on another split, or say validation_data: true in the recipe"
        )


def _check_settings(recipe: TrainRecipe, parts: Parts) -> None:
    """What one part of the recipe makes impossible or useless in another."""
    if parts.tasks:
        check_batch(recipe, parts, len(parts.tasks))
        curriculum(recipe, len(parts.tasks))
    if recipe.staleness and recipe.engine.name == "local":
        raise ValueError("the local engine samples from the learner's own weights, so staleness must be 0 with it")
    for key in () if parts.samples else ("sampling", "reward", "trust", "max_unjudged"):
        if getattr(recipe, key) != TrainRecipe.model_fields[key].default:
            raise ValueError(f"{recipe.objective.name} samples nothing, so {key} has no effect; leave it out")
    if parts.objective.exact_sampling and recipe.sampling.last_temperature is not None:
        raise ValueError(
            f"{recipe.objective.name} weighs samples by log-probs at one temperature; leave sampling.last_temperature "
            "out"
        )
    if parts.objective.exact_sampling and (recipe.sampling.top_p < 1 or recipe.sampling.top_k):
        raise ValueError(
            f"{recipe.objective.name} weighs samples by the log-probs of the full distribution, so sampling.top_p must "
            f"be 1 and sampling.top_k 0, not {recipe.sampling.top_p} and {recipe.sampling.top_k}"
        )


def check_batch(recipe: TrainRecipe, parts: Parts, tasks: int) -> None:
    """Raises `ValueError` where an optimizer step needs more rows than a batch of these has."""
    rows = (recipe.batch_size or tasks) * parts.rows
    if 0 < rows < recipe.optimizer.minibatch:
        raise ValueError(
            f"optimizer.minibatch is {recipe.optimizer.minibatch}, and a step has at most {rows} rows; take fewer, or "
            "0 for all of them"
        )


def curriculum(recipe: TrainRecipe, tasks: int) -> Curriculum:
    """Which tasks are drawn. Raises `ValueError` for settings that would have no effect."""
    chosen = recipe.curriculum
    if chosen.groups and not recipe.objective.build().group_size:
        raise ValueError(
            f"{recipe.objective.name} samples nothing, so no task can be solved; leave curriculum.groups out"
        )
    return Curriculum(
        tasks, recipe.seed, order=chosen.order, groups=chosen.groups, band=chosen.band, revisit=chosen.revisit
    )
