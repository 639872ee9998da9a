"""THE loop: a source gives judged groups, an objective makes rows of them, the learner learns, weights are published.

SFT, RAFT and GRPO share it; which of them runs is a name in the recipe.
"""

import copy
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from rlvr import models, trackers
from rlvr.batches import Account, Group, Stored
from rlvr.config import TrainRecipe
from rlvr.engines import Sampling
from rlvr.evaluation.estimate import summarise
from rlvr.evaluation.generate import Plan, sample
from rlvr.evaluation.score import scored
from rlvr.health import statistics
from rlvr.learner import checkpoints, ranks
from rlvr.learner.step import Learner
from rlvr.objectives.sft import SFT
from rlvr.progress import Display
from rlvr.records import Json
from rlvr.rollout import check_prompts, demonstrated, fitting
from rlvr.run import Run, RunStoppedError
from rlvr.sandboxes import Sandbox
from rlvr.storage import write_lines, write_text
from rlvr.train import results
from rlvr.train.columns import columns_of
from rlvr.train.fates import fates
from rlvr.train.interrupts import interruptible
from rlvr.train.ledger import Ledger
from rlvr.train.resolving import Parts, check_batch
from rlvr.train.sources import source

PENDING = "checkpoints/pending.jsonl"


class Training:
    """One run under way."""

    def __init__(
        self,
        recipe: TrainRecipe,
        parts: Parts,
        run: Run,
        model: models.Model,
        engine: Any,
        sandbox: Sandbox | None,
        rereward: Path | None,
    ) -> None:
        self._recipe, self._parts, self._run = recipe, parts, run
        self._model, self._engine, self._sandbox = model, engine, sandbox
        kept, long = fitting(parts.tasks, model, recipe.max_prompt_tokens) if parts.samples else (parts.tasks, [])
        if long:
            run.log(f"{len(long)} of {len(parts.tasks)} tasks left out: prompts too long, for instance {long[0].id}")
        if not kept:
            raise ValueError(f"every prompt is too long for the model or max_prompt_tokens, as that of {long[0].id}")
        self._parts = parts = replace(parts, tasks=kept, batch_size=recipe.batch_size or len(kept))
        check_batch(recipe, parts, len(kept))
        if parts.samples and not model.end_tokens:
            raise ValueError(
                "the tokenizer has no end-of-sequence token, so no sample could end by itself; set eos_token in its "
                "tokenizer_config.json"
            )
        check_prompts(parts.evaluation, model)
        # Imitation is of text: at temperature 1, with dropout. Where log-probs are compared they must be the sampler's.
        objective = parts.objective
        self._learner = Learner(
            model,
            recipe.optimizer,
            recipe.steps,
            recipe.sampling.temperature if objective.exact_sampling else 1.0,
            compute=recipe.compute,
            dropout=not objective.exact_sampling and "reference" not in objective.needs,
            needs=objective.needs,
        )
        self._ledger = ledger = Ledger(recipe, parts)
        pending = run.path / PENDING
        self._source = source(
            recipe, parts, model, engine, sandbox, ledger.scheduler, ledger.curriculum, pending, rereward
        )
        if ranks.anywhere(bool(bad := self._learner.spoiled())):
            raise ValueError(f"the model has weights that are no finite numbers: {bad}; nothing can be learned from it")
        self._stopped = ""
        self._held_out = SFT().examples([demonstrated(task, model) for task in parts.held_out])

    def go(self, display: Display) -> dict[str, Json]:
        """Train to the end; returns totals. Raises like `train`."""
        recipe, run, best = self._recipe, self._run, self._ledger.best
        self._display = display
        step = self._resume()
        with ExitStack() as stack:
            track = stack.enter_context(trackers.opened(recipe.trackers if ranks.first() else [], run, recipe.name))
            if step == 0:
                self._begin(track)
            stage = display.stage(recipe.name, recipe.steps, done=step)
            columns: dict[str, Any] = {}
            interrupted = stack.enter_context(interruptible(display.say))
            while step < recipe.steps and not best.exhausted:
                row, account = self._step_or_keep(step)
                step += 1
                due = self._is_due(step, row)
                self._write(row, account, track)
                columns = columns_of(row, account, columns)
                stage.advance(shown=columns)
                # Read once: a signal that comes while the step is saved waits for the next one.
                asked_to_stop = ranks.anywhere(bool(interrupted))
                if due or step == recipe.steps or best.exhausted or asked_to_stop or self._stopped:
                    self._save(step)
                if "evaluation" in row:
                    self.report()
                if self._stopped:
                    raise RunStoppedError(f"step {step}: {self._stopped}")
                if asked_to_stop:
                    raise KeyboardInterrupt(
                        f"stopped after step {step} of {recipe.steps}; continue with --resume --out {run.path}"
                    )
        if step < recipe.steps:
            run.note(stopped=best.exhausted)
            run.log(f"ended at step {step} of {recipe.steps}: {best.exhausted}")
        (run.path / PENDING).unlink(missing_ok=True)
        return self._ledger.totals

    @property
    def totals(self) -> dict[str, Json]:
        """What was judged, and the seconds of each phase, over all interruptions."""
        totals = self._ledger.totals
        return {**totals, "seconds": {name: round(seconds, 3) for name, seconds in totals["seconds"].items()}}

    def report(self) -> None:
        """Write RESULTS.md as things stand."""
        if not ranks.first():
            return
        run = self._run
        text = results.page(self._recipe, self._parts, run.facts, run.measured(), self._ledger.best)
        write_text(run.path / "RESULTS.md", text)

    def _begin(self, track: Callable[[Mapping[str, Json]], None]) -> None:
        if ranks.first():
            write_lines(self._run.path / "tasks.jsonl", [task.to_json() for task in self._parts.tasks])
        if self._recipe.evaluation.every:
            account = Account()
            self._write({"step": 0, **self._evaluated(account)}, account, track)
            self.report()

    def _step_or_keep(self, step: int) -> tuple[dict[str, Any], Account]:
        """A step; where it stops the run before there was any checkpoint, what was learned until then is saved."""
        kept = self._run.checkpoints()
        before = None if kept or step == 0 else copy.deepcopy(self._state(step))
        try:
            return self._step(step)
        except (FloatingPointError, RunStoppedError) as error:
            if before is not None and not ranks.anywhere(bool(self._learner.spoiled())):
                self._save(step, before)
            raise type(error)(f"{error}; {self._last_good()}") from error

    def _step(self, step: int) -> tuple[dict[str, Any], Account]:
        """One batch: its metrics, and what it took."""
        recipe, parts, scheduler = self._recipe, self._parts, self._ledger.scheduler
        groups, account = self._source.batch(step)
        self._ledger.count(step + 1, account)
        examples = parts.objective.examples(groups)
        started = time.perf_counter()
        try:
            metrics = self._learner.update(examples, parts.objective.loss, step, recipe.seed)
        except FloatingPointError as error:
            raise FloatingPointError(f"step {step + 1}: {error}") from error
        started = account.spend("learn", scheduler.version, started)
        self._engine.load(scheduler.advance(), self._model.network)
        account.spend("publish", scheduler.version, started)
        self._ledger.spend({name: account.seconds[name] for name in ("learn", "publish")})
        tokens = sum(len(r.completion.prompt_tokens) + len(r.completion.tokens) for group in groups for r in group)
        row: dict[str, Any] = {"step": step + 1, **metrics, "examples": len(examples), "tokens": tokens}
        if parts.samples:
            row.update(statistics(groups))
            row.update(stale=scheduler.stale, retried=scheduler.retried, replaced=scheduler.discarded)
            self._run.rollouts(_rollout_rows(step + 1, groups))
            self._run.samples(fates(step + 1, groups, account.lost, examples, parts.objective))
        if recipe.evaluation.every and ((step + 1) % recipe.evaluation.every == 0 or step + 1 == recipe.steps):
            row.update(self._evaluated(account))
        self._look(row)
        return row, account

    def _is_due(self, step: int, row: Mapping[str, Any]) -> bool:
        """Whether a checkpoint should be saved after this step; looks whether it is the best one."""
        settings, evaluated = self._recipe.checkpoint, "evaluation" in row
        last = step == self._recipe.steps
        due = any(every and step % every == 0 for every in (settings.every, settings.keep_every))
        compared = evaluated if self._recipe.evaluation.every else due or last
        return (compared and self._ledger.best.look(row)) or due

    def _write(self, row: dict[str, Any], account: Account, track: Callable[[Mapping[str, Json]], None]) -> None:
        row = {**row, "seconds": {key: round(value, 4) for key, value in account.seconds.items()}}
        self._run.spans({"step": row["step"], **span} for span in account.spans)
        self._run.metrics(row)
        track(row)

    def _look(self, row: dict[str, Any]) -> None:
        """Let alarms ring that these metrics set off."""
        values, alarms = row.get("evaluation", {}), self._ledger.alarms
        if values.get("greedy") and "pass@1" in values:
            row["greedy_gain"] = values["greedy"]["value"] - values["pass@1"]["value"]
        rang = alarms.look(row)
        row["alarms"] = [name for name, _ in rang]
        for name, sentence in rang:
            self._run.log(f"alarm: {sentence}")
            self._display.say(f"alarm at step {row['step']}: {sentence}")
            if alarms.stops([name]):
                self._stopped = sentence

    def _evaluated(self, account: Account) -> dict[str, Json]:
        settings, tasks, totals = self._recipe.evaluation, self._parts.evaluation, self._ledger.totals
        found: dict[str, Json] = {}
        if self._held_out:
            found["loss"] = self._learner.loss_of(self._held_out)
        if not tasks:
            return {"evaluation": found}
        plan = Plan(settings.samples, (0,), Sampling(settings.temperature), settings.greedy)
        started = time.perf_counter()
        rows = list(sample(self._model, self._engine, tasks, plan))
        generated = time.perf_counter()
        assert self._sandbox is not None, "what is evaluated is judged"
        scores, _ = scored(tasks, rows, self._sandbox)
        self._ledger.spend({"generate": generated - started, "judge": time.perf_counter() - generated})
        account.spend("evaluate", self._ledger.scheduler.version, started)
        totals["judged"] += len(scores)
        totals["judge_errors"] += sum(row["passed"] is None for row in scores)
        return {"evaluation": {**summarise(tasks, scores, (settings.samples,)), **found}}

    def _state(self, step: int) -> Json:
        return self._ledger.state(step, self._tasks_digest, self._run.lengths())

    def _last_good(self) -> str:
        kept = self._run.checkpoints()
        return f"the last good checkpoint is {kept[-1]}" if kept else "there is no checkpoint before it"

    def _save(self, step: int, state: Json = None) -> None:
        """state: the ledger's; None: as it is now. Raises `FloatingPointError` where the weights are no numbers."""
        run, recipe, best = self._run, self._recipe, self._ledger.best
        folder = run.path / "checkpoints" / f"{recipe.checkpoint.name}_{step}"
        if not folder.exists():
            if ranks.anywhere(bool(bad := self._learner.spoiled())):
                raise FloatingPointError(
                    f"step {step} made weights that are no finite numbers: {bad}; they are not saved, and "
                    f"{self._last_good()}"
                )
            state = state or self._state(step)
            facts = results.card(recipe, run.facts, step, run.measured()) if ranks.first() else {}
            checkpoints.save(folder, self._learner, state, facts)
        self._forget_and_note()
        run.log(
            f"checkpoint {folder.name}"
            + (f", the best by {best.metric}: {best.value:.4g}" if best.step == step else "")
        )

    def _forget_and_note(self) -> None:
        """Remove the checkpoints that need not stay; name the best and the last where people look."""
        run, settings, best = self._run, self._recipe.checkpoint, self._ledger.best
        run.forget_checkpoints(
            settings.keep,
            lambda step: step == best.step or bool(settings.keep_every and step % settings.keep_every == 0),
        )
        facts: dict[str, Json] = {"checkpoint": f"checkpoints/{run.checkpoints()[-1].name}"}
        if best.step is not None:
            where = f"checkpoints/{settings.name}_{best.step}"
            facts["best"] = {"metric": best.metric, "value": best.value, "step": best.step, "checkpoint": where}
        run.note(**facts)

    @cached_property
    def _tasks_digest(self) -> str:
        parts = self._parts
        tasks = [task.to_json() for task in (*parts.tasks, *parts.evaluation, *parts.held_out)]
        return hashlib.sha256(json.dumps(tasks, sort_keys=True).encode()).hexdigest()

    def _resume(self) -> int:
        """Go back to the newest checkpoint, if there is one; returns the steps done."""
        found = self._run.checkpoints()
        if not found:
            self._run.rewind({})
            self._run.log("begins at step 0")
            return 0
        state = checkpoints.restore(found[-1], self._learner)
        self._ledger.restore(state, self._tasks_digest)
        self._engine.load(self._ledger.scheduler.version, self._model.network)
        self._run.rewind(state["lengths"])
        self._forget_and_note()
        if isinstance(self._source, Stored):
            self._source.skip(state["step"])
        self._run.log(f"resumed at step {state['step']}")
        return state["step"]


def _rollout_rows(step: int, groups: Sequence[Group]) -> Iterator[Json]:
    """Rollouts as they are stored: the task by its id, for its fields stand in tasks.jsonl."""
    for place, group in enumerate(groups):
        for index, rollout in enumerate(group):
            row = rollout.to_json()
            yield {"step": step, "task_id": row.pop("task")["id"], "group": place, "index": index, **row}
