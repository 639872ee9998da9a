"""A plug-in named in a recipe, and its options checked against the fields of its class."""

import dataclasses
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError, create_model
from pydantic_core import PydanticCustomError

from rlvr import registry
from rlvr.config.errors import problems, shown
from rlvr.records import Json

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())
"""No coercion but whole numbers to floats, no unknown keys."""


@dataclass(frozen=True)
class Plugin:
    """A file on a shelf with its configuration, checked against the fields of its class."""

    shelf: str
    name: str
    options: BaseModel
    """Every option with its type, defaults included."""

    def build(self) -> Any:
        """The plug-in itself."""
        given = {key: getattr(self.options, key) for key in type(self.options).model_fields}
        return registry.find(self.shelf, self.name, trusted=True)(**given)

    def to_json(self) -> dict[str, Json]:
        return {"name": self.name, **self.options.model_dump(mode="json")}


def plugin(shelf: str, given: Json) -> Plugin:
    """`{"name": "grpo", "group_size": 8}` resolved on a shelf. Raises `ValueError` that says which option is wrong."""
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise ValueError(f"should be a mapping such as {{name: ..., option: value}} for {shelf}, not {shown(given)}")
    try:
        cls = registry.find(shelf, given["name"], trusted=True)
    except LookupError as error:
        raise ValueError(str(error)) from error
    schema = _options(cls)
    try:
        options = schema.model_validate_json(json.dumps({key: given[key] for key in given if key != "name"}))
    except ValidationError as error:
        raise PydanticCustomError("plugin", "options", {"problems": problems(error, schema)}) from error
    made = Plugin(shelf, given["name"], options)
    made.build()
    return made


def task_source(given: Json) -> Plugin:
    """Like `plugin("tasks", given)`, where the name may be `NAME:split` or a path (`registry.task_source`)."""
    if not isinstance(given, Mapping) or not isinstance(name := given.get("name"), str):
        return plugin("tasks", given)
    found, extra = registry.task_source(name)
    for key in extra:
        if key in given:
            raise ValueError(f"{key} is given twice: by the name {name!r} and by {key}: {shown(given[key])}")
    return plugin("tasks", {**given, **extra, "name": found})


def task_options(given: Mapping[str, Json]) -> tuple[str, ...]:
    """The options of the source that `given` names; none where there is no such source, which is said elsewhere."""
    try:
        return tuple(registry.options(registry.task_class(str(given.get("name")))))
    except LookupError:
        return ()


@cache
def _options(cls: type) -> type[BaseModel]:
    """The fields of a plug-in as a strict model."""
    hints = typing.get_type_hints(cls, include_extras=True)
    fields: dict[str, Any] = {}
    for field in (f for f in dataclasses.fields(cls) if f.init):
        assert field.name != "name", f"{cls.__name__}.name: the key `name` of a recipe's section names the plug-in"
        if field.default_factory is not dataclasses.MISSING:
            default = Field(default_factory=field.default_factory)
        else:
            default = ... if field.default is dataclasses.MISSING else field.default
        fields[field.name] = (hints[field.name], default)
    return create_model(cls.__name__, __config__=STRICT, **fields)


def _checked(make: Callable[[Json], Plugin]) -> Any:
    return Annotated[Plugin, PlainValidator(make), PlainSerializer(Plugin.to_json, return_type=dict[str, Any])]


if typing.TYPE_CHECKING:
    TaskSource = Objective = Engine = Sandbox = Plugin
else:
    TaskSource = _checked(task_source)
    Objective = _checked(partial(plugin, "objectives"))
    Engine = _checked(partial(plugin, "engines"))
    Sandbox = _checked(partial(plugin, "sandboxes"))
