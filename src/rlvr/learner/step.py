"""The learner: it knows rows, losses and weights, and no algorithm."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch

from rlvr.config.train_recipe import Compute, Optimizer
from rlvr.learner import optimizers, ranks, sharding
from rlvr.learner.batching import MicroBatch, cut, microbatch, minibatches, totals
from rlvr.learner.forward import Forward
from rlvr.learner.reference import frozen
from rlvr.models import Model
from rlvr.objectives import Batch, Need, Totals
from rlvr.records import Example

Loss = Callable[[Batch], tuple[torch.Tensor, dict[str, torch.Tensor]]]


class Learner:
    """Weights and optimizer state, moved by `update`."""

    def __init__(
        self,
        model: Model,
        settings: Optimizer,
        steps: int,
        temperature: float,
        *,
        compute: Compute | None = None,
        dropout: bool = True,
        needs: frozenset[Need] = frozenset(),
    ) -> None:
        """steps: of the whole run, for the schedule. temperature: the sampler's, so that log-probs mean the same.

        compute: how a pass is computed; None: the defaults. dropout: whether the architecture's own is used; with it,
        log-probs differ from the sampler's. needs: what the loss wants beside log-probs; a reference is the network as
        it is now. In a run of several processes the network is sharded over them from here on.
        """
        self.model = model
        self._settings = settings
        self._steps = steps
        self._needs = needs
        self._temperature = temperature
        self._compute = compute or Compute(precision=model.precision)
        assert self._compute.precision == model.precision, "what learns and what samples must round alike"
        self._passes: dict[Any, Forward] = {}
        self._forward = self._pass(model.network)
        self._reference = frozen(self._forward) if "reference" in needs else None
        self.optimizers = optimizers.build(
            model.network, settings.name, settings.lr, settings.betas, settings.weight_decay
        )
        model.network.train(dropout)

    def update(self, examples: Sequence[Example], loss: Loss, step: int, seed: int) -> dict[str, float]:
        """Learn one batch: `epochs` passes in minibatches, one optimizer step each. Returns metrics.

        With several processes, each calls it with the same examples, learns its share, and returns the same metrics.
        Raises `FloatingPointError` where the loss or the gradient is not finite; the weights are then still those of
        the last good optimizer step.
        """
        settings = self._settings
        lr = settings.lr * optimizers.scale(
            settings.schedule, step, self._steps, settings.warmup_steps, settings.min_lr_ratio, settings.decay
        )
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr
        # Dropout's draws are a function of the step, on any device: no generator's state needs to be kept.
        torch.manual_seed(random.Random(f"update {seed} {step} {ranks.rank()}").getrandbits(63))
        if not examples:
            return {"lr": lr, "optimizer_steps": 0}
        found: dict[str, float] = {}
        count = 0
        if "start" in self._needs:
            examples = self.measured(examples, "start", self.model.network)
        if self._reference is not None:
            with self._reference():
                examples = self.measured(examples, "reference", self.model.network)
        for minibatch in minibatches(examples, settings.minibatch, settings.epochs, f"{seed} {step}"):
            for key, value in self._optimizer_step(minibatch, loss).items():
                found[key] = found.get(key, 0.0) + value
            count += 1
        return {"lr": lr, "optimizer_steps": count, **{key: value / count for key, value in found.items()}}

    @torch.no_grad()
    def measured(
        self, examples: Sequence[Example], field: Literal["start", "reference"], network: Any
    ) -> list[Example]:
        """The rows with a network's log-probs of their learned tokens in `field`, where they do not have it yet."""
        todo = [n for n, example in enumerate(examples) if getattr(example, field) is None]
        # One by one even where rows are pairs: here nothing compares them.
        rows = [replace(examples[n], pair="") for n in todo]
        places = [[n for n, on in enumerate(row.mask) if on and n > 0] for row in rows]
        values = torch.zeros(len(rows), max((len(row.tokens) for row in rows), default=0))
        was_training = network.training
        network.eval()
        for chosen, micro, counts in self._microbatches(rows, forward := self._pass(network)):
            logprobs, _ = forward(micro.tokens, micro.learned, self._temperature, micro.positions)
            if counts:
                for n, part in zip(chosen, logprobs.float().cpu().split([len(places[n]) for n in chosen]), strict=True):
                    values[n, places[n]] = part
        network.train(was_training)
        found = list(examples)
        for n, row, line in zip(todo, rows, ranks.total(values).tolist(), strict=True):
            measured: Any = {field: tuple(line[: len(row.tokens)])}
            found[n] = replace(examples[n], **measured)
        return found

    @torch.no_grad()
    def loss_of(self, examples: Sequence[Example]) -> float:
        """Mean cross-entropy of the learned tokens in nats, at temperature 1, without dropout; nothing is learned."""
        network, found = self.model.network, torch.zeros(2, dtype=torch.float64)
        was_training = network.training
        network.eval()
        for _, micro, counts in self._microbatches(examples, self._forward):
            logprobs, _ = self._forward(micro.tokens, micro.learned, 1.0, micro.positions)
            if counts:
                found += torch.tensor([-logprobs.double().sum().item(), len(logprobs)])
        network.train(was_training)
        loss, tokens = ranks.total(found).tolist()
        return loss / tokens

    def _pass(self, network: Any) -> Forward:
        if network not in self._passes:
            self._passes[network] = Forward(network, self._compute)
        return self._passes[network]

    def _microbatches(
        self, examples: Sequence[Example], forward: Forward
    ) -> Iterator[tuple[list[int], MicroBatch, bool]]:
        """This process's share: the rows' places, the micro-batch of them, and whether it counts (see `cut`)."""
        budget = self._settings.tokens_per_microbatch
        for chosen, counts in cut(examples, budget, forward.packs, ranks.rank(), ranks.world()):
            rows = [examples[n] for n in chosen]
            yield chosen, microbatch(rows, self.model.device, packed=forward.packs), counts

    def _optimizer_step(self, examples: Sequence[Example], loss: Loss) -> dict[str, float]:
        settings, network = self._settings, self.model.network
        whole = totals(examples)
        metrics: dict[str, float] = {"loss": 0.0}
        for _, micro, counts in self._microbatches(examples, self._forward):
            value, extra = loss(self._batch(micro, whole))
            # Denominators are those of all processes already, so the mean over them that FSDP takes is undone.
            (value * ranks.world() * counts).backward()
            for key, part in {"loss": value, **extra}.items():
                metrics[key] = metrics.get(key, 0.0) + part.item() * counts
        if ranks.world() > 1:
            summed = ranks.total(torch.tensor(list(metrics.values()), dtype=torch.float64))
            metrics = dict(zip(metrics, summed.tolist(), strict=True))
        norm = sharding.whole(torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)).item()
        metrics["grad_norm"] = norm
        finite = all(value == value and abs(value) != float("inf") for value in (norm, metrics["loss"]))
        if finite:
            for optimizer in self.optimizers:
                optimizer.step()
        network.zero_grad(set_to_none=True)
        if not finite:
            raise FloatingPointError(
                f"loss {metrics['loss']} and gradient norm {norm}: not finite, nothing was updated"
            )
        return metrics

    def _batch(self, micro: MicroBatch, whole: Totals) -> Batch:
        logprobs, entropy = self._forward(
            micro.tokens,
            micro.learned,
            self._temperature,
            micro.positions,
            entropy_gradient="entropy" in self._needs,
        )
        return Batch(
            logprobs=logprobs,
            entropy=entropy,
            row=micro.row,
            credit=micro.credit,
            weight=micro.weight,
            sampled=micro.sampled,
            sampler=micro.sampler,
            totals=whole,
            start=micro.start,
            reference=micro.reference,
            pairs=micro.pairs,
        )

    def state(self) -> list[Any]:
        """Optimizer state; the weights are the model's own."""
        return [optimizer.state_dict() for optimizer in self.optimizers]

    def restore(self, state: list[Any]) -> None:
        for optimizer, saved in zip(self.optimizers, state, strict=True):
            optimizer.load_state_dict(saved)
