"""What a run knows besides weights and optimizer, as its checkpoints keep it."""

import difflib
from collections.abc import Mapping
from typing import Any

from rlvr.batches import Account, Group
from rlvr.config import TrainRecipe, resolved
from rlvr.health import Alarms
from rlvr.records import Json
from rlvr.run import RunStoppedError
from rlvr.scheduler import Scheduler
from rlvr.train.best import Best, metric
from rlvr.train.resolving import Parts, curriculum


class Ledger:
    """Tickets, which tasks are drawn, alarms, the best checkpoint, and totals."""

    def __init__(self, recipe: TrainRecipe, parts: Parts) -> None:
        self._recipe, self._resolved = recipe, resolved(recipe)
        self.scheduler: Scheduler[Group] = Scheduler(parts.batch_size, recipe.staleness)
        self.curriculum = curriculum(recipe, len(parts.tasks))
        self.alarms = Alarms(recipe.alarms)
        self.best = Best(metric(recipe), recipe.evaluation.patience)
        self.totals: dict[str, Any] = {"judged": 0, "judge_errors": 0, "seconds": {}}

    def count(self, step: int, account: Account) -> None:
        """Add up what sampling a batch took, and stop before anything is learned from one that was hardly judged."""
        self.totals["judged"] += account.judged
        self.totals["judge_errors"] += account.judge_errors
        self.spend(account.seconds)
        if account.judge_errors > self._recipe.max_unjudged * account.judged:
            raise RunStoppedError(
                f"step {step}: {account.judge_errors} of {account.judged} rollouts could not be judged, more than "
                f"max_unjudged={self._recipe.max_unjudged} allows; {account.why}"
            )

    def spend(self, phases: Mapping[str, float]) -> None:
        seconds = self.totals["seconds"]
        for phase, spent in phases.items():
            seconds[phase] = seconds.get(phase, 0.0) + spent

    def state(self, step: int, tasks: str, lengths: Mapping[str, int]) -> Json:
        """tasks: a digest. lengths: of the files that grow."""
        return {
            "step": step,
            "recipe": self._resolved,
            "tasks": tasks,
            "scheduler": self.scheduler.state(),
            "curriculum": self.curriculum.state(),
            "lengths": dict(lengths),
            "totals": self.totals,
            "alarms": self.alarms.state(),
            "best": self.best.state(),
        }

    def restore(self, state: Json, tasks: str) -> None:
        """Raises `ValueError` for the state of another recipe, whose difference is shown, or of other tasks."""
        if state["recipe"] != (mine := self._resolved):
            lines = difflib.unified_diff(
                state["recipe"].split("\n"), mine.split("\n"), "its recipe", "this recipe", n=0, lineterm=""
            )
            raise ValueError("\n".join(["the newest checkpoint was made by another recipe:", *lines]))
        if state["tasks"] != tasks:
            raise ValueError("the tasks have changed since this run began, so it cannot be resumed")
        self.scheduler.restore(state["scheduler"])
        self.curriculum.restore(state["curriculum"])
        self.totals = state["totals"]
        self.alarms.restore(state["alarms"])
        self.best.restore(state["best"])
