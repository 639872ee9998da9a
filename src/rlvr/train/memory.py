"""How much memory of a device a run needs, by stated formulas, from a model's configuration or its name alone.

Bytes, with N parameters, L layers, width h, inner width f, keys and values of width k, b bytes in a weight:

weights        N b
gradients      N b
optimizer      2 N b (AdamW); Muon keeps one number, not two, for each weight of the layers
half copies    2 N, of weights of four bytes that are multiplied in bfloat16
reference      N b, where the objective compares with the model that the run started from
activations    T L (7 h + 2 k + 4 f) c for T tokens in a forward pass (those of an optimizer step, and at most
               optimizer.tokens_per_microbatch, or one row), c bytes in an activation: what attention without
               a stored matrix, a gated MLP and two norms keep; T (L h + 7 h + 2 k + 4 f) c with compute.recompute
logits         3 C 4, C numbers at once (learner/logprobs.py), or all T times the vocabulary where they are fewer
KV cache       S (prompt + answer) L 2 k b for S sequences decoded at once, as if none shared its beginning
adapter        4 A with model.lora, A = L r (in + out) over its matrices; it alone learns, so gradients are 4 A and the
               optimizer 8 A, and b of the frozen weights is 2 on a GPU, or 0.55 in 4 bits

Learning needs all but the KV cache at once; sampling needs weights, half copies, adapter, optimizer, reference and KV
cache. The greater is the peak. Several devices share all that is made of N.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlvr.config.train_recipe import Lora, Model, TrainRecipe
from rlvr.learner.logprobs import CHUNK

GIB = 2**30
_NAMED = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)
_HEADS_SHARE = 4
"""Queries to one key and value in models of today."""
_ASPECT = 128
"""Width over layers."""
_VOCABULARY = 150_000


@dataclass(frozen=True)
class Shape:
    """What decides how much memory a network takes."""

    parameters: int
    layers: int
    width: int
    inner: int
    kv: int
    vocabulary: int
    source: str
    """Where this is known from, for people."""


def shape(model: Model) -> Shape | None:
    """Of the model that a recipe starts from; None where neither a configuration nor its name tells."""
    if model.recipe is not None:
        return shape(model.recipe.model)
    if model.architecture is not None:
        sizes = dict(model.architecture)
        vocabulary = model.tokenizer.vocab_size if model.tokenizer else 0
        return _configured(
            _config(sizes.pop("model_type", ""), {**sizes, "vocab_size": vocabulary}), "the architecture"
        )
    assert model.path is not None
    from rlvr.train.places import local_config

    config = local_config(model.path)
    return _named(model.path) if config is None else _configured(config, f"the configuration of {model.path}")


def _config(kind: str, sizes: Mapping[str, Any]) -> Any:
    from transformers import AutoConfig

    return AutoConfig.for_model(kind, **sizes)


def _configured(config: Any, source: str) -> Shape:
    import torch
    from transformers import AutoModelForCausalLM

    # Without memory: only shapes are made.
    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(config)
    text = config.get_text_config()
    width, heads = text.hidden_size, text.num_attention_heads
    per_head = getattr(text, "head_dim", None) or width // heads
    return Shape(
        parameters=sum(p.numel() for p in network.parameters()),
        layers=text.num_hidden_layers,
        width=width,
        inner=getattr(text, "intermediate_size", None) or 4 * width,
        kv=per_head * (getattr(text, "num_key_value_heads", None) or heads),
        vocabulary=text.vocab_size,
        source=source,
    )


def _named(path: str) -> Shape | None:
    """`7B` and the like: twelve weights for each square of the width in a layer, and a usual ratio of the two."""
    found = _NAMED.findall(path.rpartition("/")[2].replace("_", "-"))
    if not found:
        return None
    number, unit = found[-1]
    parameters = int(float(number) * (1e9 if unit.lower() == "b" else 1e6))
    width = max(64, round((parameters * _ASPECT / 12) ** (1 / 3) / 64) * 64)
    layers = max(1, round(width / _ASPECT))
    name = f"the {number}{unit} in the name {path}, at usual proportions"
    return Shape(parameters, layers, width, 4 * width, width // _HEADS_SHARE, _VOCABULARY, name)


@dataclass(frozen=True)
class Estimate:
    """Bytes on one device."""

    trained: int
    """Parameters that learn."""
    parts: dict[str, int]
    learning: int
    sampling: int

    @property
    def peak(self) -> int:
        return max(self.learning, self.sampling)

    @property
    def least(self) -> int:
        """What is needed for certain, whatever batches look like."""
        names = ("weights", "adapter", "gradients", "optimizer", "reference")
        return sum(self.parts[name] for name in names)


def estimate(
    recipe: TrainRecipe,
    shape: Shape,
    *,
    gpu: bool,
    reference: bool,
    rows: int,
    tokens: int,
    sequences: int,
    sampled: int,
    devices: int,
) -> Estimate:
    """rows: of an optimizer step. tokens: of the longest of them. sequences: decoded at once. sampled: tokens of the
    longest of those, prompt and answer. devices: that share the weights."""
    lora, precision = recipe.model.lora, recipe.compute.precision
    weight = _bytes(recipe, gpu=gpu)
    activation = 2 if precision == "bfloat16" or (precision == "auto" and gpu) else 4
    adapter = 0 if lora is None else _adapter(shape, lora)
    trained, learned = (adapter, 4) if lora else (shape.parameters, weight)
    layer = 7 * shape.width + 2 * shape.kv + 4 * shape.inner
    kept = shape.layers * shape.width + layer if recipe.compute.recompute else shape.layers * layer
    in_layers = shape.layers * (2 * shape.width**2 + 2 * shape.width * shape.kv + 3 * shape.width * shape.inner)
    single = min(1.0, in_layers / shape.parameters) if recipe.optimizer.name == "muon" else 0.0
    passed = max(tokens, min(recipe.optimizer.tokens_per_microbatch, rows * tokens))
    parts = {
        "weights": shape.parameters * weight // devices,
        "adapter": 4 * adapter // devices,
        "gradients": trained * learned // devices,
        "optimizer": (2 - single) * trained * learned // devices,
        "half copies": shape.parameters * 2 // devices if weight > activation else 0,
        "reference": shape.parameters * weight // devices if reference else 0,
        "activations": passed * kept * activation,
        "logits": 3 * min(CHUNK["cuda" if gpu else "cpu"], passed * shape.vocabulary) * 4,
        "KV cache": sequences * sampled * shape.layers * 2 * shape.kv * max(2, weight),
    }
    parts = {name: int(size) for name, size in parts.items()}
    resident = sum(parts[name] for name in ("weights", "half copies", "adapter", "optimizer", "reference"))
    learning = sum(parts.values()) - parts["KV cache"]
    return Estimate(trained, parts, learning, resident + parts["KV cache"])


def _bytes(recipe: TrainRecipe, *, gpu: bool) -> float:
    """Of one weight of the network."""
    lora = recipe.model.lora
    if lora is not None and lora.four_bit:
        return 0.55
    auto = 2 if lora is not None and gpu else 4
    return auto if recipe.model.dtype == "auto" else {"bfloat16": 2, "float32": 4}[recipe.model.dtype]


def _adapter(shape: Shape, lora: Lora) -> int:
    """Parameters of an adapter; named targets count as all matrices."""
    h, k, f = shape.width, shape.kv, shape.inner
    attention = (h + h) + 2 * (h + k) + (h + h)
    return shape.layers * lora.rank * (attention if lora.targets == "attention" else attention + 3 * (h + f))


def human(size: float) -> str:
    """Bytes for people: 12.3 GiB, 45 MiB."""
    return f"{size / GIB:,.1f} GiB" if size >= GIB / 10 else f"{size / 2**20:,.1f} MiB"
