"""MBPP: 974 short Python problems with three asserts each, 427 of them sanitized (Austin et al. 2021, 2108.07732)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from rlvr.records import Task
from rlvr.tasks._asserts import asserts_question, mbpp_number, unwrapped
from rlvr.tasks._dataset import DatasetWithExamples
from rlvr.tasks._files import Row
from rlvr.tasks._prompts import Question
from rlvr.tasks._source import Origin

_FULL = Origin(
    dataset="mbpp",
    files=("mbpp.jsonl.gz", "mbpp_train_full.jsonl"),
    url="https://github.com/google-research/google-research/raw/master/mbpp/mbpp.jsonl",
    hub="google-research-datasets/mbpp",
    hub_files=("full/*.parquet",),
)
_SANITIZED = Origin(
    dataset="mbpp:sanitized",
    files=("sanitized-mbpp.json",),
    url="https://github.com/google-research/google-research/raw/master/mbpp/sanitized-mbpp.json",
    hub="google-research-datasets/mbpp",
    hub_files=("sanitized/*.parquet",),
)
_OFFICIAL = {"prompt": range(1, 11), "test": range(11, 511), "validation": range(511, 601), "train": range(601, 975)}
_IDS = {**_OFFICIAL, "all": range(1, 975), "sanitized": range(1, 975), "reg": range(602, 975, 4)}
_SHOWN = (2, 3, 4)


@dataclass(frozen=True, kw_only=True)
class Mbpp(DatasetWithExamples):
    """Write a function from one sentence. Code runs first, then the setup, then the asserts.

    The completion form is the paper's prompt with the asserts, `[BEGIN]` and `[DONE]`, as lm-evaluation-harness has
    it; its worked examples are 2, 3 and 4 of `prompt`. Chat names the function and shows one call. Either shows the
    setup of the two problems that have one, because their asserts make no sense without it.

    `meta.split` and `meta.role` follow the official id ranges whatever was asked for, so that a test problem is
    `test_only` in `all` and `sanitized` too. Files that `rlvr prepare` writes (`mbpp_train_full.jsonl`) are read too;
    they hold no solutions.
    """

    ROLES: ClassVar[dict[str, str]] = {
        "train": "train",
        "validation": "validation",
        "test": "test_only",
        "prompt": "train",
        "all": "any",
        "sanitized": "any",
        "reg": "train",
    }
    SHOTS: ClassVar[int] = len(_SHOWN)

    split: str = "train"
    """By id: `prompt` 1-10, `test` 11-510, `validation` 511-600, `train` 601-974, `all`; `sanitized`: the file of
    427 that were checked by hand; `reg`: 94 of `train` (602, 606 ... 974) as a quick regression check, not held out."""

    def origin(self, part: str) -> Origin:
        return _SANITIZED if part == "sanitized" else _FULL

    def rows(self) -> list[Row]:
        # The hub keeps the official splits in another order than the files.
        return sorted((row for row in self._all_rows() if mbpp_number(row) in _IDS[self.part]), key=mbpp_number)

    def _all_rows(self) -> Iterator[Row]:
        return self.origin(self.part).rows(self.source)

    def examples(self) -> Iterator[tuple[Question, str]]:
        rows = {mbpp_number(row): row for row in self._all_rows() if mbpp_number(row) in _SHOWN}
        if missing := [number for number in _SHOWN if number not in rows or "code" not in rows[number].values]:
            raise ValueError(f"{self}: the file holds no solution of problem {missing[0]}, a worked example")
        for number in _SHOWN:
            code = rows[number].text("code").strip("\n")
            answer = f"{code}\n[DONE]" if self.form == "completion" else f"```python\n{code}\n```"
            yield self._problem(rows[number])[0], answer

    def task(self, row: Row) -> Task:
        number = mbpp_number(row)
        if number in _SHOWN[: self.shots]:
            raise row.unusable("that are shown with their solutions before every problem")
        asked, entry_point, tests, setup = self._problem(row)
        sanitized = self.part == "sanitized"
        split = next(split for split, ids in _OFFICIAL.items() if number in ids)
        return self.make(
            f"{'MBPP-sanitized' if sanitized else 'MBPP'}/{number}",
            asked,
            {"style": "asserts", "tests": tests, "setup": setup, "entry_point": entry_point},
            "unit_tests",
            stop=("[DONE]",),
            dataset="mbpp_sanitized" if sanitized else "mbpp",
            split=split,
            role=self.ROLES[split],
            entry_point=entry_point,
            solution=None if _prepared(row) else row.text("code"),
        )

    def _problem(self, row: Row) -> tuple[Question, str, list[str], str]:
        """The question, the function's name, its tests and their setup."""
        text = self._text(row)
        given = row.text("tests") if _prepared(row) else row.texts("test_list")
        parts = (*row.texts("test_imports", ()), row.text("test_setup_code", ""))
        setup = "\n".join(part for part in parts if part)
        try:
            setup, tests = unwrapped(given) if isinstance(given, str) else (setup, given)
            asked, entry_point = asserts_question(text, tests, setup)
        except (SyntaxError, ValueError) as error:
            raise row.error(f"field {'tests' if _prepared(row) else 'test_list'}: {error}") from error
        return asked, entry_point, tests, setup

    def _text(self, row: Row) -> str:
        if _prepared(row):
            return row.text("prompt")
        field, other = ("prompt", "text") if self.part == "sanitized" else ("text", "prompt")
        if field not in row.values and other in row.values:
            right = self.origin(self.part).files[0]
            raise row.error(f"field {field!r} is missing but {other!r} is there; mbpp:{self.part} needs {right}")
        return row.text(field)


def _prepared(row: Row) -> bool:
    return "tests" in row.values and "test_list" not in row.values
