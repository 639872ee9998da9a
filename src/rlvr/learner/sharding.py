"""Weights of which each process holds a share: whole for a moment, and shared out again."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rlvr.learner import ranks


def whole(value: Tensor) -> Tensor:
    """All of a tensor, whether or not it is shared out. Where it is, every process must call this."""
    shared: Any = value
    return shared.full_tensor() if hasattr(shared, "full_tensor") else value


def share(value: Tensor) -> Tensor:
    """What this process holds of a tensor, whether or not it is shared out."""
    shared: Any = value.detach()
    return shared.to_local() if hasattr(shared, "to_local") else shared


def like(value: Tensor, shared: Any) -> Tensor:
    """This process's share of `value`, which every process has whole, shared out as another tensor is."""
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value, shared.device_mesh, shared.placements, src_data_rank=None)


@contextmanager
def whole_weights(network: Any) -> Iterator[None]:
    """The network's `state_dict` gives all of its weights, in main memory: to the first process, while this is open.

    Every process must open it. What saves networks need not know that they are shared out.
    """
    weights: dict[int, Tensor] = {}
    names: dict[str, int] = {}
    for name, value in network.state_dict(keep_vars=True).items():
        names[name] = id(value)
        if id(value) not in weights:
            # Tied weights stay one tensor.
            part = whole(value.detach())
            weights[id(value)] = part.cpu() if ranks.first() else part.new_empty(0)

    def put(module: Any, state: dict[str, Tensor], prefix: str, metadata: Any) -> None:
        state.update({name: weights[number] for name, number in names.items()})

    hook = network.register_state_dict_post_hook(put)
    try:
        yield
    finally:
        hook.remove()


def save(network: Any, optimizers: Sequence[torch.optim.Optimizer], folder: Path) -> None:
    """Each process writes its shares of what learns and of its optimizers' state."""
    from torch.distributed.checkpoint import state_dict_saver

    with _plain_errors():
        state_dict_saver.save(_state(network, optimizers), checkpoint_id=folder)


def restore(network: Any, optimizers: Sequence[torch.optim.Optimizer], folder: Path) -> None:
    """Read back what `save` wrote, whatever the number of processes is now."""
    from torch.distributed.checkpoint import state_dict_loader
    from torch.distributed.checkpoint.state_dict import set_optimizer_state_dict

    state = _state(network, optimizers)
    with _plain_errors():
        # Into the weights themselves, which `state` refers to.
        state_dict_loader.load(state, checkpoint_id=folder, no_dist=ranks.world() == 1)
    set_optimizer_state_dict(network, tuple(optimizers), state["optimizers"])


@contextmanager
def _plain_errors() -> Iterator[None]:
    """A `RuntimeError` for torch's collection of what went wrong in each process, which is no `Exception`."""
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        yield
    except CheckpointException as error:
        number, (what, _) = next(iter(error.failures.items()))
        raise RuntimeError(f"process {number}: {what}") from error


def _state(network: Any, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

    weights = {name: p for name, p in network.named_parameters() if p.requires_grad}
    return {"weights": weights, "optimizers": get_optimizer_state_dict(network, tuple(optimizers))}


class ShardedMuon(torch.optim.Muon):
    """Muon for matrices of which each process holds some rows.

    Orthogonalising rounds to bfloat16 and looks at the whole matrix, so each matrix is made whole in every process for
    its own step: the same bits as in one process, one matrix more of memory, and the same arithmetic in each of them.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        assert closure is None
        for group in self.param_groups:
            for shared in [p for p in group["params"] if p.grad is not None]:
                self._move(shared, {key: value for key, value in group.items() if key != "params"})

    def _move(self, shared: Tensor, settings: Mapping[str, Any]) -> None:
        assert shared.grad is not None
        matrix = whole(shared)
        matrix.grad = whole(shared.grad)
        alone = torch.optim.Muon([matrix], **settings)
        if before := self.state[shared]:
            alone.state[matrix]["momentum_buffer"] = whole(before["momentum_buffer"])
        alone.step()
        shared.copy_(like(matrix, shared))
        self.state[shared]["momentum_buffer"] = like(alone.state[matrix]["momentum_buffer"], shared)
