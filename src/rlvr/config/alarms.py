"""Thresholds of metrics that say that a run goes wrong, and what they mean."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from rlvr.config.plugins import STRICT


class Alarm(BaseModel):
    """A metric's threshold: beyond it for so many steps in a row, a sentence is logged, or the run is stopped."""

    model_config = STRICT

    above: float | None = None
    below: float | None = None
    steps: Annotated[int, Field(ge=1)] = 1
    stop: bool = False
    """End the run, with a checkpoint, rather than only say so."""
    meaning: str = ""
    """What it tells, and what one does about it."""


ALARMS = {
    "zero_contrast_share": Alarm(
        above=0.999, steps=20, stop=True, meaning="No group has two different rewards: the tasks are all too easy, all "
        "too hard, or never judged. Take other tasks, more samples, or a denser reward.",
    ),
    "truncated_share": Alarm(above=0.5, steps=5, meaning="Most completions reach max_tokens: allow more."),
    "hack_share": Alarm(above=0.02, steps=3, meaning="Programs attack their judge: read traces/rollouts.jsonl."),
    "entropy": Alarm(below=0.02, steps=10, meaning="Samples are all alike: less exploration remains than is useful."),
    "kl": Alarm(above=0.2, steps=3, meaning="The learner is far from the sampler: lower lr, epochs or staleness."),
    "logprob_gap": Alarm(above=0.2, steps=3, meaning="Sampler and learner disagree about the same tokens."),
    "reference_kl": Alarm(above=10.0, steps=5, meaning="The model is far from where it started: raise beta."),
    "clip_share": Alarm(above=0.3, steps=5, meaning="Much of the batch has no gradient: fewer epochs, or less lr."),
    "grad_norm": Alarm(above=1000.0, steps=3, meaning="Gradients explode: lower lr or clip_norm."),
    "blank_line_share": Alarm(above=0.9, steps=20, meaning="Completions fill up with what no test sees."),
    "greedy_gain": Alarm(below=-0.1, meaning="Greedy answers are worse than samples: the model has come apart."),
}  # fmt: skip
"""By metric. A recipe changes some of them, and null switches one off."""


def changed(given: dict[str, Any]) -> dict[str, Any]:
    """All alarms with what a recipe changes of them."""
    merged: dict[str, Any] = {name: alarm.model_dump() for name, alarm in ALARMS.items()}
    for name, change in given.items():
        merged[name] = {**merged.get(name, {}), **change} if isinstance(change, dict) else change
    return {name: alarm for name, alarm in merged.items() if alarm is not None}
