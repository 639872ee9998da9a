"""One rule for the precision of matrix products, so that log-probs mean the same where they are sampled and learned."""

import torch


def is_half(device: str, precision: str) -> bool:
    """Whether products are computed in bfloat16. device: torch's type. precision: auto, float32 or bfloat16."""
    return precision == "bfloat16" or (precision == "auto" and device == "cuda")


def autocast(device: str, precision: str) -> torch.autocast:
    """While it is open, products are computed as `is_half` says; the weights stay what they are."""
    return torch.autocast(device, torch.bfloat16, enabled=is_half(device, precision))
