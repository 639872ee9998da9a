"""The forward pass of training: its precision, what is recomputed, compiled and packed, and weights that are shared."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rlvr.config.train_recipe import Compute
from rlvr.learner import ranks
from rlvr.learner.logprobs import check, selected_logprobs
from rlvr.models import autocast, is_half

PACKING_KERNELS = ("flash_attention", "flex_attention")
"""Attention that skips what lies between packed sequences, where others compute it and mask it."""


class Forward(torch.nn.Module):
    """`selected_logprobs` of a network. With several processes, its weights are sharded over them by making this.

    One module from tokens to log-probs, because FSDP gathers weights when a module is called, and a network whose head
    is its embedding needs both at once.
    """

    def __init__(self, network: Any, compute: Compute) -> None:
        """Raises `ValueError` where the network cannot do what `compute` asks for."""
        super().__init__()
        self.network = network
        self._device, self._precision = next(network.parameters()).device.type, compute.precision
        with self._autocast():
            check(network)
            self.packs = _packs(network, compute.pack)
        change = compute.compile or compute.recompute
        layers = decoder_layers(network) if change or ranks.world() > 1 else []
        self._swaps = [(layer, _changed(layer, compute)) for layer in layers if change]
        if ranks.world() > 1:
            self._shard(layers)

    def forward(
        self, tokens: Tensor, learned: Tensor, temperature: float, positions: Tensor | None, **options: bool
    ) -> tuple[Tensor, Tensor]:
        """As `selected_logprobs`."""
        with self._autocast(), _swapped(self._swaps):
            return selected_logprobs(self.network, tokens, learned, temperature, positions, **options)

    def _autocast(self) -> torch.autocast:
        return autocast(self._device, self._precision)

    def _shard(self, layers: list[torch.nn.Module]) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

        mesh = init_device_mesh(self._device, (ranks.world(),))
        # Gathered in half precision too: autocast alone would keep its copies of all gathered weights.
        half = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
        policy = half if is_half(self._device, self._precision) else MixedPrecisionPolicy()
        for layer in layers:
            fully_shard(layer, mesh=mesh, mp_policy=policy)
        fully_shard(self, mesh=mesh, mp_policy=policy)


def decoder_layers(network: Any) -> list[torch.nn.Module]:
    """The blocks of a decoder, in order. Raises `ValueError` for an architecture without a list of them."""
    lists = [child for child in network.get_decoder().children() if isinstance(child, torch.nn.ModuleList)]
    if not lists:
        raise ValueError(
            f"{type(network).__name__} has no list of layers, so they can be neither recomputed nor compiled nor "
            "sharded; set compute.recompute and compute.compile to false and train on one process"
        )
    return list(max(lists, key=len))


def _changed(layer: torch.nn.Module, compute: Compute) -> Callable[..., Any]:
    changed: Callable[..., Any] = layer.forward
    if compute.compile:
        # A layer, not the decoder: compiled, transformers' masks cost more than the attention that they replace.
        changed = torch.compile(changed, dynamic=True)
    return partial(checkpoint, changed, use_reentrant=False) if compute.recompute else changed


@contextmanager
def _swapped(swaps: list[tuple[torch.nn.Module, Callable[..., Any]]]) -> Iterator[None]:
    """For this pass only: an engine that decodes with the same network must not meet any of it.

    Transformers' own switch for recomputing does nothing in evaluation mode, which is how networks without dropout are
    trained here.
    """
    for layer, changed in swaps:
        layer.forward = changed
    try:
        yield
    finally:
        for layer, _ in swaps:
            del layer.forward


def _packs(network: Any, wanted: bool | Literal["auto"]) -> bool:
    if wanted == "auto":
        kernel = str(network.config.get_text_config()._attn_implementation)
        cuda = next(network.parameters()).device.type == "cuda"
        return cuda and any(name in kernel for name in PACKING_KERNELS) and keeps_apart(network)
    if wanted and not keeps_apart(network):
        raise ValueError(
            f"{type(network).__name__} does not keep the sequences of one packed row apart, so its log-probs would be "
            "wrong; set compute.pack to false"
        )
    return wanted


@torch.no_grad()
def keeps_apart(network: Any) -> bool:
    """Whether sequences in one row, told apart by their positions alone, are to a network what they are in two rows."""
    head = network.get_output_embeddings().weight
    vocabulary = network.config.get_text_config().vocab_size
    tokens = torch.arange(2, 26, device=head.device).remainder(vocabulary).view(2, 12)
    learned = torch.ones_like(tokens, dtype=torch.bool)
    learned[:, 0] = False
    positions = torch.arange(12, device=head.device).repeat(2)[None]
    was_training = network.training
    network.eval()
    try:
        apart, _ = selected_logprobs(network, tokens, learned, 1.0)
        tokens, learned = tokens.view(1, -1), learned.view(1, -1)
        mixed, _ = selected_logprobs(network, tokens, learned, 1.0)
        packed, _ = selected_logprobs(network, tokens, learned, 1.0, positions)
    except TypeError:
        # It takes no position_ids.
        return False
    finally:
        network.train(was_training)
    exact = head.dtype == torch.float32 and not torch.is_autocast_enabled(head.device.type)
    # Measured by what it does to a sequence to see the one before it.
    return bool((packed - apart).abs().max() <= (0.02 if exact else 0.2) * (mixed - apart).abs().max())
