"""Where the model of a recipe is, found out without loading its weights and without waiting for a network."""

from pathlib import Path
from typing import Any

from rlvr import models
from rlvr.config.train_recipe import Model
from rlvr.storage import exists, is_remote

_HUB_TIMEOUT_S = 5.0


def local_config(path: str) -> Any:
    """The transformers configuration of a folder, a run, or a hub id whose files are in the cache; None without one."""
    from transformers import AutoConfig

    try:
        # A copy of what is remote would take as long as the run's own.
        found = path if is_remote(path) else models.whole(path).path
        return AutoConfig.from_pretrained(found, local_files_only=True)
    except (OSError, ValueError):
        return None


def local_tokenizer(path: str) -> Any:
    """The tokenizer of a folder, a run, or a hub id whose files are in the cache; None without one."""
    from transformers import AutoTokenizer

    try:
        found = path if is_remote(path) else models.whole(path).path
        return AutoTokenizer.from_pretrained(found, local_files_only=True)
    except (OSError, ValueError):
        return None


def absent(start: Model) -> list[str]:
    """Why what a model starts from cannot be loaded here and now; empty where it can be, be it by a download."""
    found = []
    if start.path is not None:
        found.append(_absent_model(start.path))
    if start.tokenizer is not None and start.tokenizer.path is not None:
        found.append(_absent_tokenizer(start.tokenizer.path))
    if start.init_checkpoint is not None and not exists(start.init_checkpoint):
        found.append(f"init_checkpoint {start.init_checkpoint} (nothing is there)")
    return [why for why in found if why]


def _absent_model(path: str) -> str:
    if is_remote(path):
        return "" if exists(path) else f"model {path} (nothing is there)"
    try:
        found = models.whole(path).path
    except (OSError, ValueError) as error:
        return f"model {path} ({error})"
    if local_config(found) is not None:
        return ""
    if Path(found).exists():
        return f"model {found} (its config.json cannot be read)"
    return _absent_on_hub(f"model {found}", found)


def _absent_tokenizer(path: str) -> str:
    from transformers import AutoTokenizer

    try:
        AutoTokenizer.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, TypeError):
        return (
            f"tokenizer {path} (the folder holds none)"
            if Path(path).exists()
            else _absent_on_hub(f"tokenizer {path}", path)
        )
    return ""


def _absent_on_hub(what: str, name: str) -> str:
    """Why the hub would not give this; empty where it would."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        # One question with a time limit: loading retries, and waits for minutes behind a firewall.
        HfApi().model_info(name, timeout=_HUB_TIMEOUT_S)
    except RepositoryNotFoundError:
        return f"{what} (not here, and the hub has none of that name that you may read)"
    except Exception as error:  # of whichever HTTP library the client is built on
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return f"{what} (not here, hub unreachable: {reason})"
    return ""


def checkpoint(path: str) -> str:
    """Which checkpoint of a run here would be the start; empty where the path is none, or says it, or is remote."""
    try:
        return "" if is_remote(path) else models.find(path).checkpoint
    except (OSError, ValueError):
        return ""
