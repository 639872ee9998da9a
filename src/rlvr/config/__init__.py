"""Recipes: what a run will do, written down and checked before it starts.

A recipe is a YAML file for one command, changed by `key.path=value` from the command line. Everything is resolved while
it is loaded, options of plug-ins included: a run that cannot work fails here, and a value that was set has arrived.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from rlvr.config import dialect
from rlvr.config.errors import problems, shown
from rlvr.config.plugins import Plugin, plugin, task_options, task_source
from rlvr.config.train_recipe import TrainRecipe
from rlvr.records import Json
from rlvr.storage import is_remote, open_text

__all__ = ["Plugin", "TrainRecipe", "digest", "load_recipe", "named_plugin", "plugin", "resolved", "task_source"]


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> TrainRecipe:
    """Read a recipe and change it by `key.path=value`, the values being YAML.

    `base` names a recipe that this one changes. Paths in `base`, `model.recipe` and `model.architecture` are relative
    to the file that names them (to the current folder in an override); what they point to becomes part of the recipe,
    so overrides reach it: `model.recipe.steps=10`.
    Raises `FileNotFoundError`, or `ValueError` that lists everything that is wrong.
    """
    data = _read(str(path), ())
    for override in overrides:
        _set(data, override)
    _inline(data, "", (str(path),))
    _sow(data, 0)
    try:
        return TrainRecipe.model_validate_json(json.dumps(data))
    except ValidationError as error:
        lines = [f"{where}: {what}" if where else what for where, what in problems(error, TrainRecipe)]
        raise ValueError("\n  ".join([f"{path}: this recipe cannot work:", *lines])) from error


def named_plugin(shelf: str, name: str, options: Sequence[str] = (), **named: Json) -> Plugin:
    """A plug-in that a command line names; a source of tasks also by `NAME:split` or a path (`task_source`).

    options: `option=value` for its fields, the values being YAML. named: fields for which the command has an option of
    its own; None: not given. Raises `ValueError` that says everything that is wrong.
    """
    given = {key: value for key, value in named.items() if value is not None}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or not key:
            raise ValueError(f"{option!r} should look like option=value, for example limit=10")
        if key in given or key == "name":
            raise ValueError(f"{key} is given twice, the second time as {option!r}")
        given[key] = dialect.parse(text, f"option {option!r}")
    given["name"] = name
    try:
        return task_source(given) if shelf == "tasks" else plugin(shelf, given)
    except PydanticCustomError as error:
        wrong = (error.context or {})["problems"]
        raise ValueError("; ".join(f"{name}: {option}: {what}" for option, what in wrong)) from error


def resolved(recipe: TrainRecipe) -> str:
    """The whole recipe as YAML, defaults included; a file with it loads as an equal recipe."""
    return dialect.dump(recipe.model_dump(mode="json"))


def digest(recipe: TrainRecipe) -> str:
    """SHA-256 of everything in the recipe, in hexadecimal."""
    return hashlib.sha256(resolved(recipe).encode()).hexdigest()


def _read(path: str, above: tuple[str, ...]) -> dict[str, Any]:
    """The mapping in a recipe's file, with everything that it points to."""
    if path in above:
        raise ValueError(f"these recipes start from each other: {' -> '.join([*above, path])}")
    with open_text(path) as file:
        try:
            data = dialect.parse(file.read(), path)
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not UTF-8 text: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path}: a recipe is a mapping that starts with `command: train`, not {shown(data)}")
    if (command := data.get("command")) != "train":
        found = f"is for `rlvr {command}`" if command else "does not say its command"
        raise ValueError(f"{path}: this recipe {found}; a recipe for `rlvr train` starts with `command: train`")
    data.setdefault("name", Path(path).name.split(".")[0])
    _inline(data, os.path.dirname(path), (*above, path))
    if (base := data.pop("base", None)) is None:
        return data
    if not isinstance(base, str):
        raise ValueError(f"{path}: base is the path of another recipe, not {shown(base)}")
    return _over(_read(_beside(os.path.dirname(path), base), (*above, path)), data)


def _over(base: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """What a recipe says, over what its base says; a plug-in of another name has none of the base's options."""
    merged = {**base, **data}
    for key in base.keys() & data.keys():
        below, above = base[key], data[key]
        if (
            isinstance(below, dict)
            and isinstance(above, dict)
            and above.get("name", below.get("name")) == below.get("name")
        ):
            merged[key] = _over(below, above)
    return merged


def _inline(data: dict[str, Any], folder: str, above: tuple[str, ...]) -> None:
    """Put the recipe and the architecture that a recipe names by path in their place."""
    model = data.get("model")
    if not isinstance(model, dict):
        return
    if isinstance(parent := model.get("recipe"), str):
        model["recipe"] = _read(_beside(folder, parent), above)
    elif isinstance(parent, dict):
        _inline(parent, folder, above)
    if isinstance(architecture := model.get("architecture"), str):
        path = _beside(folder, architecture)
        with open_text(path) as file:
            try:
                model["architecture"] = json.load(file)
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}:{error.lineno}: not JSON: {error.msg} at column {error.colno}") from error


def _sow(data: dict[str, Any], seed: Json) -> None:
    """A run's seed is also that of the recipe it starts from and of its tasks, unless they have their own."""
    seed = data.setdefault("seed", seed)
    if isinstance(tasks := data.get("tasks"), dict) and "seed" in task_options(tasks):
        tasks.setdefault("seed", seed)
    if isinstance(model := data.get("model"), dict) and isinstance(parent := model.get("recipe"), dict):
        _sow(parent, seed)


def _beside(folder: str, path: str) -> str:
    return path if is_remote(path) else os.path.normpath(os.path.join(folder, path))


def _set(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ValueError(f"{override!r} should look like key.path=value, for example optimizer.lr=1e-4")
    *sections, last = key.split(".")
    at = data
    for depth, section in enumerate(sections):
        if at.get(section) is None:
            at[section] = {}
        at = at[section]
        if not isinstance(at, dict):
            where = ".".join(sections[: depth + 1])
            raise ValueError(f"{override!r}: {where} is {shown(at)} and has no keys; set {where} itself")
    at[last] = dialect.parse(text, f"override {override!r}")
