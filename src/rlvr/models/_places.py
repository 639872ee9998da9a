"""Where a model's files are: a folder, a checkpoint of a run, a copy of what `s3://` holds, the hub."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.storage import filesystem_of, is_remote

CONFIGS = ("config.json", "adapter_config.json")
"""Either makes a folder a model's: a whole one's, or an adapter's."""
RUN = "run.json"
"""What a run says about itself, its best checkpoint included."""

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_SHOWN = 12


@dataclass(frozen=True)
class Place:
    """Where to read a model, and what to call it in what is written about it."""

    path: str
    """A local folder or file; a hub id as it is."""
    name: str
    """An absolute path, an `s3://` path or a hub id, by which the same files are found again."""
    checkpoint: str = ""
    """Which of a run was taken, and why: a sentence; empty where the path says it itself."""
    taken: str = ""
    """That checkpoint as a path in the run, such as checkpoints/step_4; empty as well."""

    @property
    def is_adapter(self) -> bool:
        return (Path(self.path) / "adapter_config.json").exists()


def find(path: str) -> Place:
    """The weights in a model's folder, a checkpoint or a run; what is no path here is taken for a hub id.

    Of a run that compared its checkpoints by a metric the best is taken, else the newest. Raises `FileNotFoundError`
    where a folder holds no model, or where nothing is at what can only be a path, and `ValueError` where its
    `run.json` is none.
    """
    if is_remote(path):
        return _copied(path)
    local = Path(path)
    in_runs = "/" in path and any(local.parent.glob(f"*/{RUN}"))
    if not local.exists() and (in_runs or not _HUB_ID.fullmatch(path)):
        # Not asked of the hub, which without a network takes a minute to be missed.
        folder = next(parent for parent in local.absolute().parents if parent.is_dir())
        names = sorted(each.name for each in folder.iterdir())
        raise FileNotFoundError(f"nothing is at {path}; {folder} holds {', '.join(names[:_SHOWN]) or 'nothing'}")
    if not local.is_dir():
        return Place(path, str(local.resolve()) if local.exists() else path)
    levels = ("*", "model/*", "checkpoints/*/model/*")
    names = {found.relative_to(local).as_posix() for level in levels for found in local.glob(level)}
    inner, checkpoint = _inside(names, path, lambda: (local / RUN).read_bytes())
    folder = (local / inner).resolve()
    return Place(str(folder), str(folder), checkpoint, _checkpoint(inner) if checkpoint else "")


def _inside(names: Collection[str], path: str, run: Callable[[], bytes]) -> tuple[str, str]:
    """Which folder of these files holds the model (empty: the top), and `Place.checkpoint`. run: reads `run.json`."""
    for folder in ("", "model/"):
        if any(folder + config in names for config in CONFIGS):
            return folder, ""
    steps: dict[int, str] = {}
    for name in names:
        found = re.fullmatch(rf"(checkpoints/(?:step|cycle)_(\d+)/model/)({'|'.join(map(re.escape, CONFIGS))})", name)
        if found:
            steps[int(found[2])] = found[1]
    if not steps:
        raise FileNotFoundError(f"{path} holds no model: neither a config.json, nor checkpoints/step_N as a run has")
    newest = steps[max(steps)]
    best = _best(run, f"{path.rstrip('/')}/{RUN}") if RUN in names else None
    if best is None or (chosen := f"{best['checkpoint']}/model/") not in steps.values():
        gone = "" if best is None else f"; its best, {best['checkpoint'].rpartition('/')[2]}, is gone"
        return newest, f"{path} is a run, of which {_checkpoint(newest)} is taken, the newest{gone}"
    value = f"the best by {best['metric']} ({best['value']:.4g})"
    last = "" if chosen == newest else f"; the newest is {_checkpoint(newest)}"
    return chosen, f"{path} is a run, of which {_checkpoint(chosen)} is taken, {value}{last}"


def _best(run: Callable[[], bytes], file: str) -> dict[str, Any] | None:
    """What a run says of its best checkpoint; None where it compared none. Raises `ValueError` that names the file."""
    try:
        facts = json.loads(run())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: not JSON: {error}") from error
    if not isinstance(facts, dict):
        raise ValueError(f"{file}: holds a {type(facts).__name__}, not the facts of a run")
    if (best := facts.get("best")) is None:
        return None
    kinds = {"metric": str, "value": int | float, "checkpoint": str}
    if not isinstance(best, dict) or not all(isinstance(best.get(key), kind) for key, kind in kinds.items()):
        raise ValueError(f"{file}: best needs a metric, a value and a checkpoint, and is {json.dumps(best)}")
    return best


def _checkpoint(inner: str) -> str:
    return inner.removesuffix("/model/")


def _copied(path: str) -> Place:
    """A local copy of a remote folder or file, under a name that changes with what is there."""
    filesystem, root = filesystem_of(path)
    found = {str(file): facts for file, facts in filesystem.find(root, detail=True).items()}
    if not found:
        raise FileNotFoundError(f"no model at {path}: nothing is there")
    if list(found) == [root]:
        name, checkpoint, taken = path, "", ""
        wanted = {os.path.basename(root): root}
    else:
        inside = {file[len(root) :].strip("/"): file for file in found}
        inner, checkpoint = _inside(inside.keys(), path, lambda: filesystem.cat_file(inside[RUN]))
        name, taken = f"{path.rstrip('/')}/{inner}".rstrip("/"), _checkpoint(inner) if checkpoint else ""
        wanted = {file[len(inner) :]: inside[file] for file in sorted(inside) if file.startswith(inner)}
    marks = [[file, *_version(found[there])] for file, there in wanted.items()]
    # Not by the path: a run and its checkpoint are one copy.
    key = hashlib.sha256(json.dumps([name, marks], default=str).encode()).hexdigest()[:32]
    folder = _cache() / key
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = tempfile.mkdtemp(dir=folder.parent, prefix=f".{key}.")
        try:
            for file, there in wanted.items():
                (Path(aside) / file).parent.mkdir(parents=True, exist_ok=True)
                filesystem.get_file(there, str(Path(aside) / file))
            os.replace(aside, folder)
        except OSError:
            # Another process may have been faster; what it has is the same.
            if not folder.exists():
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    if list(found) == [root]:
        return Place(str(folder / os.path.basename(root)), name)
    return Place(str(folder), name, checkpoint, taken)


def _version(facts: dict[str, object]) -> list[object]:
    """What changes when a remote file does."""
    return [facts.get("size"), *(facts.get(key) for key in ("ETag", "etag", "LastModified", "mtime", "created"))]


def _cache() -> Path:
    return Path(os.environ.get("RLVR_CACHE") or Path.home() / ".cache" / "rlvr") / "models"
