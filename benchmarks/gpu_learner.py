"""How fast the learner learns on a GPU: Qwen2-shaped models with random weights, in bfloat16 over float32 weights.

    python benchmarks/gpu_learner.py [--models 0.5B 1.5B] [--ways plain compile recompute] [--write docs/benchmarks.md]

Each row is SFT on sequences of one length, all of whose tokens but the first are learned, with AdamW and clipping.
Floating-point operations are those of the model: 6 for each weight that multiplies and token, and attention's, half of
them masked; what is recomputed counts once. A forward pass that does not fit is halved until it does. Without a CUDA
device it says so and measures nothing.
"""

import argparse
import gc
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from page import machine, replace_section
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.config.train_recipe import Compute, Optimizer
from rlvr.learner.step import Learner
from rlvr.models import Model
from rlvr.objectives.sft import SFT
from rlvr.records import Example

SHARED = {"vocab_size": 151_936, "num_key_value_heads": 2, "tie_word_embeddings": True}
SIZES: dict[str, dict[str, Any]] = {
    "0.5B": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14},
    "1.5B": {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12},
}
WAYS = {"plain": {}, "compile": {"compile": True}, "recompute": {"recompute": True}}
PEAKS = {
    "GB200": 2500.0,
    "B200": 2250.0,
    "H200 NVL": 835.0,
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H100": 989.0,
    "L40S": 362.0,
    "A100": 312.0,
}
"""Dense bfloat16 TFLOP/s by the vendor's data sheets; the first that is part of the card's name counts."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--length", type=int, default=2048, help="tokens of a sequence")
    parser.add_argument("--tokens", type=int, default=16_384, help="tokens of a forward pass")
    parser.add_argument("--steps", type=int, default=6, help="measured optimizer steps, of two forward passes each")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between its marks in this file")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("benchmarks/gpu_learner.py did not run: there is no CUDA device here, so there are no figures")
        return
    card = torch.cuda.get_device_name()
    peak, source = _peak(card)
    rows = []
    for name in arguments.models:
        for way in arguments.ways:
            sizes = {**SHARED, **SIZES[name]}
            found = fitted(sizes, WAYS[way], arguments.length, arguments.tokens, arguments.steps, "cuda")
            rows.append(f"| {name} | {way} | {cells(found, peak)} |")
            print(rows[-1], flush=True)
    text = "\n".join(
        [
            f"`python benchmarks/gpu_learner.py`: {card}, torch {torch.__version__}; sequences of {arguments.length:,} "
            f"tokens, two forward passes in a step; peak {peak:,.0f} TFLOP/s {source}; "
            f"asked: at least 30% at 1.5B. {machine()}",
            "",
            "| model | way | tokens in a pass | tokens/s | share of the bf16 peak | greatest memory, GiB |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
        ]
    )
    print(text)
    if arguments.write:
        replace_section(arguments.write, "gpu-learner", "The learner on a GPU", text)


@dataclass(frozen=True)
class Speed:
    """Of one network, learned in one way."""

    budget: int
    """Tokens in a forward pass."""
    rate: float
    """Tokens a second, of the median step."""
    flops: float
    """Floating-point operations for each of them."""
    memory: float
    """GiB at most."""


def fitted(
    sizes: dict[str, Any], way: dict[str, Any], length: int, budget: int, steps: int, device: str
) -> Speed | str:
    """`speed` with the budget, its half, its quarter ..., whichever fits; what went wrong where none did."""
    while True:
        try:
            return speed(sizes, way, length, budget, steps, device)
        except torch.OutOfMemoryError:
            failed = f"out of memory with {budget:,} tokens in a pass"
        except RuntimeError as error:
            failed = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
        finally:
            # What has failed is kept alive by its own error, and a network by its wrappers, until they are collected.
            gc.collect()
            if device == "cuda":
                torch.cuda.empty_cache()
        if "out of memory" not in failed or budget <= length:
            return failed
        budget //= 2


def cells(found: Speed | str, peak: float) -> str:
    """Of a table's row: tokens in a pass, tokens a second, share of the peak in TFLOP/s, GiB."""
    if isinstance(found, str):
        return f"{found} | - | - | -"
    share = found.rate * found.flops / 1e12 / peak
    return f"{found.budget:,} | {found.rate:,.0f} | {share:.1%} | {found.memory:.1f}"


def speed(sizes: dict[str, Any], way: dict[str, Any], length: int, budget: int, steps: int, device: str) -> Speed:
    """Raises `torch.OutOfMemoryError` where a pass does not fit."""
    torch.manual_seed(0)
    with torch.device(device):
        config = AutoConfig.for_model("qwen2", max_position_embeddings=length, **sizes)
        network = AutoModelForCausalLM.from_config(config)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    learner = Learner(
        Model(network, None, precision="bfloat16"),
        Optimizer(lr=1e-5, schedule="constant", tokens_per_microbatch=budget),
        steps + 2,
        1.0,
        compute=Compute(precision="bfloat16", **way),
        dropout=False,
    )
    draw = torch.Generator().manual_seed(0)
    count = max(1, budget // length) * 2
    seconds = []
    # The first steps compile, and find their kernels and their memory.
    for step in range(steps + 2):
        tokens = torch.randint(0, sizes["vocab_size"], (count, length), generator=draw).tolist()
        rows = [Example(tuple(row), (False,) + (True,) * (length - 1)) for row in tokens]
        _wait(device)
        started = time.perf_counter()
        learner.update(rows, SFT().loss, step, 0)
        _wait(device)
        seconds.append(time.perf_counter() - started)
    memory = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else 0.0
    rate = count * length / statistics.median(seconds[2:])
    return Speed(budget, rate, flops_per_token(network, length), memory)


def flops_per_token(network: Any, length: int) -> float:
    """Floating-point operations of a forward and a backward pass over a sequence, divided by its tokens."""
    config = network.config
    embedding, head = network.get_input_embeddings().weight, network.get_output_embeddings().weight
    # The head multiplies; looking up an embedding does not.
    weights = sum(p.numel() for p in network.parameters()) - (embedding.numel() if embedding is not head else 0)
    # Two products (with keys, with values) of 2 * width operations for each of the length / 2 tokens seen, times 3.
    return 6.0 * weights + 6.0 * config.num_hidden_layers * config.hidden_size * length


def _peak(card: str) -> tuple[float, str]:
    for name, peak in PEAKS.items():
        if name in card:
            return peak, "by its data sheet"
    side = 8192
    a, b = (torch.randn(side, side, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    _wait("cuda")
    started = time.perf_counter()
    for _ in range(10):
        a @ b
    _wait("cuda")
    return 10 * 2 * side**3 / (time.perf_counter() - started) / 1e12, f"measured, a product of {side:,}"


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
