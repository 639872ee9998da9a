"""What all sources share: splits with slices, order, limits, rows that are left out; and, for datasets, the prompts.

A new dataset is a subclass of `Dataset` that says its splits, where its files are, and what task a row makes;
docs/tasks.md shows a whole one.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import islice
from typing import Any, ClassVar, Literal

from rlvr.records import Json, Limits, Task
from rlvr.registry import unknown
from rlvr.tasks._files import Ids, Row, UnusableRowError
from rlvr.tasks._prompts import FORMS, Question, Style
from rlvr.tasks._source import Origin

LOG = logging.getLogger("rlvr.tasks")

Form = Literal["completion", "chat", "thinking"]


@dataclass(frozen=True)
class Slice:
    """`train`, or some of it: `train[:100]`, `train[-50:]`, `train[10%:20%]`, as the hub's library writes it."""

    part: str
    start: int | None = None
    stop: int | None = None
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> "Slice":
        """Raises `ValueError` that shows how a slice is written."""
        match = re.fullmatch(r"([^\[\]]*)(?:\[(-?\d+)?(%)?:(-?\d+)?(%)?\])?", text)
        if match is None:
            raise ValueError(f"{text!r} is no split; write NAME, NAME[:100], NAME[100:200] or NAME[10%:20%]")
        part, start, start_unit, stop, stop_unit = match.groups()
        units = {unit for bound, unit in ((start, start_unit), (stop, stop_unit)) if bound}
        if len(units) > 1 or (start_unit and not start) or (stop_unit and not stop):
            raise ValueError(f"{text!r}: both ends of a slice are counts, or both are per cent: NAME[10%:20%]")
        found = cls(part, int(start) if start else None, int(stop) if stop else None, units == {"%"})
        if found.percent and any(abs(bound or 0) > 100 for bound in (found.start, found.stop)):
            raise ValueError(f"{text!r}: per cent go from -100 to 100")
        return found

    def of(self, tasks: Iterable[Task]) -> Iterable[Task]:
        """Lazily where the number of tasks does not matter."""
        if not self.percent and (self.start or 0) >= 0 and (self.stop is None or self.stop >= 0):
            return islice(tasks, self.start, self.stop)
        found = list(tasks)
        bounds = (self.start, self.stop)
        if self.percent:
            bounds = tuple(None if bound is None else round(bound * len(found) / 100) for bound in bounds)
        return found[slice(*bounds)]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Tasks from somewhere: a slice of a split, in order or shuffled, at most so many."""

    ROLES: ClassVar[Mapping[str, str]]
    """Every split, with the role of its tasks: `train`, `validation` or `test_only`."""

    split: str
    """A split, or a slice of one: `train[:100]`, `train[10%:20%]`."""
    shuffle: int | None = None
    """A seed: tasks come in an order that follows from it and their ids alone; None: the file's order."""
    limit: int | None = None
    """At most so many tasks, of the shuffled ones where `shuffle` is given."""

    def __post_init__(self) -> None:
        if self.part not in self.ROLES:
            raise ValueError(unknown(f"split of {self.name}", self.part, self.ROLES))
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit should be 1 or more, or left out, not {self.limit}")

    @property
    def name(self) -> str:
        """What the registry calls it: the name of its file."""
        return type(self).__module__.rpartition(".")[2]

    @cached_property
    def chosen(self) -> Slice:
        return Slice.parse(self.split)

    @property
    def part(self) -> str:
        """The split without its slice."""
        return self.chosen.part

    def read(self) -> Iterator[Task | UnusableRowError]:
        """All of the split in the file's order; in place of a row that cannot be a task, the error that says why."""
        raise NotImplementedError

    def left_out(self) -> list[UnusableRowError]:
        """Every row of the split of which no task can be made, with `where` and `why`."""
        return [item for item in self.read() if isinstance(item, UnusableRowError)]

    def __iter__(self) -> Iterator[Task]:
        """Rows that are left out are counted in a warning of the logger `rlvr.tasks`.

        Raises `ValueError` for a row that is wrong or has the id of another, and where there are no tasks.
        """
        left_out: list[UnusableRowError] = []
        tasks = self.chosen.of(self._usable(left_out))
        if self.shuffle is not None:
            tasks = sorted(tasks, key=lambda task: blake2b(f"{self.shuffle} {task.id}".encode()).digest())
        empty = True
        for task in islice(tasks, self.limit):
            empty = False
            yield task
        why = _summary(left_out)
        if empty:
            raise ValueError(f"no tasks in {self}" + (f": {why}" if why else ""))
        if why:
            LOG.warning("%s: %s", self, why)

    def _usable(self, left_out: list[UnusableRowError]) -> Iterator[Task]:
        for item in self.read():
            if isinstance(item, UnusableRowError):
                left_out.append(item)
            else:
                yield item

    def __str__(self) -> str:
        return f"{self.name}:{self.split}"


def _summary(left_out: list[UnusableRowError]) -> str:
    if not left_out:
        return ""
    first = {error.why: error.where for error in reversed(left_out)}
    reasons = [f"{n} {why} (first: {first[why]})" for why, n in Counter(error.why for error in left_out).most_common()]
    return f"{len(left_out)} rows left out: {'; '.join(reasons)}"


@dataclass(frozen=True, kw_only=True)
class Dataset(Source):
    """A published dataset: rows of its file make tasks, asked in one of several forms."""

    FORMS: ClassVar[tuple[str, ...]] = FORMS
    source: str | None = None
    """A file, or a folder that holds it, local or `s3://`; None: the folder named by `RLVR_DATA`, else the hub."""
    form: Form = "completion"
    """`completion`: a text that base models continue. `chat`: messages. `thinking`: a text for base models that opens
    `<think>`; the answer is what follows `</think>`."""
    system: str | None = None
    """A first message of the role system; in the completion form, a text before the prompt."""
    prefix: str = ""
    """How the answer begins. The model continues it, and it is put before what the model wrote when that is judged."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.form not in self.FORMS:
            raise ValueError(unknown(f"form of {self.name}", self.form, self.FORMS))

    def origin(self, part: str) -> Origin:
        """Where the rows of a split are."""
        raise NotImplementedError

    def rows(self) -> Iterable[Row]:
        """Rows of the split in order; to be replaced where one file holds several splits."""
        return self.origin(self.part).rows(self.source)

    def task(self, row: Row) -> Task | None:
        """The task of a row, made by `make`; None: the row was not asked for (another level, another split).

        Raises `row.error(...)` for a wrong row and `row.unusable(why)` for one that is left out and counted.
        """
        raise NotImplementedError

    def read(self) -> Iterator[Task | UnusableRowError]:
        self._refuse_file_of_another_split()
        ids = Ids()
        for row in self.rows():
            try:
                task = self.task(row)
            except UnusableRowError as error:
                yield error
                continue
            if task is not None:
                ids.add(task.id, row)
                yield task

    def _refuse_file_of_another_split(self) -> None:
        """Rows of all splits look alike, and a test file taken for training would be trained on."""
        if not self.source or self.origin(self.part).owns(self.source):
            return
        if other := next((part for part in self.ROLES if self.origin(part).owns(self.source)), None):
            raise ValueError(f"{self.source} is the file of {self.name}:{other}, not of {self.name}:{self.part}")

    def __str__(self) -> str:
        return f"{super().__str__()} of {self.source}" if self.source else super().__str__()

    @cached_property
    def style(self) -> Style:
        return Style(self.form, self.system, self.prefix)

    def make(
        self,
        id: str,  # noqa: A002
        question: Question,
        reference: Json,
        verifier: str,
        *,
        stop: tuple[str, ...] = (),
        max_tokens: int = 512,
        extraction: str = "auto",
        limits: Limits | None = None,
        **meta: Any,
    ) -> Task:
        """A task asked in the form that was chosen.

        stop, extraction: of the completion form, and of completion and chat. meta: `dataset`, `split` and `role` are
        set unless given; a fact that is None is left out.
        """
        facts = {"dataset": self.name, "split": self.part, "role": self.ROLES[self.part], **meta}
        return Task(
            id=id,
            prompt=self.style.prompt(question),
            reference=reference,
            verifier=verifier,
            stop=self.style.stop(stop),
            max_tokens=self.style.max_tokens(max_tokens),
            extraction=self.style.extraction(extraction),
            limits=limits or Limits(),
            meta={key: value for key, value in facts.items() if value is not None}
            | ({"prefix": self.prefix} if self.prefix else {}),
        )


@dataclass(frozen=True, kw_only=True)
class DatasetWithExamples(Dataset):
    """A dataset with worked examples that can stand before the problem."""

    SHOTS: ClassVar[int]
    """How many worked examples there are."""

    shots: int = 0
    """Worked examples before the problem, from a split that is not for testing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.shots <= self.SHOTS:
            raise ValueError(f"{self.name} has {self.SHOTS} worked examples; shots cannot be {self.shots}")
        if self.shots and self.form == "thinking":
            raise ValueError("worked examples show no thinking; the thinking form takes no shots")

    def examples(self) -> Iterable[tuple[Question, str]]:
        """The worked examples, with answers as they stand in `form`. Raises `ValueError` where the file has none."""
        raise NotImplementedError

    @cached_property
    def style(self) -> Style:
        shots = tuple(islice(self.examples(), self.shots)) if self.shots else ()
        return Style(self.form, self.system, self.prefix, shots)
