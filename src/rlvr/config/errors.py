"""What is wrong with a recipe, said to the person who wrote it."""

import dataclasses
import json
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from rlvr import registry


def problems(error: ValidationError, model: type[BaseModel]) -> list[tuple[str, str]]:
    """Dotted path and sentence of everything that is wrong."""
    found: list[tuple[str, str]] = []
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"])
        context = item.get("ctx", {})
        if item["type"] == "plugin":
            found += [(f"{where}.{inner}", what) for inner, what in context["problems"]]
        elif item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            found.append((where, registry.unknown("key", str(item["loc"][-1]), _keys(model, item["loc"][:-1]))))
        elif item["type"] in ("missing", "missing_argument"):
            found.append((where, "is required and not given"))
        elif item["type"] == "value_error":
            found.append((where, str(context["error"])))
        else:
            found.append((where, f"{_plain(item['msg'])}, not {shown(item['input'])}"))
    return found


def shown(value: Any) -> str:
    """A value as it stands in a message: JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."


def _plain(message: str) -> str:
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    return message


_WORDS = {
    "Input should": "should",
    "a valid integer": "a whole number",
    "a valid boolean": "true or false",
    "a valid string": "a text",
    "a valid array": "a list",
    "an object": "a mapping",
    "a valid ": "a ",
}


def _keys(cls: Any, loc: Sequence[int | str]) -> list[str]:
    """What may be set at a place in a model, which may lead through optional and nested classes."""
    for part in loc:
        if isinstance(part, str) and part in (hints := typing.get_type_hints(cls)):
            cls = next((t for t in (hints[part], *typing.get_args(hints[part])) if _has_fields(t)), cls)
    return list(cls.model_fields if issubclass(cls, BaseModel) else registry.options(cls))


def _has_fields(hint: Any) -> bool:
    return isinstance(hint, type) and (issubclass(hint, BaseModel) or dataclasses.is_dataclass(hint))
