"""What a run would do, told before it starts: the recipe, its arithmetic, memory, files, and what this machine lacks.

A recipe that cannot work anywhere is an error, as when it is run. What is only missing here (a model that the hub would
give, data, packages, a GPU, compilers) is listed, and no error: a recipe for a cluster can be looked at on a laptop
without a network.
"""

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from math import ceil

from rlvr import models
from rlvr.config import TrainRecipe, resolved
from rlvr.learner import ranks
from rlvr.records import Task
from rlvr.run import default_path
from rlvr.train import devices, places
from rlvr.train.memory import GIB, Estimate, Shape, estimate, human, shape
from rlvr.train.resolving import Parts, resolve

_LARGE = 100_000_000
"""Parameters from which on a CPU is no place to train."""
_CHARACTERS = 3
"""In a token, at least, of prose and code: what counts prompts before there is a tokenizer."""


def describe(recipe: TrainRecipe) -> str:
    """The resolved recipe and, as comments below it, what would happen.

    Raises `ValueError` or `LookupError` for a recipe that could not work anywhere; what this machine lacks is said in
    lines that begin with `# missing`.
    """
    lacking = [
        f"the package {name} for {what}: pip install {name}"
        for name, what in _packages(recipe).items()
        if find_spec(name) is None
    ]
    parts = resolve(recipe, lacking)
    models.quiet()
    start = recipe.model
    while start.recipe is not None:
        start = start.recipe.model
    lacking += places.absent(start)
    _check_words(recipe, parts)
    found = shape(recipe.model)
    lines = [resolved(recipe).rstrip(), ""]
    lines += _named("run", _arithmetic(recipe, parts))
    if (given := start.path or start.init_checkpoint) and (taken := places.checkpoint(given)):
        lines += _named("model", [taken])
    guess = None if found is None else forecast(recipe, parts, found)
    if found is None or guess is None:
        lines += _named("memory", [f"unknown: neither a configuration nor the name of {start.path} tells the size"])
    else:
        lines += _named("memory", _memory(found, guess))
        lines += _named("devices", _devices(found, guess, lacking))
    lines += _named("writes", _files(recipe, guess))
    lines += _named("missing", list(dict.fromkeys(lacking)) or ["nothing"])
    return "\n".join(lines)


def _check_words(recipe: TrainRecipe, parts: Parts) -> None:
    """Raises `ValueError` where a tokenizer that is here has no chat template for messages, or no end for answers."""
    path = recipe.model.path or (recipe.model.tokenizer and recipe.model.tokenizer.path)
    tokenizer = places.local_tokenizer(path) if path else None
    if tokenizer is None:
        return
    if recipe.model.chat_template is not None:
        tokenizer.chat_template = recipe.model.chat_template
    # Prompts need no network.
    speaker = models.Model(None, tokenizer)
    for task in [*parts.tasks, *parts.evaluation, *parts.held_out]:
        speaker.encode_prompt(task.prompt)
    if not parts.samples:
        speaker.encode_completion("")


def _packages(recipe: TrainRecipe) -> dict[str, str]:
    """What the model needs beyond the extra train, and what for."""
    lora = recipe.model.lora
    wanted = {
        "peft": ("model.lora", lora is not None),
        "bitsandbytes": ("model.lora", lora is not None and lora.four_bit),
        "flash_attn": ("model.attention", recipe.model.attention == "flash_attention_2"),
    }
    return {name: what for name, (what, needed) in wanted.items() if needed}


def _named(name: str, told: Iterator[str] | list[str]) -> list[str]:
    return [f"# {name if n == 0 or name == 'missing' else '':<9}{line}" for n, line in enumerate(told)]


def _arithmetic(recipe: TrainRecipe, parts: Parts) -> Iterator[str]:
    if (first := recipe.model.recipe) is not None:
        yield f"first {first.name}: {first.steps} steps of {first.batch_size} tasks"
    size, tasks, optimizer = parts.rows or 1, len(parts.tasks), recipe.optimizer
    what = "samples" if parts.samples else "demonstrations" if size == 1 else "answers"
    if not tasks:
        yield f"the tasks are not here, so they cannot be counted; {recipe.steps} steps"
        batch = recipe.batch_size
    else:
        batch = parts.batch_size
        yield f"{tasks} tasks, {recipe.steps} steps: each task is drawn {recipe.steps * batch / tasks:.2f} times"
        yield f"an epoch is {tasks / batch:.1f} steps and {tasks * size:,} {what}"
        if batch > tasks:
            yield f"a step has more prompts ({batch}) than there are tasks ({tasks}), so some stand in it twice"
        if not parts.rows:
            yield "a conversation counts as one sequence here, and makes more where its answers are learned one by one"
    if batch:
        prompt, answer = _lengths(recipe, parts)
        sequences = batch * size
        minibatch = min(optimizer.minibatch or sequences, sequences)
        updates = optimizer.epochs * ceil(sequences / minibatch)
        yield (
            f"a step is {batch} prompts, {sequences:,} sequences, at most {sequences * (prompt + answer):,} tokens "
            f"({prompt} of a prompt, {answer} of an answer), and at most {updates} optimizer steps of {minibatch}"
        )
        yield (
            f"all together {recipe.steps * batch:,} prompts, {recipe.steps * sequences:,} sequences, at most "
            f"{recipe.steps * updates:,} optimizer steps"
        )
    if (settings := recipe.evaluation).every:
        times = recipe.steps // settings.every + 1 + (recipe.steps % settings.every > 0)
        answers = settings.samples + settings.greedy
        yield f"evaluation of {len(parts.evaluation)} tasks, {times} times, {answers} answers each"


def _lengths(recipe: TrainRecipe, parts: Parts) -> tuple[int, int]:
    """Tokens of the longest prompt, guessed from its letters, and of the longest answer."""
    prompt = max((_tokens(_text(task)) for task in parts.tasks), default=1000)
    if recipe.max_prompt_tokens:
        prompt = min(prompt, recipe.max_prompt_tokens)
    shown = [str(t.meta.get("demonstration", t.meta.get("solution", ""))) for t in parts.tasks]
    if not parts.samples:
        return prompt, max(map(_tokens, shown), default=1000)
    return prompt, recipe.sampling.max_tokens or max((task.max_tokens for task in parts.tasks), default=1024)


def _longest(tasks: Sequence[Task]) -> int:
    """Tokens of the longest prompt, guessed from its letters, with the longest answer that these tasks allow."""
    return max((_tokens(_text(task)) + task.max_tokens for task in tasks), default=0)


def _text(task: Task) -> str:
    return task.prompt if isinstance(task.prompt, str) else "".join(message.content for message in task.prompt)


def _tokens(text: str) -> int:
    return len(text) // _CHARACTERS + 1


def forecast(recipe: TrainRecipe, parts: Parts, found: Shape) -> Estimate:
    """The memory of each device, by the lengths of the tasks and the recipe's batches."""
    most = getattr(recipe.engine.options, "sequences", 0)
    tasks, size = parts.batch_size or recipe.batch_size, parts.objective.group_size
    drawn, evaluated = tasks * size, len(parts.evaluation) * recipe.evaluation.samples
    at_once = max(drawn, evaluated)
    prompt, answer = _lengths(recipe, parts)
    rows = tasks * (parts.rows or 1)
    return estimate(
        recipe,
        found,
        gpu=bool(devices.gpus()) or found.parameters >= _LARGE,
        reference="reference" in parts.objective.needs,
        rows=min(recipe.optimizer.minibatch or rows, rows),
        tokens=prompt + answer,
        sequences=min(most, at_once) if most else at_once,
        sampled=max(prompt + answer if size else 0, _longest(parts.evaluation)),
        devices=ranks.world(),
    )


def _memory(found: Shape, guess: Estimate) -> Iterator[str]:
    shared = f", shared by {ranks.world()} devices" if ranks.world() > 1 else ""
    peaks = f"learning {human(guess.learning)}"
    if guess.parts["KV cache"]:
        peaks += f", sampling {human(guess.sampling)}"
    yield f"about {human(guess.peak)} on each device{shared}: {peaks}"
    learned = f" and {_count(guess.trained)} of an adapter" if guess.parts["adapter"] else ""
    yield ", ".join(f"{name} {human(size)}" for name, size in guess.parts.items() if size)
    yield (
        f"{_count(found.parameters)} parameters{learned}, {found.layers} layers, width {found.width}, from "
        f"{found.source}; formulas in rlvr/train/memory.py"
    )


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.3g} B" if parameters >= 1e9 else f"{parameters / 1e6:.3g} M"


def _devices(found: Shape, guess: Estimate, lacking: list[str]) -> Iterator[str]:
    cards = devices.gpus()
    if not cards:
        yield "CPU, whose memory holds the program itself, too: about 0.4 GiB"
        if found.parameters >= _LARGE:
            lacking.append(f"a GPU: {_count(found.parameters)} parameters learn very slowly on a CPU")
        return
    for card in cards:
        yield f"{card['name']}, {card['gib']} GiB"
    least = min(card["gib"] for card in cards)
    if guess.peak > least * GIB:
        lacking.append(f"memory: about {human(guess.peak)} are needed on one device, and it has {least} GiB")


def _files(recipe: TrainRecipe, guess: Estimate | None) -> Iterator[str]:
    yield (
        f"{default_path(recipe.name)} (or --out): config.yaml, run.json, patches/ (in a git working copy), RESULTS.md, "
        "log.txt, tasks.jsonl, metrics.jsonl, traces/"
    )
    if (first := recipe.model.recipe) is not None:
        yield f"warmup/, the run of {first.name}"
    if recipe.model.lora is not None and recipe.model.path is None:
        yield "base/, the weights under the adapter, which are found nowhere else"
    settings = recipe.checkpoint
    every = [n for n in (settings.every, settings.keep_every) if n]
    steps = {step for n in every for step in range(n, recipe.steps + 1, n)} | {recipe.steps}
    forever = {step for step in steps if settings.keep_every and step % settings.keep_every == 0}
    latest = set(sorted(steps)[-settings.keep :])
    count = len(forever | latest) + (settings.best is not None)
    size = ""
    if guess is not None:
        model = guess.parts["adapter"] or guess.parts["weights"]
        size = f", each of about {human((model + guess.parts['optimizer']) * ranks.world())}"
    yield f"checkpoints/{settings.name}_N, {len(steps)} in all, of which at most {count} stay{size}"
    for name in recipe.trackers:
        yield f"{name}/" if name == "tensorboard" or os.environ.get("WANDB_MODE") == "offline" else f"{name}, online"
