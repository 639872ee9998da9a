"""Recipes: every value that is set arrives, and whatever cannot work is refused with the key and a way out."""

import dataclasses
import inspect
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from rlvr import registry
from rlvr.config import Plugin, TrainRecipe, digest, load_recipe, plugin, resolved, task_source
from rlvr.config.dialect import dump, parse
from rlvr.records import Json, Limits


@dataclass(frozen=True)
class Custom:
    """A plug-in from outside with a field of every kind."""

    needed: str
    count: int | None = None
    rate: float = 0.5
    kind: Literal["a", "b"] = "a"
    sizes: tuple[int, ...] = (1, 2)
    limits: Limits = dataclasses.field(default_factory=Limits)
    table: dict[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count == 13:
            raise ValueError("13 is unlucky")


CUSTOM = {"name": f"{__name__}:Custom", "needed": "x"}
ARCHITECTURE: Json = {"architecture": {"model_type": "llama"}, "tokenizer": {}}
BASE: Json = {
    "command": "train",
    "name": "base",
    "steps": 3,
    "model": ARCHITECTURE,
    "tasks": CUSTOM,
    "objective": CUSTOM,
    "evaluation": {"tasks": [CUSTOM], "every": 1},
}
SHELVES = {"tasks": "tasks", "objective": "objectives", "engine": "engines", "sandbox": "sandboxes"}
"""Sections of the recipe that are plug-ins, and their shelf."""


def own_keys(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Every key that is not a section, dotted, with its type; a parent recipe's keys too, but not its parent's."""
    keys: dict[str, Any] = {}
    for key, field in model.model_fields.items():
        inner = next((t for t in (field.annotation, *typing.get_args(field.annotation)) if is_section(t)), None)
        if inner is TrainRecipe and prefix.count("model."):
            continue
        if inner:
            # Of a mapping of sections one stands for all.
            one = "kl." if typing.get_origin(field.annotation) is dict else ""
            keys |= own_keys(inner, f"{prefix}{key}.{one}")
        elif field.annotation is not Plugin and key != "command":
            keys[prefix + key] = typing.Annotated[field.annotation, *field.metadata, None]
    return keys


def is_section(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)


OWN = own_keys(TrainRecipe)


def declared_by(cls: type, option: str) -> type:
    return next(base for base in cls.__mro__ if option in inspect.get_annotations(base))


# An option that plug-ins inherit from one class is looked at in one of them.
OPTIONS = list(
    {
        (section, declared_by(cls, option), option): (section, name, option)
        for section, shelf in SHELVES.items()
        for name in (*registry.names(shelf), CUSTOM["name"])
        for cls in [registry.find(shelf, name, trusted=True)]
        for option in registry.options(cls)
    }.values()
)


def values(hint: Any, bounds: tuple[Any, ...] = ()) -> st.SearchStrategy[Json]:
    """JSON values of a type. bounds: objects with `gt`, `ge`, `lt`, `le` or `min_length`."""
    if typing.get_origin(hint) is typing.Annotated:
        inner, *metadata = typing.get_args(hint)
        return values(inner, tuple(bound for item in metadata for bound in getattr(item, "metadata", [item])))
    limit = {key: getattr(b, key) for b in bounds for key in ("gt", "ge", "lt", "le", "min_length") if hasattr(b, key)}
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values(option, bounds) for option in inner])
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in (tuple, list) and inner[-1] is not ... and origin is tuple:
        return st.tuples(*map(values, inner)).map(list)
    if origin in (tuple, list):
        return st.lists(values(inner[0]), min_size=1, max_size=2)
    if origin is dict:
        return st.dictionaries(st.text(), values(inner[1]) if inner[1] is not Any else st.integers(), max_size=2)
    if hint is Plugin:
        return st.integers(0, 9).map(lambda count: {**CUSTOM, "count": count})
    if dataclasses.is_dataclass(hint):
        return st.fixed_dictionaries({key: values(kind) for key, kind in typing.get_type_hints(hint).items()})
    low, high = limit.get("ge", limit.get("gt", 0)), limit.get("le", limit.get("lt", 64))
    if hint is int:
        return st.integers(low, max(low, min(high - ("lt" in limit), low + 64)))
    if hint is float:
        return st.floats(low, high, exclude_min="gt" in limit, exclude_max="lt" in limit, allow_subnormal=False)
    return {bool: st.booleans(), str: st.text(min_size=limit.get("min_length", 0)), type(None): st.none()}[hint]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recipes")


def write(path: Path, data: Json) -> Path:
    path.write_text(dump(data), encoding="utf-8")
    return path


def at(data: Json, key: str) -> Json:
    for part in key.split("."):
        data = data[part]
    return data


def holds(found: Json, given_value: Json) -> bool:
    """Whether everything that was given is there; defaults may have joined it."""
    if isinstance(given_value, dict) and isinstance(found, dict):
        return all(key in found and holds(found[key], value) for key, value in given_value.items())
    if isinstance(given_value, list) and isinstance(found, list) and len(found) == len(given_value):
        return all(holds(mine, theirs) for mine, theirs in zip(found, given_value, strict=True))
    return found == given_value and isinstance(found, bool) == isinstance(given_value, bool)


def arrived(path: Path, key: str, value: Json) -> TrainRecipe:
    recipe = load_recipe(path, [f"{key}={dump(value)}"])
    assert holds(at(recipe.model_dump(mode="json"), key), value)
    return recipe


def survived(recipe: TrainRecipe, folder: Path) -> str:
    """What is written down, which is the same recipe. Writing and reading it all costs most, so once for each key."""
    text = resolved(recipe)
    (folder / "again.yaml").write_text(text, encoding="utf-8")
    again = load_recipe(folder / "again.yaml")
    assert again == recipe
    assert resolved(again) == text
    return text


def starting_from(key: str) -> Json:
    start = {"model.path": {"path": "p"}, "model.recipe": {"recipe": BASE}, "model.lora": {"path": "p", "lora": {}}}
    return {**BASE, "model": start.get(".".join(key.split(".")[:2]), ARCHITECTURE)}


@pytest.mark.parametrize("key", OWN)
def test_every_key_that_is_set_arrives_and_survives_being_written_down(folder: Path, key: str) -> None:
    data = starting_from(key)
    path = write(folder / "base.yaml", data)
    default = at(load_recipe(path).model_dump(mode="json"), key)
    # null is how a start is given up for another one, and no value of its own; tasks to evaluate on want a rhythm.
    refused = (None, default, 0 if key.endswith("evaluation.every") else None)
    possible = values(OWN[key]).filter(lambda value: value not in refused)
    found: list[TrainRecipe] = []

    @settings(max_examples=3)
    @given(value=possible)
    def check(value: Json) -> None:
        found.append(arrived(path, key, value))

    check()
    assert survived(found[-1], folder) != resolved(load_recipe(path))


@pytest.mark.parametrize(("section", "name", "option"), OPTIONS, ids=lambda part: part)
def test_every_option_of_every_plug_in_arrives_in_the_instance(
    folder: Path, section: str, name: str, option: str
) -> None:
    cls = registry.find(SHELVES[section], name, trusted=True)
    needed: Json = {f.name: "x" for f in dataclasses.fields(cls) if f.init and f.default is f.default_factory}
    needed |= {"sources": [{"name": "programs"}]} if name == "mixture" else {}
    path = write(folder / "base.yaml", {**BASE, section: {"name": name, **needed}})
    default = at(load_recipe(path).model_dump(mode="json"), f"{section}.{option}")

    def refusal(value: Json) -> str:
        try:
            plugin(SHELVES[section], {"name": name, **needed, option: value})
        except ValueError as error:
            return str(error)
        return ""

    # An option with a closed list of texts tells it when it gets another one.
    hint = typing.get_type_hints(cls)[option]
    several = tuple[str, ...] in typing.get_args(hint)
    probe: Json = ["no such word"] if several else "no such word"
    words = refusal(probe).partition("There are: ")[2].split(", ") if several or hint is str else []
    possible = values(hint)
    if any(words):
        possible = st.sampled_from(words).map(lambda word: [word] if several else word)
    if option == "sources":
        possible = st.lists(
            st.fixed_dictionaries({"name": st.just("programs"), "limit": st.integers(1, 9)}), min_size=1
        )

    found: list[TrainRecipe] = []

    @settings(max_examples=3)
    @given(value=possible.filter(lambda value: not refusal(value) and (value != default or words == [default])))
    def check(value: Json) -> None:
        found.append(arrived(path, f"{section}.{option}", value))
        built = getattr(found[-1], section).build()
        assert type(built) is cls
        assert holds(as_json(getattr(built, option)), value)

    check()
    survived(found[-1], folder)


def as_json(value: Any) -> Json:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return list(value) if isinstance(value, tuple) else value


SECTIONS = ["", *sorted({key.rpartition(".")[0] for key in OWN if "." in key}), "objective", "tasks.limits"]


@pytest.mark.parametrize("section", [s for s in SECTIONS if s != "model.architecture"])
def test_an_unknown_key_is_shown_with_its_path_the_nearest_and_all(folder: Path, section: str) -> None:
    path = write(folder / "base.yaml", starting_from(section))
    known = {"objective": list(registry.options(Custom)), "tasks.limits": list(registry.options(Limits))}.get(
        section, [key.rpartition(".")[2] for key in OWN if key.rpartition(".")[0] == section]
    )
    for key in known:
        wrong = f"{section}.{key}_".lstrip(".")
        with pytest.raises(ValueError, match="cannot work") as refused:
            load_recipe(path, [f"{wrong}=1"])
        line = next(line for line in str(refused.value).splitlines() if line.startswith(f"  {wrong}: "))
        assert f"Did you mean {key!r}?" in line
        assert all(name in line for name in known)


@pytest.mark.parametrize("key", OWN)
def test_a_value_of_the_wrong_type_is_refused_by_its_path(folder: Path, key: str) -> None:
    path = write(folder / "base.yaml", starting_from(key))
    with pytest.raises(ValueError, match="cannot work") as refused:
        load_recipe(path, [f"{key}=[{{}}]"])
    assert any(line.startswith(f"  {key}") for line in str(refused.value).splitlines()), refused.value


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps=0", "steps: should be greater than or equal to 1, not 0"),
        ("steps=2.5", "steps: should be a whole number, not 2.5"),
        ("steps=true", "steps: should be a whole number, not true"),
        ("steps='7'", 'steps: should be a whole number, not "7"'),
        ("optimizer.lr=0", "optimizer.lr: should be greater than 0, not 0"),
        ("optimizer.lr=.nan", "optimizer.lr: should be greater than 0, not NaN"),
        ("optimizer.name=adam", "optimizer.name: should be 'adamw' or 'muon', not \"adam\""),
        ("optimizer.betas=[0.9, 1]", "optimizer.betas.1: should be less than 1, not 1"),
        ("optimizer.betas=[0.9]", "optimizer.betas.1: is required"),
        ("evaluation.greedy=yes", 'evaluation.greedy: should be true or false, not "yes"'),
        ("evaluation={tasks: [], every: 5}", "evaluation.every is 5, but evaluation has neither tasks nor loss"),
        ("evaluation.tasks=[mbpp]", "evaluation.tasks.0: should be a mapping such as {name: ..., option: value}"),
        ("sampling=3", "sampling: should be a mapping, not 3"),
        ("model.path=x", "model: needs exactly one of path, recipe and architecture, and has path and architecture"),
        ("model.architecture=null", "model: needs exactly one of path, recipe and architecture, and has none"),
        ("model.tokenizer=null", "model: an architecture needs a tokenizer too"),
        ("model={path: x, tokenizer: {}}", "model: a tokenizer is for an architecture only; this path brings its own"),
        ("model={path: x, init_checkpoint: y}", "model: init_checkpoint is for an architecture only; this path brings"),
        ("model={path: x, lora: {}, freeze: [a]}", "model: with lora nothing but the adapter learns, so freeze has no"),
        ("model.lora={four_bit: true}", "model: lora.four_bit packs a checkpoint while it is loaded, so it needs path"),
        ("model.tokenizer={path: x, documents: 3}", "model.tokenizer: documents is of a tokenizer that is trained"),
        ("objective.count=13", "objective: 13 is unlucky"),
        ("objective.kind=c", "objective.kind: should be 'a' or 'b', not \"c\""),
        ("objective.limits.cpu_s=fast", 'objective.limits.cpu_s: should be a number, not "fast"'),
        ("objective={count: 1}", "objective: should be a mapping such as {name: ..., option: value}"),
        ("objective={name: 'tests.nosuch:Thing'}", "objective: 'tests.nosuch:Thing' is not an importable class"),
        ("objective={name: 'os:getcwd'}", "objective: 'os:getcwd' is not a plug-in: plug-ins are dataclasses"),
        ("objective={name: grop}", "objective: no objectives plug-in named 'grop'. Did you mean 'grpo'?"),
        ("tasks={name: 'mbbp:train'}", "tasks: no tasks plug-in named 'mbbp'. Did you mean 'mbpp'?"),
        ("tasks={name: 'mbpp:train', split: test}", "tasks: split is given twice"),
        ("tasks={name: 'mbpp:trian'}", "Did you mean 'train'?"),
        ("tasks={name: a.jsonl, splt: x}", "tasks.splt: no key named 'splt'. Did you mean 'split'?"),
        ("steps.x=1", "'steps.x=1': steps is 3 and has no keys; set steps itself"),
        ("steps", "'steps' should look like key.path=value"),
        ("=3", "'=3' should look like key.path=value"),
        ("steps={", "override 'steps={', line 1, column 2: not YAML"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_with_a_sentence(folder: Path, override: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        load_recipe(write(folder / "base.yaml", BASE), [override])
    assert message in str(refused.value)


def test_everything_that_is_wrong_is_said_at_once(folder: Path) -> None:
    path = write(folder / "base.yaml", BASE)
    with pytest.raises(ValueError, match="cannot work") as refused:
        load_recipe(path, ["steps=0", "seeed=1", "objective.count=x", "evaluation.samples=-1"])
    assert str(refused.value).startswith(f"{path}: ")
    assert len(str(refused.value).splitlines()) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"command: train\nsteps: [1,\n", "line 3, column 1"),
        (b"command: train\n\tsteps: 1\n", "line 2, column 1"),
        (b"command: train\nsteps: 1\nseed: 1\nsteps: 2\n", "line 4, column 1: not YAML: 'steps' is given twice"),
        (b"command: train\na: {b: 1, b: 2}\n", "line 2, column 11: not YAML: 'b' is given twice"),
        (b"command: train\n? [a]\n: 1\n", "line 2, column 3: not YAML: a key should be a text"),
        (b"command: train\nname: !!python/name:os.system x\n", "line 2, column 7"),
        (b"command: train\nname: !!timestamp 2020-01-01\n", "cannot be read"),
        (b"command: train\nname: &a [*a]\n", "cannot be read"),
        (b"command: train\nname: \xff\n", "not UTF-8"),
        (b"command: train\nname: \x00\n", "special characters are not allowed"),
        (b"", "a recipe is a mapping that starts with `command: train`, not null"),
        (b"- command: train\n", "a recipe is a mapping that starts with `command: train`, not ["),
        (b"steps: 3\n", "does not say its command"),
        (b"command: synthesize\nsteps: 3\n", "is for `rlvr synthesize`; a recipe for `rlvr train` starts"),
    ],
)
def test_a_file_that_is_no_recipe_is_named_with_the_place(folder: Path, text: bytes, message: str) -> None:
    path = folder / "broken.yaml"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"broken\.yaml") as refused:
        load_recipe(path)
    assert message in str(refused.value)


def test_scalars_are_read_as_people_mean_them() -> None:
    text = "[6e-4, 1_000, -.5, .inf, no, on, 1:30, 0o7, 007, 2020-01-01, 1.0.0, ~, TRUE, '6e-4', 1e3, <<]"
    expected = [6e-4, 1000, -0.5, float("inf"), "no", "on", "1:30", "0o7", "007"]
    expected += ["2020-01-01", "1.0.0", None, True, "6e-4", 1000.0, "<<"]
    assert list(map(repr, parse(text, "x"))) == list(map(repr, expected))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON)
def test_what_is_dumped_is_parsed_to_the_same_value(value: Json) -> None:
    assert repr(parse(dump(value), "x")) == repr(value)


@example("6e-4")
@given(text=st.text(alphabet="0123456789+-._eExo:nulNtrufaAisyTF~<=", max_size=8))
def test_texts_that_look_like_something_else_stay_texts(text: str) -> None:
    assert parse(dump([text]), "x") == [text]


def test_a_parent_recipe_becomes_part_of_the_recipe_and_overrides_reach_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "tiny.json").write_text('{"model_type": "llama", "hidden_size": 96}')
    parent = {key: value for key, value in BASE.items() if key != "name"}
    parent["model"] = {"architecture": "tiny.json", "tokenizer": {}}
    write(tmp_path / "sub" / "warm.up.yaml", parent)
    child = write(tmp_path / "child.yaml", {**BASE, "model": {"recipe": "sub/warm.up.yaml"}})
    recipe = load_recipe(child, ["model.recipe.steps=77", "model.recipe.model.architecture.hidden_size=8"])
    assert recipe.model.recipe is not None
    assert recipe.model.recipe.name == "warm"
    assert recipe.model.recipe.steps == 77
    assert recipe.model.recipe.model.architecture == {"model_type": "llama", "hidden_size": 8}
    before = digest(load_recipe(child))
    (tmp_path / "sub" / "tiny.json").write_text('{"model_type": "llama", "hidden_size": 97}')
    assert digest(load_recipe(child)) != before


def test_a_recipe_that_changes_another_says_only_what_differs(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "small.json").write_text('{"model_type": "llama"}')
    (tmp_path / "plain.yaml").write_text(
        "command: train\nsteps: 10\nmodel: {architecture: small.json, tokenizer: {vocab_size: 300}}\n"
        "tasks: {name: 'programs:train', limit: 7}\nobjective: {name: grpo, group_size: 4, beta: 0.5}\n"
    )
    (tmp_path / "deeper" / "other.yaml").write_text(
        "command: train\nbase: ../plain.yaml\nsteps: 20\nobjective: {name: grpo, clip_low: 0.1}\n"
        "tasks: {name: 'programs:validation'}\n"
    )
    made = load_recipe(tmp_path / "deeper" / "other.yaml", ["objective.beta=0.25"])
    assert (made.name, made.steps, made.model.architecture) == ("other", 20, {"model_type": "llama"})
    grpo = made.objective.build()
    assert (grpo.group_size, grpo.beta, grpo.clip_low) == (4, 0.25, 0.1)
    # Another source has its own options, not those of the base's.
    assert made.tasks.to_json()["limit"] is None
    (tmp_path / "plain.yaml").write_text("command: train\nbase: deeper/other.yaml\n")
    with pytest.raises(ValueError, match="these recipes start from each other"):
        load_recipe(tmp_path / "deeper" / "other.yaml")


def test_what_a_recipe_points_to_must_be_there_and_readable(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", {**BASE, "model": {"recipe": "b.yaml"}})
    with pytest.raises(FileNotFoundError, match=r"b\.yaml"):
        load_recipe(path)
    write(tmp_path / "b.yaml", {**BASE, "model": {"recipe": "a.yaml"}})
    with pytest.raises(ValueError, match="start from each other"):
        load_recipe(path)
    (tmp_path / "m.json").write_text('{\n"a": }')
    write(path, {**BASE, "model": {"architecture": "m.json", "tokenizer": {}}})
    with pytest.raises(ValueError, match=r"m\.json:2: not JSON"):
        load_recipe(path)


def test_a_path_in_an_override_is_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "m.json").write_text('{"model_type": "qwen3"}')
    path = write(tmp_path / "recipes" / "a.yaml", BASE)
    monkeypatch.chdir(tmp_path)
    assert load_recipe(path, ["model.architecture=m.json"]).model.architecture == {"model_type": "qwen3"}


def test_the_split_after_the_colon_and_a_path_are_options_of_the_source() -> None:
    assert task_source({"name": "mbpp:validation"}) == plugin("tasks", {"name": "mbpp", "split": "validation"})
    assert task_source({"name": "data/x.jsonl.gz"}) == plugin("tasks", {"name": "jsonl", "source": "data/x.jsonl.gz"})
    assert task_source(CUSTOM).build() == Custom(needed="x")


def test_the_run_is_called_like_its_file_and_defaults_are_filled_in(tmp_path: Path) -> None:
    path = write(tmp_path / "first_try.yaml", {key: value for key, value in BASE.items() if key != "name"})
    recipe = load_recipe(path)
    assert recipe.name == "first_try"
    assert recipe.engine.build() == registry.build("engines", "local")
    assert recipe.sandbox.build() == registry.build("sandboxes", "local")
