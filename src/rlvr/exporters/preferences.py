"""Pairs of a better and a worse answer, as trainers of preferences take them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from rlvr.exporters import Material, Row
from rlvr.exporters._answers import Answer, answer
from rlvr.exporters._files import Lines, any_chat, prompt_and_completion
from rlvr.objectives import best_and_worst, judged


@dataclass(frozen=True)
class Preferences(Lines):
    """`{"prompt", "chosen", "rejected", "task_id"}`: of a run the best and the worst sample of each group.

    Of tasks the answers that they bring, `meta.chosen` and `meta.rejected`. Texts, or lists of messages as soon as one
    prompt is a chat. A pair that comes again is left out.
    """

    TRAINS: ClassVar[bool] = True
    CHAT: ClassVar[bool] = False

    delta: float = 0.3
    """Least difference of two rewards that makes a preference."""

    def __post_init__(self) -> None:
        if self.delta <= 0:
            raise ValueError(f"delta should be above 0, not {self.delta}: equal rewards are no preference")

    def rows(self, material: Material, left_out: Counter[str]) -> list[Row]:
        pairs = list(self._sampled(material, left_out) if material.groups else _given(material, left_out))
        chat = any_chat([each for pair in pairs for each in pair])
        rows: dict[str, Row] = {}
        for better, worse in pairs:
            prompt, chosen = prompt_and_completion(better, chat=chat)
            _, rejected = prompt_and_completion(worse, chat=chat)
            row = {"prompt": prompt, "chosen": chosen, "rejected": rejected, "task_id": better.task.id}
            left_out["pairs that came again"] += repr(row) in rows
            rows[repr(row)] = row
        return list(rows.values())

    def _sampled(self, material: Material, left_out: Counter[str]) -> Iterator[tuple[Answer, Answer]]:
        assert material.groups is not None
        for group in material.groups():
            samples = judged(group)
            seed = f"{[rollout.completion.text for rollout in samples]}"
            found = best_and_worst([rollout.reward or 0.0 for rollout in samples], self.delta, seed)
            if found is None:
                left_out[f"groups whose rewards are less than {self.delta:g} apart"] += 1
            elif samples[found[0]].turns[:-1] != samples[found[1]].turns[:-1]:
                left_out["groups whose best and worst answered different turns"] += 1
            else:
                yield answer(samples[found[0]]), answer(samples[found[1]])


def _given(material: Material, left_out: Counter[str]) -> Iterator[tuple[Answer, Answer]]:
    for task in material.tasks:
        better, worse = task.meta.get("chosen"), task.meta.get("rejected")
        if isinstance(better, str) and isinstance(worse, str) and better != worse:
            yield Answer(task, better), Answer(task, worse)
        else:
            left_out["tasks without two different answers, meta.chosen and meta.rejected"] += 1
