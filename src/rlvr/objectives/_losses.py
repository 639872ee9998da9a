"""Losses over one micro-batch, each already divided by the denominators of the whole optimizer step.

Because the denominators are global and known before the backward pass, one process, accumulated micro-batches and
several ranks give the same gradient: never a mean of means.
"""

from typing import TYPE_CHECKING

from rlvr.objectives import Batch

if TYPE_CHECKING:
    from torch import Tensor


def ce(batch: Batch) -> "tuple[Tensor, dict[str, Tensor]]":
    """Cross-entropy per token: -sum(weight * credit * log p) / tokens."""
    share = (batch.weight * batch.credit)[batch.row] / batch.tokens
    return -(share * batch.logprobs).sum(), {"entropy": _mean(batch, batch.entropy)}


def pg(batch: Batch, *, clip_low: float, clip_high: float) -> "tuple[Tensor, dict[str, Tensor]]":
    """Clipped policy gradient per token (PPO, arXiv:1707.06347; asymmetric clip of DAPO, arXiv:2503.14476).

    -sum(weight * min(rho A, clip(rho, 1 - clip_low, 1 + clip_high) A)) / tokens, with rho = p / p_sampler.
    The metric `kl` estimates KL(sampler || learner) by rho - 1 - log rho (Schulman's k3, samples being the sampler's).
    """
    assert batch.sampler is not None, "a policy gradient needs the sampler's log-probs"
    credit = batch.credit[batch.row]
    gap = batch.logprobs - batch.sampler
    ratio = gap.exp()
    plain, clipped = ratio * credit, ratio.clamp(1 - clip_low, 1 + clip_high) * credit
    share = batch.weight[batch.row] / batch.tokens
    loss = -(share * plain.minimum(clipped)).sum()
    seen = gap.detach()
    return loss, {
        "entropy": _mean(batch, batch.entropy),
        "clip_share": _mean(batch, (clipped < plain).float()),
        "kl": _mean(batch, seen.exp() - 1 - seen),
        "logprob_gap": _mean(batch, seen.abs()),
    }


def _mean(batch: Batch, values: "Tensor") -> "Tensor":
    return (batch.weight[batch.row] * values.detach()).sum() / batch.tokens
