"""Where the model of a recipe is, found out without loading its weights and without waiting for a network."""

from pathlib import Path
from typing import Any

from rlvr import models
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


def absent(path: str) -> str:
    """Why the model cannot be loaded here and now; empty where it can be, be it by a download."""
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
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        # One question with a time limit: loading retries, and waits for minutes behind a firewall.
        HfApi().model_info(found, timeout=_HUB_TIMEOUT_S)
    except RepositoryNotFoundError:
        return f"model {found} (not here, and the hub has none of that name that you may read)"
    except Exception as error:  # of whichever HTTP library the client is built on
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return f"model {found} (not here, hub unreachable: {reason})"
    return ""


def checkpoint(path: str) -> str:
    """Which checkpoint of a run here would be the start; empty where the path is none, or says it."""
    try:
        return "" if is_remote(path) else models.whole(path).checkpoint
    except (OSError, ValueError):
        return ""
