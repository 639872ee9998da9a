"""Sampling in this process, on the learner's own weights: no server, no copy, exact log-probs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rlvr.engines import Request
from rlvr.records import Completion

if TYPE_CHECKING:
    from rlvr.models import Model


@dataclass(frozen=True)
class Local:
    """Decode with the given model itself."""

    sequences: int = 1024
    """How many completions are decoded at once at the most; memory for keys and values grows with it."""

    @contextmanager
    def open(self, model: "Model") -> "Iterator[_Session]":
        yield _Session(model, self.sequences)


class _Session:
    def __init__(self, model: "Model", sequences: int) -> None:
        self._model = model
        self._sequences = sequences
        self._version = 0
        self._waiting: dict[str, Request] = {}

    def submit(self, requests: Sequence[Request]) -> None:
        for request in requests:
            if not request.prompt:
                raise ValueError(f"request {request.id} has an empty prompt")
            room = self._model.positions - len(request.prompt)
            if room < 1:
                raise ValueError(
                    f"request {request.id} has a prompt of {len(request.prompt)} tokens, and the model has only "
                    f"{self._model.positions} positions"
                )
            self._waiting[request.id] = replace(request, max_tokens=min(request.max_tokens, room))

    def cancel(self, ids: Sequence[str]) -> None:
        for name in ids:
            self._waiting.pop(name, None)

    def load(self, version: int, weights: Any) -> None:
        """The learner's weights are these very tensors, so only the version changes."""
        assert weights is self._model.network, "the local engine samples from the learner's own network"
        self._version = version

    def completed(self) -> list[tuple[str, list[Completion]]]:
        from rlvr.engines._decode import decode

        chunk = self._next_chunk()
        results = decode(self._model, chunk, self._version) if chunk else []
        for request in chunk:
            del self._waiting[request.id]
        return [(request.id, completions) for request, completions in zip(chunk, results, strict=True)]

    def _next_chunk(self) -> list[Request]:
        """Waiting requests of one sampling, oldest first, up to the limit of sequences and at least one."""
        oldest = next(iter(self._waiting.values()), None)
        chunk: list[Request] = []
        sequences = 0
        for request in self._waiting.values():
            if oldest is None or request.sampling != oldest.sampling:
                continue
            sequences += len(request.seeds)
            if chunk and sequences > self._sequences:
                break
            chunk.append(request)
        return chunk
