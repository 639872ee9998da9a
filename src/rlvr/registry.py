"""A name is a file: `build("tasks", "humaneval")` makes the one public class of `tasks/humaneval.py`.

Other packages add to a shelf by an entry point in the group `rlvr.<shelf>`. The `package.module:Class` form is only
for names that a person wrote (a recipe, a command line, Python): a name that comes from data must be on the shelf,
or a row of a dataset could import anything.
"""

import dataclasses
import difflib
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import Any, cast


@cache
def names(shelf: str) -> tuple[str, ...]:
    """Everything on a shelf, sorted."""
    outside = {point.name for point in entry_points(group=f"rlvr.{shelf}")}
    return tuple(sorted(_own(shelf) | outside))


def _own(shelf: str) -> set[str]:
    files = iter_modules(import_module(f"rlvr.{shelf}").__path__)
    return {module.name for module in files if not module.name.startswith("_")}


def find(shelf: str, name: str, *, trusted: bool = False) -> type:
    """The class behind a name. Raises `LookupError` that lists the shelf.

    trusted: the name was written by a person, so `package.module:Class` is accepted too.
    """
    if ":" in name and trusted:
        module_name, _, class_name = name.partition(":")
        try:
            found = getattr(import_module(module_name), class_name)
        except (ImportError, AttributeError) as error:
            hint = "; PYTHONPATH=. finds modules of this folder" if isinstance(error, ModuleNotFoundError) else ""
            raise LookupError(f"{name!r} is not an importable class for {shelf}: {error}{hint}") from error
        if not dataclasses.is_dataclass(found):
            raise LookupError(f"{name!r} is not a plug-in: plug-ins are dataclasses")
        return cast("type", found)
    if name not in names(shelf):
        raise LookupError(unknown(f"{shelf} plug-in", name, names(shelf)))
    return _load(shelf, name)


@cache
def _load(shelf: str, name: str) -> type:
    # Our own files first: what else is installed must not change what a dataset's verifier means.
    if name not in _own(shelf):
        # Read from the metadata of every installed package: milliseconds, so once.
        return next(point for point in entry_points(group=f"rlvr.{shelf}") if point.name == name).load()
    module = import_module(f"rlvr.{shelf}.{name}")
    public = [
        value
        for key, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not key.startswith("_")
    ]
    assert len(public) == 1, f"{module.__file__} must define one public class, has {[c.__name__ for c in public]}"
    return public[0]


def task_source(name: str) -> tuple[str, dict[str, str]]:
    """What `NAME[:split]` or the path of a tasks file means: the plug-in on the shelf of tasks, and options of it.

    A split may carry a slice (`mbpp:train[:100]`), and so may a path (`tasks.jsonl[:100]`). A path contains a slash or
    ends in `.jsonl`, `.json`, one of them with `.gz`, or `.parquet`. In `module:Class` and `module:Class:split` the
    class is told by its capital, with which no split begins.
    """
    path, bracket, chosen = name.partition("[")
    if not (bracket and chosen.endswith("]") and ":" in chosen):
        path, chosen = name, ""
    if "/" in path or "\\" in path or path.removesuffix(".gz").endswith((".jsonl", ".json", ".parquet")):
        return "jsonl", {"source": path, **({"split": f"all[{chosen}"} if chosen else {})}
    plugin, _, split = name.partition(":")
    if split[:1].isupper() and plugin not in names("tasks"):
        class_name, _, split = split.partition(":")
        plugin = f"{plugin}:{class_name}"
    return plugin, {"split": split} if split else {}


def task_class(name: str) -> Any:
    """The class of the source that a person means by `NAME[:split]`, a path or `package.module:Class[:split]`.

    Raises `LookupError` where there is none.
    """
    return find("tasks", task_source(name)[0], trusted=True)


def options(cls: type) -> dict[str, Any]:
    """A plug-in's fields, which are its configuration, with their types."""
    return {f.name: f.type for f in dataclasses.fields(cls) if f.init}


def required(cls: type) -> list[str]:
    """Those of a plug-in's fields that have no default."""
    missing = dataclasses.MISSING
    return [f.name for f in dataclasses.fields(cls) if f.init and f.default is missing and f.default_factory is missing]


def build(shelf: str, name: str, *, trusted: bool = False, **given: Any) -> Any:
    """Make a plug-in from its name and options. Raises `LookupError` for unknown names and options."""
    cls = find(shelf, name, trusted=trusted)
    for key in given:
        if key not in options(cls):
            raise LookupError(unknown(f"option of {shelf}/{name}", key, options(cls)))
    return cls(**given)


def unknown(kind: str, given: str, known: Iterable[str]) -> str:
    """The message for a name that does not exist: the nearest one, then all."""
    known = list(known)
    near = nearest(given, known)
    hint = f" Did you mean {near!r}?" if near else ""
    return f"no {kind} named {given!r}.{hint} There are: {', '.join(known) or 'none'}"


def nearest(given: str, known: Iterable[str]) -> str | None:
    """The name that is most like the given one, if any is."""
    near = difflib.get_close_matches(given, list(known), n=1)
    return near[0] if near else None
