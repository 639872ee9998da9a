"""The benchmarks that training data is held against: every test-only split that a source of tasks knows."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr import registry, storage
from rlvr.prepare.documents import Document, document
from rlvr.records import Task
from rlvr.tasks import load


@dataclass(frozen=True, slots=True)
class Benchmark:
    name: str
    """`NAME:split`, or the path of a tasks file."""
    sha256: str
    """Of what is compared, whatever form the tasks are asked in."""
    documents: tuple[Document, ...]


def known() -> Iterator[str]:
    """`NAME:split` of each test-only split: the default one of a source, or all where the default is for training."""
    for name in registry.names("tasks"):
        cls: Any = registry.find("tasks", name)
        roles = getattr(cls, "ROLES", {})
        default = getattr(cls, "split", None)
        tested = [split for split, role in roles.items() if role == "test_only"]
        for split in [default] if default in tested else tested:
            yield f"{name}:{split}"


def benchmarks(source: str | None, more: Sequence[str] = ()) -> tuple[list[Benchmark], dict[str, str]]:
    """What can be found, and for the others why not.

    source: the folder that is looked into, `$RLVR_DATA` where it is None; only without either the hub is asked, so
    that one folder always gives the same. more: names or paths besides the known ones, which must be there, wherever
    they come from; raises what their sources raise.
    """
    folder = source if source and storage.is_folder(source) else os.environ.get("RLVR_DATA")
    found: list[Benchmark] = []
    missing: dict[str, str] = {}
    for name in dict.fromkeys([*known(), *more]):
        try:
            found.append(_benchmark(name, read(name, source=folder)))
        except (OSError, ValueError, LookupError) as error:
            if name not in more:
                missing[name] = (str(error).splitlines() or [""])[0]
            elif isinstance(error, FileNotFoundError) and folder:
                found.append(_benchmark(name, read(name)))
            else:
                raise
    return found, missing


def _benchmark(name: str, tasks: Sequence[Task]) -> Benchmark:
    documents = tuple(document(task) for task in tasks)
    digest = hashlib.sha256()
    for each in documents:
        digest.update(storage.dump_line([each.id, each.text, each.code, list(each.tests), each.name]).encode())
    return Benchmark(name, digest.hexdigest(), documents)


def read(name: str, *, source: str | None = None, form: str | None = "chat") -> list[Task]:
    """The tasks of a name in the form that is easiest to compare; a source that has no such option ignores it."""
    form = form if form in getattr(registry.task_class(name), "FORMS", ()) else None
    given = {"source": source, "form": form}
    return list(load(name, **{key: value for key, value in given.items() if has_option(name, key)}))


def has_option(name: str, option: str) -> bool:
    """Whether the source behind a name can be told this; a path is its own source."""
    return option in registry.options(registry.task_class(name)) and option not in registry.task_source(name)[1]
