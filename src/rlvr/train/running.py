"""From a recipe to a run that has ended: opens what it needs, starts its model, and leaves nothing open behind it."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from errno import EDQUOT, ENOSPC
from pathlib import Path

from rlvr import models
from rlvr.config import TrainRecipe, resolved
from rlvr.learner import ranks
from rlvr.prepare.mark import why_stale
from rlvr.progress import Display
from rlvr.records import Json
from rlvr.run import Run, RunStoppedError, alone
from rlvr.sandboxes import Sandbox
from rlvr.storage import exists, is_remote
from rlvr.tasks import texts_of
from rlvr.train import devices
from rlvr.train.dry_run import forecast
from rlvr.train.loop import Training
from rlvr.train.memory import shape
from rlvr.train.resolving import Parts, resolve


def train(
    recipe: TrainRecipe,
    out: Path,
    display: Display,
    *,
    resume: bool = False,
    sandbox: Sandbox | None = None,
    warmup: Path | None = None,
    rereward: Path | None = None,
) -> dict[str, Json]:
    """Run a recipe into the folder `out`; returns totals: `judged`, `judge_errors`, `seconds` by phase.

    resume: go on where a run in `out` stopped, if there is one. sandbox: an opened one to share with other runs; None
    opens the recipe's own. warmup: the folder of the run of `model.recipe`, None for one inside `out`; it is trained
    first where it is not finished. rereward: another run, whose stored samples are learned from under this recipe's
    reward, in place of new ones. Raises `KeyboardInterrupt` after an interrupt, with the step finished and a
    checkpoint written. A run that fails before its first step leaves no folder. Where torchrun has started several
    processes, each of them calls this, and the first alone writes.
    """
    _check_ranks(recipe, stored=rereward is not None)
    parts = resolve(recipe)
    held = _held_memory(recipe, parts)
    ranks.join()
    config, out = resolved(recipe), ranks.agreed(out)
    with _full_disk_stops(out), ExitStack() as opening:
        run = _opened(out, config, recipe.seed, resume, opening)
        claim = opening.pop_all()
    with claim:
        display = ranks.only_first(display)
        for sentence in filter(None, (held, _unmarked(recipe))):
            display.say(sentence)
            run.log(sentence)
        models.quiet()
        status, training = "failed", None
        try:
            with _full_disk_stops(out), ExitStack() as stack:
                if sandbox is None and ((parts.samples and rereward is None) or parts.evaluation):
                    sandbox = stack.enter_context(recipe.sandbox.build().open())
                model = _start(recipe, parts, run, warmup or out / "warmup", display, resume, sandbox)
                # After the warm-up, which may have set its own.
                models.use_threads(recipe.threads)
                engine = stack.enter_context(recipe.engine.build().open(model))
                training = Training(recipe, parts, run, model, engine, sandbox, rereward)
                totals = training.go(display)
            status = "finished"
            return totals
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        except Exception as error:
            with suppress(OSError):
                run.log(f"failed: {type(error).__name__}: {error}")
            raise
        finally:
            # A disk that is full takes no last words; why the run ended has been raised already.
            with _full_disk_stops(out) if status == "finished" else suppress(OSError):
                run.finish(status, **({} if training is None else {"totals": training.totals}))
                if training is not None:
                    training.report()
            if training is None and status == "failed":
                run.discard_if_empty()


@contextmanager
def _full_disk_stops(out: Path) -> Iterator[None]:
    """Raises `RunStoppedError` where a file of the run cannot be written for want of room."""
    try:
        yield
    except OSError as error:
        if error.errno not in (ENOSPC, EDQUOT):
            raise
        raise RunStoppedError(
            f"the disk of {out} is full ({error.filename or error.strerror}). Its checkpoints are whole; make room "
            "there and continue with --resume"
        ) from error


def _check_ranks(recipe: TrainRecipe, *, stored: bool = False) -> None:
    """Raises `ValueError` for what several processes cannot do together."""
    if ranks.world() == 1:
        return
    if recipe.model.recipe is not None:
        _check_ranks(recipe.model.recipe)
    if recipe.objective.build().group_size and not stored:
        raise ValueError(
            f"{recipe.objective.name} samples, and the local engine cannot sample from weights that {ranks.world()} "
            "processes share. Train it in one process (without torchrun), or learn in several from what is there: "
            "SFT, DPO on given pairs, stored samples (--rereward)"
        )
    if recipe.model.lora is not None and recipe.model.lora.four_bit:
        raise ValueError(
            f"weights of 4 bits cannot be shared by {ranks.world()} processes; leave lora.four_bit out, or train in one"
        )
    if recipe.evaluation.tasks:
        raise ValueError(
            f"evaluation.tasks are sampled, which {ranks.world()} processes that share their weights cannot do; leave "
            "evaluation out, and evaluate the run afterwards (rlvr evaluate)"
        )


def _opened(out: Path, config: str, seed: int, resume: bool, opening: ExitStack) -> Run:
    if not ranks.first():
        ranks.barrier()
        return ranks.only_first(Run(out.resolve(), {}), "path", "checkpoints", "lengths")
    again = resume and (out / "run.json").exists()
    if again:
        opening.enter_context(alone(out))
        run = Run.reopen(out, config)
    else:
        run = Run.create(out, config, seed, devices.gpus())
        opening.enter_context(alone(out))
    ranks.barrier()
    return run


def _start(
    recipe: TrainRecipe, parts: Parts, run: Run, warmup: Path, display: Display, resume: bool, sandbox: Sandbox | None
) -> models.Model:
    """The model that a run starts from."""
    section, path = recipe.model, recipe.model.path
    if section.recipe is not None:
        if not _is_finished(warmup):
            shared = sandbox if section.recipe.sandbox == recipe.sandbox else None
            train(section.recipe, warmup, display, resume=resume, sandbox=shared)
        path = str(warmup)
    texts = texts_of(parts.tasks[: section.tokenizer.documents if section.tokenizer else 0])

    def tell(sentence: str) -> None:
        display.say(sentence)
        run.log(sentence)

    if path is not None:
        path = _taken(run, path, tell)
    elif section.init_checkpoint is not None:
        section = section.model_copy(update={"init_checkpoint": _taken(run, section.init_checkpoint, tell)})
    model = models.start(section, path, texts, recipe.seed, run.path / "base", tell)
    return replace(model, precision=recipe.compute.precision)


def _taken(run: Run, given: str, tell: Callable[[str], None]) -> str:
    """Where to begin: of a run that is given as the model, at the checkpoint that was taken when this run was new.

    The other may have found a better one since, and a resumed run must compare with the same reference. Raises
    `FileNotFoundError` where that checkpoint is gone.
    """
    began = ranks.agreed(run.facts.get("began_from"))
    if began is None:
        place = models.find(given)
        began = ranks.agreed(place.taken)
        if not began:
            return given
        tell(place.checkpoint)
        run.note(began_from=began)
    elif not exists(f"{given.rstrip('/')}/{began}"):
        today = models.find(given).taken or "no run"
        raise FileNotFoundError(
            f"{run.path} began from {began} of {given}, which is gone; {given} is {today} today, another start: put "
            f"{began} back to resume, or begin a new run"
        )
    return f"{given.rstrip('/')}/{began}"


def _unmarked(recipe: TrainRecipe) -> str:
    """Why a file of tasks cannot be known to be free of the benchmarks; empty where it is, or there is no file."""
    source: str = getattr(recipe.tasks.options, "source", None) or ""
    return why_stale(source) if recipe.tasks.name == "jsonl" and not is_remote(source) else ""


def _held_memory(recipe: TrainRecipe, parts: Parts) -> str:
    """What other programs hold of the GPU that this run would use. Raises `ValueError` where too little is left."""
    if (card := devices.card()) is None:
        return ""
    found = shape(recipe.model)
    guess = None if found is None else forecast(recipe, parts, found)
    return devices.occupied(card, guess.least if guess else 0)


def _is_finished(run: Path) -> bool:
    """Whether there is a run that came to its end, be it early."""
    file = run / "run.json"
    return file.exists() and json.loads(file.read_text(encoding="utf-8"))["status"] == "finished"
