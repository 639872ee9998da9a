"""Batches of answers that the tasks bring: demonstrations, or a better and a worse answer."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rlvr.batches.batch import Account, Group
from rlvr.curriculum import Curriculum
from rlvr.records import Completion, Rollout, Task, Turn
from rlvr.rollout import demonstrated

if TYPE_CHECKING:
    from rlvr.models import Model


class _Given:
    """Batches of answers that the tasks bring: a group for each task."""

    def __init__(
        self,
        tasks: Sequence[Task],
        model: "Model",
        batch_size: int,
        seed: int,
        steps: int,
        curriculum: Curriculum | None = None,
    ) -> None:
        """tasks: those that `rollout.check_demonstrations` or `check_preferences` has let through. curriculum: their
        order; None: shuffled.

        Encodes what the `steps` batches of the run need, so that an answer that cannot be learned is an error before
        the first step. Raises `ValueError` that names its task.
        """
        self._tasks, self._batch_size = tasks, batch_size
        self._curriculum = curriculum or Curriculum(len(tasks), seed)
        drawn = {self._curriculum.index(number) for number in range(min(steps * batch_size, len(tasks)))}
        self._rows = {n: [_Row.of(answer) for answer in self._answers(tasks[n], model)] for n in sorted(drawn)}

    def _answers(self, task: Task, model: "Model") -> list[Rollout]:
        raise NotImplementedError

    def batch(self, step: int) -> tuple[list[Group], Account]:
        numbers = range(step * self._batch_size, (step + 1) * self._batch_size)
        places = [self._curriculum.index(number) for number in numbers]
        return [[row.rollout(self._tasks[place]) for row in self._rows[place]] for place in places], Account()


class Demonstrations(_Given):
    """Batches of the tasks' own demonstrations."""

    def _answers(self, task: Task, model: "Model") -> list[Rollout]:
        return demonstrated(task, model)


class Preferences(_Given):
    """Batches of a better and a worse answer that the tasks bring, of reward 1 and 0."""

    def _answers(self, task: Task, model: "Model") -> list[Rollout]:
        return [self._answer(task, model, "chosen", 1.0), self._answer(task, model, "rejected", 0.0)]

    def _answer(self, task: Task, model: "Model", name: str, reward: float) -> Rollout:
        shown = demonstrated(task, model, name)
        if len(shown) > 1:
            raise ValueError(
                f"task {task.id}: the chat template does not write {name} from front to back, so its answers cannot be "
                "compared as one; give one answer to each prompt, or a template with generation marks"
            )
        return replace(shown[0], reward=reward)


@dataclass(frozen=True, slots=True)
class _Row:
    """An answer in little memory: 5 bytes a token, where the numbers of a tuple may take 36."""

    text: str
    tokens: "array[int]"
    prompt: int
    mask: bytes | None
    reward: float | None

    @classmethod
    def of(cls, rollout: Rollout) -> "_Row":
        shown = rollout.completion
        tokens = array("i", shown.prompt_tokens + shown.tokens)
        mask = None if shown.mask is None else bytes(shown.mask)
        return cls(shown.text, tokens, len(shown.prompt_tokens), mask, rollout.reward)

    def rollout(self, task: Task) -> Rollout:
        tokens = tuple(self.tokens)
        mask = None if self.mask is None else tuple(map(bool, self.mask))
        shown = Completion(self.text, tokens[: self.prompt], tokens[self.prompt :], mask=mask)
        return Rollout(task, (Turn(shown),), self.reward)
