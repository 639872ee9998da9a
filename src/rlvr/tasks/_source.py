"""From a name to a source of tasks, and where the files of a dataset are looked for."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rlvr import extras, registry, storage
from rlvr.records import Task
from rlvr.tasks._files import Row, read_rows

_HUB_TIMEOUT_S = 3.0


def load(name: str, **options: Any) -> Iterable[Task]:
    """The source behind `NAME[:split]` (`mbpp:train`, `mbpp:train[:100]`), the path of a tasks file, or `module:Class`.

    options: fields of the source (`source`, `limit`, `form` ...); those that are None keep the source's default, so
    that a command line can hand on what was not given. Raises `LookupError` for an unknown name or option, and
    `ValueError` for an unknown split. Files are opened on iteration: `FileNotFoundError` comes then.
    """
    given = {key: value for key, value in options.items() if value is not None}
    plugin, named = registry.task_source(name)
    if twice := sorted(named.keys() & given.keys()):
        raise ValueError(f"{twice[0]} is given twice: by the name {name!r} and as {given[twice[0]]!r}")
    cls = registry.task_class(name)
    fields = registry.options(cls)
    if "split" in named and "split" not in fields:
        raise ValueError(f"tasks/{plugin} has no splits; name it as {plugin!r}")
    if "source" in fields and plugin == "jsonl" and not {**named, **given}.get("source"):
        raise ValueError("tasks/jsonl needs the path of a tasks file: give the path as the name")
    if missing := [field for field in registry.required(cls) if field not in named and field not in given]:
        raise ValueError(f"tasks/{plugin} needs the option {missing[0]!r}")
    return registry.build("tasks", plugin, trusted=True, **named, **given)


@dataclass(frozen=True)
class Origin:
    """Where the rows of one dataset, or of one split of it, come from."""

    dataset: str
    files: tuple[str, ...]
    """Names that its file may have in a folder; the first one is what errors ask for. `.gz` may be missing."""
    url: str
    """Where that file is published."""
    hub: str
    """Repository on the Hugging Face hub."""
    hub_files: tuple[str, ...]
    """Patterns of paths in that repository, such as `main/*.parquet` (`*` matches slashes, too). The files of the first
    pattern that matches any are read, in the order of their names. A folder with a copy of the repository can be a
    `source`."""

    def rows(self, source: str | None) -> Iterator[Row]:
        """Rows of the file or folder `source`, else of `$RLVR_DATA`, else of the hub.

        Raises `FileNotFoundError` that says which file to put where, and why the hub gave nothing.
        """
        return (row for path in self._paths(source) for row in read_rows(path))

    def owns(self, path: str) -> bool:
        """Whether a file is, by its name, one of these."""
        path = path.replace("\\", "/")
        name = path.rpartition("/")[2]
        return name.removesuffix(".gz") in {file.removesuffix(".gz") for file in self.files} or any(
            fnmatch(path, f"*/{pattern}") or fnmatch(name, pattern) for pattern in self.hub_files
        )

    def _paths(self, source: str | None) -> list[str]:
        if source and not storage.is_folder(source):
            return [source]
        if source:
            if found := self._in_folder(source) or self._in_copy(source):
                return found
            raise FileNotFoundError(
                f"{self.dataset}: the folder {source} holds no {self.files[0]}, and no {' or '.join(self.hub_files)} "
                f"as {self.hub} has"
            )
        return self._in_folder(os.environ.get("RLVR_DATA")) or self._on_hub()

    def _in_folder(self, folder: str | None) -> list[str]:
        if not folder:
            return []
        names = dict.fromkeys(name for file in self.files for name in (file, file.removesuffix(".gz")))
        places = [f"{folder.rstrip('/')}/{name}" for name in names]
        return next(([place] for place in places if storage.exists(place)), [])

    def _in_copy(self, folder: str) -> list[str]:
        """Files of a folder that is laid out as the repository."""
        if storage.is_remote(folder):
            import fsspec

            filesystem, root = fsspec.url_to_fs(folder)
            found = {
                str(path)[len(root) :].strip("/"): filesystem.unstrip_protocol(path) for path in filesystem.find(root)
            }
        else:
            found = {path.relative_to(folder).as_posix(): str(path) for path in Path(folder).rglob("*")}
        matching = ([found[name] for name in sorted(found) if fnmatch(name, one)] for one in self.hub_files)
        return next((paths for paths in matching if paths), [])

    def _on_hub(self) -> list[str]:
        """The files in the hub's local cache, downloaded if need be."""
        try:
            from huggingface_hub import HfApi, snapshot_download
        except ImportError as error:
            raise self._nowhere(f"it needs: {extras.install('hub')}") from error
        unreachable = ""
        try:
            # One question with a time limit first: downloads retry, and wait for minutes behind a firewall.
            HfApi().dataset_info(self.hub, timeout=_HUB_TIMEOUT_S)
        except Exception as error:  # of whichever HTTP library the client is built on
            unreachable = _first_line(error)
        try:
            patterns = list(self.hub_files)
            local = bool(unreachable)
            folder = snapshot_download(self.hub, repo_type="dataset", allow_patterns=patterns, local_files_only=local)
        except (OSError, ValueError) as error:
            raise self._nowhere(unreachable or _first_line(error)) from error
        if found := self._in_copy(folder):
            return found
        raise self._nowhere(unreachable or f"it has no {' or '.join(self.hub_files)}")

    def _nowhere(self, hub: str) -> FileNotFoundError:
        folder = os.environ.get("RLVR_DATA")
        looked = f"RLVR_DATA={folder} holds no {self.files[0]}" if folder else "RLVR_DATA is not set"
        return FileNotFoundError(
            f"no file for {self.dataset}: {looked}, and from the hub ({self.hub}) nothing came: {hub.rstrip('.')}. "
            f"Put {self.files[0]} (from {self.url}) into a folder and name that folder by RLVR_DATA, "
            f"or give the file itself as the source"
        )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
