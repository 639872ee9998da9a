"""From the names that somebody asks to be prepared to their splits, each with its role, its licence and its tasks."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rlvr import registry, storage
from rlvr.prepare.benchmarks import has_option, read
from rlvr.prepare.documents import role, statement
from rlvr.records import Json, Task
from rlvr.storage import dump_line
from rlvr.tasks import load

UNKNOWN = "unknown"

LICENCES = {
    "aime": UNKNOWN,
    "allenai_rlvr": "ODC-BY-1.0",
    "apps": UNKNOWN,
    "codecontests": "CC-BY-4.0",
    "cruxeval": "MIT",
    "gsm8k": "MIT",
    "humaneval": "MIT",
    "humaneval_plus": "Apache-2.0",
    "if_multi_constraints": UNKNOWN,
    "ifbench": "ODC-BY-1.0",
    "ifeval": "Apache-2.0",
    "livecodebench": UNKNOWN,
    "math": "MIT",
    "mbpp": "CC-BY-4.0",
    "mbpp_plus": "Apache-2.0",
    "programs": "Apache-2.0",
}
"""What the publishers of the data sets state, as far as that is certain: texts of contests belong to others than those
who collected them. Rows may state their own in `meta.licence`."""

ASIDE = ("prompt", "demonstrations")
"""Splits that are asked for by name only: MBPP's worked examples, and generated texts that nobody judges."""

VIEWS = {"mbpp": ("sanitized",)}
"""Other versions of rows that are there already: they get files of their own, and are not trained on or compared."""


@dataclass(frozen=True)
class Part:
    """One split of one source."""

    name: str
    """`NAME:split`, or the path of a tasks file."""
    dataset: str
    split: str
    tasks: list[Task]
    """In the form that was asked for."""
    plain: dict[str, Task]
    """The same in the form that is easiest to compare, by id."""
    licence: str
    left_out: list[str] = field(default_factory=list)
    """Rows of the file of which no task can be made, with the reason."""
    stem: str = ""
    """How its files begin: the dataset, and the split where there are several."""
    view: bool = False

    def facts(self) -> dict[str, Json]:
        """What a manifest says of it; the hash is of its tasks as they were read."""
        digest = hashlib.sha256("".join(dump_line(task.to_json()) for task in self.tasks).encode())
        roles = {name: sum(role(task) == name for task in self.tasks) for name in ("train", "validation", "test_only")}
        return {
            "dataset": self.dataset,
            "split": self.split,
            "roles": {name: count for name, count in roles.items() if count},
            "licence": self.licence,
            "rows": len(self.tasks),
            "left_out": self.left_out,
            "sha256": digest.hexdigest(),
        }


def gather(
    names: Sequence[str], source: str | None, form: str | None, licence: str | None
) -> tuple[list[Part], dict[str, str]]:
    """Every part of every name, and the splits that are not there, with the reason.

    A bare NAME stands for all of its splits that can be found, but for slices of others. Raises `ValueError` where two
    sources have the same ids or a licence is not known, and what the sources raise.
    """
    parts: list[Part] = []
    missing: dict[str, str] = {}
    for name in dict.fromkeys(names):
        parts += _parts(name, source, form, licence, missing)
    _refuse_shared_ids(parts)
    stems: dict[str, str] = {}
    for part in parts:
        if (other := stems.setdefault(part.stem, part.name)) != part.name:
            raise ValueError(
                f"{other} and {part.name} would both write {part.stem}_full.jsonl; rename one of the files"
            )
    return parts, missing


def _parts(
    name: str, source: str | None, form: str | None, licence: str | None, missing: dict[str, str]
) -> Iterator[Part]:
    plugin, named = registry.task_source(name)
    splits, views = ([], ()) if named else (_splits(plugin), VIEWS.get(plugin, ()))
    if not splits:
        yield _part(name, source, form, licence)
        return
    # One file holds the rows of MBPP's splits, but not those of its other version.
    views = () if source is not None and not storage.is_folder(source) else views
    seen: set[str] = set()
    read_as: dict[tuple[str, ...], str] = {}
    for split in [*splits, *views]:
        try:
            part = _part(f"{name}:{split}", source, form, licence)
        except FileNotFoundError as error:
            missing[f"{name}:{split}"] = str(error)
            continue
        same = read_as.setdefault(tuple(statement(task) for task in part.plain.values()), part.name)
        if same != part.name and not seen.issuperset(part.plain):
            raise ValueError(f"{source} was read as {same} and as {part.name}, with the same problems; say which it is")
        if split in views:
            yield replace(part, view=True)
        elif not seen.issuperset(part.plain):
            seen.update(part.plain)
            yield part
    if not seen:
        raise FileNotFoundError("; ".join(dict.fromkeys(missing.values())))


def _splits(plugin: str) -> list[str]:
    roles: dict[str, str] = getattr(registry.task_class(plugin), "ROLES", {})
    return [split for split, kind in roles.items() if kind != "any" and split not in ASIDE]


def _part(name: str, source: str | None, form: str | None, licence: str | None) -> Part:
    plugin, named = registry.task_source(name)
    forms = getattr(registry.task_class(name), "FORMS", ())
    if form is not None and forms and form not in forms:
        raise ValueError(registry.unknown(f"form of {plugin}", form, forms))
    given = {"source": source} if source is not None and has_option(name, "source") else {}
    opened: Any = load(name, **given)
    tasks = read(name, source=source, form=form)
    split = getattr(opened, "part", named.get("split", "all"))
    path = named.get("source", "").replace("\\", "/").rpartition("/")[2].removesuffix(".gz")
    dataset = path.rpartition(".")[0] or plugin.partition(":")[0].rpartition(".")[2]
    return Part(
        name=name,
        dataset=dataset,
        split=split,
        tasks=tasks,
        plain={task.id: task for task in read(name, source=source)},
        licence=licence or _licence(name, plugin, tasks),
        left_out=[_unusable(error) for error in getattr(opened, "left_out", list)()],
        stem=f"{dataset}_{split}" if len(_splits(plugin)) > 1 or split in VIEWS.get(plugin, ()) else dataset,
    )


def _unusable(error: Any) -> str:
    # The folder that the file lies in is no fact about the data.
    return f"{error.where.replace(chr(92), '/').rpartition('/')[2]}: {error.why}"


def _licence(name: str, plugin: str, tasks: Sequence[Task]) -> str:
    default = LICENCES.get(plugin, UNKNOWN)
    own = {task.meta.get("licence", task.meta.get("license")) or default for task in tasks}
    if UNKNOWN in own:
        raise ValueError(
            f"{name}: no licence is known for its data; say under which one it may be used with --licence, "
            "or write it into meta.licence of each row"
        )
    return " AND ".join(sorted(map(str, own)))


def _refuse_shared_ids(parts: Sequence[Part]) -> None:
    owners: dict[str, str] = {}
    for part in parts:
        for task in part.tasks:
            if (owner := owners.setdefault(task.id, part.name)) != part.name:
                raise ValueError(
                    f"the id {task.id!r} is in {owner} and in {part.name}; ids must differ between sources"
                )
