"""Engines answer prompts with completions. A file here is one engine: its `open` gives an `Engine`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rlvr.records import Completion


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. Temperature 0 is greedy."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    """0: no limit."""

    @property
    def exact(self) -> bool:
        """Whether tokens are drawn from the very distribution over which log-probs are stated."""
        return self.temperature > 0 and self.top_p == 1.0 and self.top_k == 0


@dataclass(frozen=True)
class Request:
    """Sample `len(seeds)` completions of one prompt. Equal batches under equal weights give equal completions.

    A draw that falls within rounding of the edge between two tokens may differ between batches of other shapes.
    """

    id: str
    prompt: tuple[int, ...]
    seeds: tuple[int, ...]
    """One for each completion: its draws depend on nothing else."""
    max_tokens: int
    """Fewer where the model has no more positions; the completion then finishes with `length`."""
    stop: tuple[str, ...] = ()
    """Texts that end a completion; the text is cut before them, the tokens are kept."""
    sampling: Sampling = Sampling()


class Engine(Protocol):
    """An opened engine. Log-probs are those of the full-vocabulary softmax at the sampling temperature."""

    def submit(self, requests: Sequence[Request]) -> None: ...

    def completed(self) -> list[tuple[str, list[Completion]]]:
        """Finished requests by id; waits until there is at least one while any is under way."""
        ...

    def cancel(self, ids: Sequence[str]) -> None: ...

    def load(self, version: int, weights: Any) -> None:
        """Use these weights from now on; completions carry `version`."""
        ...
