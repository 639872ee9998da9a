"""LoRA adapters: put beside the weights of a network, written as peft's folders, read back, merged."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers.pytorch_utils import Conv1D

from rlvr.config.train_recipe import Lora
from rlvr.models.model import Adapter, Model
from rlvr.registry import unknown

_PREFIX = "base_model.model."
"""Before the name of every weight in peft's files."""
_FILE = "adapter_model.safetensors"
_BASE = "base.json"
"""Beside peft's files: the hash of the base. Two entries in the metadata of safetensors have no order of their own."""


def add(model: Model, lora: Lora, base: str, seed: int) -> Model:
    """A fresh adapter, which changes nothing yet. base: where the weights of `model` are found again.

    Raises `ValueError` for a target that the network does not have.
    """
    from peft import LoraConfig

    config = LoraConfig(
        task_type="CAUSAL_LM",
        base_model_name_or_path=base,
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets(model.network, lora.targets),
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.network.modules()),
    )
    torch.manual_seed(seed)
    return _injected(model, config, mark(model.network))


def attach(model: Model, folder: Path, lora: Lora | None) -> Model:
    """The adapter of a folder, on its base. lora: what a recipe says about it.

    Raises `ValueError` for an adapter of another kind, of another base, or other than the recipe says.
    """
    config = read_config(folder)
    found = mark(model.network)
    facts = folder / _BASE
    written = json.loads(facts.read_text(encoding="utf-8"))["mark"] if facts.exists() else ""
    if written and found and written != found:
        raise ValueError(
            f"the adapter in {folder} was trained on other weights than those of {config.base_model_name_or_path} "
            "today: its base has changed, or is another model"
        )
    if lora is not None:
        asked = {"rank": lora.rank, "alpha": lora.alpha, "targets": sorted(targets(model.network, lora.targets))}
        given = {"rank": config.r, "alpha": config.lora_alpha, "targets": sorted(config.target_modules)}
        if asked != given:
            raise ValueError(
                f"the recipe's lora differs from the adapter in {folder}: {asked} is not {given}; set what the adapter "
                "has to train it further, or merge it first (rlvr merge) to train another one"
            )
        config.lora_dropout = lora.dropout
    config.inference_mode = False
    try:
        adapted = _injected(model, config, found)
    except ValueError as error:
        raise ValueError(f"the adapter in {folder} is for another base: {error}") from error
    put(adapted.network, folder)
    return adapted


def read_config(folder: Path) -> Any:
    """peft's configuration. Raises `ValueError` where it is no plain LoRA adapter."""
    from peft import LoraConfig

    kind = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8")).get("peft_type")
    if kind != "LORA":
        raise ValueError(f"{folder} holds an adapter of the kind {kind}; only LoRA can be used here")
    config: Any = LoraConfig.from_pretrained(str(folder))
    for name in ("modules_to_save", "trainable_token_indices", "target_parameters"):
        if getattr(config, name, None):
            raise ValueError(f"the adapter in {folder} has {name}, more than LoRA; merge it with peft first")
    return config


def put(network: Any, folder: Path) -> None:
    """Put a folder's weights into the adapter that the network has. Raises `ValueError` where they do not fit it."""
    mine = _named(network.named_parameters())
    found = _read(folder)
    theirs = {name: tuple(value.shape) for name, value in found.items()}
    if theirs != {name: tuple(value.shape) for name, value in mine.items()}:
        odd = sorted(name for name in mine.keys() | theirs.keys() if theirs.get(name) != _shape(mine.get(name)))
        raise ValueError(
            f"the adapter in {folder} is for another base: {len(odd)} of its weights do not fit, for instance {odd[0]} "
            f"({theirs.get(odd[0], 'missing')} there, {_shape(mine.get(odd[0])) or 'missing'} here)"
        )
    with torch.no_grad():
        for name, value in mine.items():
            value.copy_(found[name])


def save(network: Any, adapter: Adapter, folder: Path) -> None:
    """Write `adapter_config.json` and `adapter_model.safetensors`."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {**adapter.config.to_dict(), "inference_mode": True}
    # Sets have another order in every process, and equal runs should write equal files.
    plain = {key: sorted(value) if isinstance(value, set) else value for key, value in facts.items()}
    (folder / "adapter_config.json").write_text(json.dumps(plain, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    weights = {name: value.cpu().contiguous() for name, value in _named(network.state_dict().items()).items()}
    save_file(weights, folder / _FILE, metadata={"format": "pt"})
    (folder / _BASE).write_text(json.dumps({"base": adapter.base, "mark": adapter.mark}) + "\n", encoding="utf-8")


def merged(model: Model) -> Model:
    """The model with its adapter added into the weights, all of which can then learn; changes the given network."""
    if model.adapter is None:
        return model
    from peft.tuners.tuners_utils import BaseTunerLayer

    network = model.network
    for name, module in list(network.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge(safe_merge=True)
            parent, _, last = name.rpartition(".")
            setattr(network.get_submodule(parent), last, module.get_base_layer())
    del network.peft_config
    network.requires_grad_(True)
    return replace(model, adapter=None)


def targets(network: Any, wanted: str | list[str]) -> list[str]:
    """Ends of names that only the wanted layers have."""
    head = network.get_output_embeddings()
    linear = [
        name
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head
    ]
    if not isinstance(wanted, str):
        for end in wanted:
            if not any(name == end or name.endswith(f".{end}") for name, _ in network.named_modules()):
                raise ValueError(unknown("layer", end, sorted({name.rpartition(".")[2] for name in linear})))
        return list(wanted)
    inside = linear if wanted == "all-linear" else [name for name in linear if _in_attention(network, name)]
    last = {name: name.rpartition(".")[2] for name in linear}
    # GPT-2 has a c_proj in its attention and another one behind it.
    outside = {last[name] for name in linear if name not in inside}
    return sorted({".".join(name.split(".")[-2:]) if last[name] in outside else last[name] for name in inside})


def _in_attention(network: Any, name: str) -> bool:
    above = name.split(".")[:-1]
    modules = (network.get_submodule(".".join(above[:depth])) for depth in range(1, len(above) + 1))
    return any("attention" in type(module).__name__.lower() for module in modules)


def beside(folder: Path) -> list[Path]:
    """Where a run keeps the base of its own adapters, seen from a checkpoint's model."""
    return [above / "base" for above in folder.resolve().parents[:3]]


@torch.no_grad()
def mark(network: Any) -> str:
    """A hash of 64 numbers of each weight in bfloat16, the same in whichever precision it is loaded.

    Empty where weights are packed: they cannot be compared with themselves in full.
    """
    if getattr(network, "is_quantized", False):
        return ""
    digest = hashlib.sha256()
    for name, weight in sorted(network.state_dict().items()):
        sample = weight.flatten()[:: max(1, weight.numel() // 64)][:64].to(torch.bfloat16)
        digest.update(f"{name} {tuple(weight.shape)}\n".encode())
        digest.update(sample.cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def _injected(model: Model, config: Any, base_mark: str) -> Model:
    from peft import inject_adapter_in_model

    network = inject_adapter_in_model(config, model.network)
    for parameter in network.parameters():
        if parameter.requires_grad:
            # Small updates vanish in bfloat16.
            parameter.data = parameter.data.float()
    return replace(model, network=network, adapter=Adapter(config, config.base_model_name_or_path, base_mark))


def _named(weights: Iterable[tuple[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Those of the adapter under their names in peft's files."""
    return {_PREFIX + re.sub(r"\.default(?=\.|$)", "", name): value for name, value in weights if ".lora_" in name}


def _shape(value: torch.Tensor | None) -> tuple[int, ...] | None:
    return None if value is None else tuple(value.shape)


def _read(folder: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(folder / _FILE)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{folder / _FILE} cannot be read: {error}") from error
