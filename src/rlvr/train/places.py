"""Where the model of a recipe is, found out without loading its weights and without waiting for a network."""

import json
from pathlib import Path
from typing import Any

from rlvr.run import checkpoints
from rlvr.storage import exists, is_remote

_HUB_TIMEOUT_S = 5.0


def local_config(path: str) -> Any:
    """The transformers configuration of a folder, a run, or a hub id whose files are in the cache; None without one."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(_folder(path), local_files_only=True)
    except (OSError, ValueError):
        return None


def local_tokenizer(path: str) -> Any:
    """The tokenizer of a folder, a run, or a hub id whose files are in the cache; None without one."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(_folder(path), local_files_only=True)
    except (OSError, ValueError):
        return None


def absent(path: str) -> str:
    """Why the model cannot be loaded here and now; empty where it can be, be it by a download."""
    if local_config(path) is not None:
        return ""
    if is_remote(path):
        return "" if exists(path) else f"model {path} (nothing is there)"
    if Path(path).exists():
        return f"model {path} (the folder holds no model: neither a config.json nor checkpoints)"
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        # One question with a time limit: loading retries, and waits for minutes behind a firewall.
        HfApi().model_info(path, timeout=_HUB_TIMEOUT_S)
    except RepositoryNotFoundError:
        return f"model {path} (not here, and the hub has none of that name that you may read)"
    except Exception as error:  # of whichever HTTP library the client is built on
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return f"model {path} (not here, hub unreachable: {reason})"
    return ""


def _folder(path: str) -> str:
    """The folder with the configuration in a model's folder, a checkpoint, a run, or below an adapter."""
    local = Path(path)
    places = [local, local / "model", *(found / "model" for found in reversed(checkpoints(local)))]
    for place in places:
        if (place / "config.json").exists():
            return str(place)
        if (place / "adapter_config.json").exists():
            adapter = json.loads((place / "adapter_config.json").read_text(encoding="utf-8"))
            return _folder(str(adapter["base_model_name_or_path"]))
    return path
