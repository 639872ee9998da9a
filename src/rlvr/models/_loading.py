"""Models to start from: built from an architecture, loaded from wherever they are, or as a recipe says."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils.peft_utils import find_adapter_config_file

from rlvr.config.train_recipe import Lora
from rlvr.config.train_recipe import Model as Section
from rlvr.models import _adapters, _places
from rlvr.models._initial import initialise
from rlvr.models._saving import save
from rlvr.models._tokenizers import load_tokenizer, train_tokenizer
from rlvr.models.model import Model
from rlvr.records import Json


def build(
    architecture: Mapping[str, Json], tokenizer: Any, seed: int, dtype: str = "float32", attention: str = "auto"
) -> Model:
    """A randomly initialised network from a transformers configuration (`model_type`, sizes ...).

    The special tokens are the tokenizer's, and so is the vocabulary, unless `vocab_size` leaves room for more.
    Raises `ValueError` for an unknown `model_type`, sizes that cannot be, or a kernel of attention that is not here.
    """
    sizes = {"vocab_size": len(tokenizer), **architecture}
    kind = sizes.pop("model_type", None)
    if kind is None:
        raise ValueError("the architecture needs a model_type, for instance llama or qwen2")
    if sizes["vocab_size"] < len(tokenizer):
        room = sizes["vocab_size"]
        raise ValueError(f"the architecture's vocab_size {room} is below the tokenizer's {len(tokenizer)}")
    try:
        config = AutoConfig.for_model(
            kind,
            **sizes,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        torch.manual_seed(seed)
        network = AutoModelForCausalLM.from_config(config, **_kernel(attention))
    except (ValueError, KeyError, TypeError, ImportError, StrictDataclassError) as error:
        raise ValueError(f"cannot build the architecture {kind!r}: {error}") from error
    return Model(network.to(getattr(torch, dtype)), tokenizer)


def load(path: str, dtype: str = "auto", *, lora: Lora | None = None, attention: str = "auto") -> Model:
    """Load a folder (a model's, an adapter's, or a run's, see `Model.place`), local or `s3://`, or a hub id.

    dtype: `auto` is float32 on a CPU and the checkpoint's own on a GPU. lora: what a recipe says about the adapter.
    attention: as in a recipe. Raises `FileNotFoundError` or `ValueError` that says what was looked for, or what is
    wrong with it.
    """
    place = _places.find(path)
    folder = _adapter_folder(place)
    base, own = (path, place.path) if folder is None else _base(folder)
    packed = lora is not None and lora.four_bit
    found = replace(_whole(base, own, dtype, packed=packed, attention=attention), place=place)
    if folder is None:
        return found
    if (folder / "tokenizer_config.json").exists():
        found = replace(found, tokenizer=AutoTokenizer.from_pretrained(folder))
    return _adapters.attach(found, folder, lora)


def whole(path: str) -> _places.Place:
    """Where the whole model is that `load` would begin with: of a local adapter its base. Nothing is loaded.

    Raises `FileNotFoundError` or `ValueError` like `load`.
    """
    place = _places.find(path)
    return replace(place, path=_base(Path(place.path))[1]) if place.is_adapter else place


def start(
    section: Section, path: str | None, texts: Iterable[str], seed: int, own: Path, tell: Callable[[str], None]
) -> Model:
    """The model that a run starts from, as the recipe's section says, with everything that does not learn frozen.

    path: the model of `section.recipe` once it is trained, else `section.path`. texts: for a tokenizer. own: the folder
    for the base of an adapter that is found nowhere else. tell: is given a sentence about `init_checkpoint`.
    """
    # Small updates vanish in bfloat16 weights, so what learns is float32 unless the recipe says otherwise.
    auto = "float32" if section.lora is None or path is None else "auto"
    dtype = auto if section.dtype == "auto" else section.dtype
    if path is not None:
        model = load(path, dtype, lora=section.lora, attention=section.attention)
    else:
        assert section.architecture is not None
        assert section.tokenizer is not None
        given = section.tokenizer
        tokenizer = load_tokenizer(given.path) if given.path else train_tokenizer(texts, given.vocab_size)
        model = build(section.architecture, tokenizer, seed, dtype, section.attention)
        if section.init_checkpoint is not None:
            tell(f"init_checkpoint {section.init_checkpoint}: {initialise(model.network, section.init_checkpoint)}")
        # Drawn on the CPU: a seed gives the same weights whatever they are trained on.
        model.network.to(_device())
    if section.chat_template is not None:
        model.tokenizer.chat_template = section.chat_template
    if section.lora is None:
        model = _adapters.merged(model)
        _freeze(model.network, section.freeze)
    elif model.adapter is None:
        # What a recipe trained first lies in the run's own folder, which may move.
        base = model.place.name if section.path and model.place else _kept(model, own)
        model = _adapters.add(model, section.lora, base, seed)
    return model


def _freeze(network: Any, patterns: Iterable[str]) -> None:
    names = [name for name, _ in network.named_parameters()]
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in names):
            raise ValueError(f"model.freeze: no weight is named like {pattern!r}; there is, for instance, {names[0]}")
        for name, parameter in network.named_parameters():
            if fnmatch(name, pattern):
                parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ValueError("model.freeze leaves nothing to learn")


def _kept(model: Model, own: Path) -> str:
    """Write the base of an adapter that is found nowhere else; a resumed run has it already."""
    if not own.exists():
        # Each process of a run writes the same, and the first to be done puts it in place.
        aside = own.with_name(f".{own.name}.{os.getpid()}.tmp")
        try:
            save(model, aside, {"what": "the base of this run's adapters"})
            os.replace(aside, own)
        except OSError:
            if not own.exists():
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return str(own.resolve())


def _adapter_folder(place: _places.Place) -> Path | None:
    """Where the adapter is, if it is one."""
    if Path(place.path).exists():
        return Path(place.path) if place.is_adapter else None
    try:
        if find_adapter_config_file(place.path) is None:
            return None
    except OSError:
        return None
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(place.path, allow_patterns=["*.json", "*.safetensors", "*.jinja"]))


def _base(folder: Path) -> tuple[str, str]:
    """The name of an adapter's base, and where it is: there, or in the run that the adapter has moved with."""
    name = str(_adapters.read_config(folder).base_model_name_or_path)
    beside = [path for path in _adapters.beside(folder) if (path / "config.json").exists()]
    if os.path.isabs(name) and not Path(name).exists():
        if not beside:
            raise FileNotFoundError(f"the base of the adapter in {folder} is gone: there is no {name}")
        return name, str(beside[0])
    return name, _places.find(name).path


def _whole(path: str, found: str, dtype: str, *, packed: bool, attention: str) -> Model:
    device = _device()
    wanted: Any = ("auto" if device == "cuda" else torch.float32) if dtype == "auto" else getattr(torch, dtype)
    how: dict[str, Any] = {"dtype": wanted, "output_loading_info": True, **_kernel(attention)}
    if packed:
        how |= {"quantization_config": _four_bits(), "device_map": {"": device}}
    try:
        tokenizer = AutoTokenizer.from_pretrained(found)
        loaded: Any = AutoModelForCausalLM.from_pretrained(found, **how)
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        raise _failure(path, found, error) from error
    network, told = loaded
    if lacking := sorted(told["missing_keys"]):
        raise ValueError(f"{path} lacks {len(lacking)} weights, which would be random, for instance {lacking[0]}")
    return Model(network if packed else network.to(device), tokenizer)


def _kernel(attention: str) -> dict[str, str]:
    return {} if attention == "auto" else {"attn_implementation": attention}


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _four_bits() -> Any:
    if importlib.util.find_spec("bitsandbytes") is None:
        raise LookupError("model.lora.four_bit needs bitsandbytes: pip install bitsandbytes, or leave four_bit out")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def _failure(path: str, found: str, error: Exception) -> Exception:
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    if Path(found).exists():
        return ValueError(f"{path} cannot be loaded: {said}")
    return FileNotFoundError(
        f"no model at {path!r}: there is no such folder, and the Hugging Face hub did not give it either ({said})"
    )
