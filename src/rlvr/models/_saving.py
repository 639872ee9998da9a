"""Models on disk: folders that transformers, peft and vLLM load without this package."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from rlvr.models import _adapters
from rlvr.models.model import Model
from rlvr.records import Json


def save(model: Model, folder: Path, facts: Mapping[str, Json]) -> None:
    """Write weights (safetensors), tokenizer and a model card with the facts; of a model with an adapter only that."""
    if model.adapter is None:
        model.network.save_pretrained(folder)
    else:
        _adapters.save(model.network, model.adapter, folder)
    model.tokenizer.save_pretrained(folder)
    counted = {**facts, "parameters": model.parameters, "trained": model.trained}
    (folder / "README.md").write_text(_card(model, counted), encoding="utf-8")


def restore(model: Model, folder: Path) -> None:
    """Put the weights that `save` wrote into the same model. Raises `ValueError` where they are another's."""
    if model.adapter is not None:
        _adapters.put(model.network, folder)
        return
    weights: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        weights.update(load_file(file))
    own = {name: value.shape for name, value in model.network.state_dict().items()}
    given = {name: value.shape for name, value in weights.items()}
    missing = own.keys() - given.keys() - set(model.network.all_tied_weights_keys)
    # Before any is loaded, which load_state_dict would do with those that fit.
    other = {name for name, shape in given.items() if own.get(name) != shape}
    if missing or other:
        raise ValueError(f"{folder} does not fit this model: missing {sorted(missing)}, not its own {sorted(other)}")
    model.network.load_state_dict(weights, strict=False)


def _card(model: Model, facts: Mapping[str, Json]) -> str:
    head, how = ["library_name: transformers"], "`AutoModelForCausalLM.from_pretrained` of transformers loads it."
    if model.adapter is not None:
        how = "An adapter: `AutoPeftModelForCausalLM.from_pretrained` of peft loads it with its base."
        head = ["library_name: peft", f"base_model: {json.dumps(model.adapter.base)}"]
    body = json.dumps(dict(facts), indent=2, ensure_ascii=False)
    return "\n".join(
        ["---", *head, "tags: [rlvr]", "---", "", f"Trained with rlvr. {how}", "", "```json", body, "```", ""]
    )
