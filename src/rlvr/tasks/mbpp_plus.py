"""MBPP+: 378 problems of sanitized MBPP with some 35 times as many tests (Liu et al. 2023, arXiv 2305.01210)."""

import ast
from dataclasses import dataclass
from typing import ClassVar

from rlvr.records import Json, Limits, Task
from rlvr.tasks import _evalplus
from rlvr.tasks._asserts import asserts_question, mbpp_number
from rlvr.tasks._dataset import Dataset
from rlvr.tasks._files import Row
from rlvr.tasks._source import Origin

_ORIGIN = Origin(
    dataset="mbpp_plus",
    files=("MbppPlus.jsonl.gz", "mbpp_plus.jsonl.gz"),
    url="https://github.com/evalplus/mbppplus_release/releases",
    hub="evalplus/mbppplus",
    hub_files=("*.parquet",),
)


@dataclass(frozen=True, kw_only=True)
class MbppPlus(Dataset):
    """A benchmark only: every task has the role `test_only`, although some of the problems are MBPP's for training.

    Asked as `mbpp` asks. Reads the published file (inputs and a solution, which the tests run) and the hub's (a column
    of tests). Problem 164 is left out of the published file, because EvalPlus' judge accepts any answer to it.
    """

    ROLES: ClassVar[dict[str, str]] = {"test": "test_only"}

    split: str = "test"

    def origin(self, part: str) -> Origin:
        return _ORIGIN

    def task(self, row: Row) -> Task:
        return self._published(row) if "plus_input" in row.values else self._of_hub(row)

    def _of_hub(self, row: Row) -> Task:
        shown = row.texts("test_list")
        setup = "\n".join(row.texts("test_imports", ()))
        return self._made(row, row.text("prompt"), shown, setup, row.text("code"), {
            "style": "asserts", "tests": [row.text("test")], "setup": setup,
        })  # fmt: skip

    def _published(self, row: Row) -> Task:
        entry_point, solution = row.text("entry_point"), row.text("canonical_solution")
        if entry_point in _evalplus.ANY_ANSWER:
            raise row.unusable("to which any answer is right")
        number = mbpp_number(row)
        try:
            inputs = [_evalplus.of_mbpp(number, arguments) for arguments in _evalplus.inputs(row)]
        except (TypeError, ValueError, AttributeError) as error:
            raise row.error(f"fields base_input and plus_input: not the arguments of MBPP/{number}: {error}") from error
        problem, shown = _docstring(row)
        return self._made(row, problem, shown, "", solution, {
            "style": "check", "tests": _evalplus.tests(row, solution, entry_point, inputs), "setup": "",
        })  # fmt: skip

    def _made(
        self, row: Row, problem: str, shown: list[str], setup: str, solution: str, reference: dict[str, Json]
    ) -> Task:
        try:
            asked, entry_point = asserts_question(problem, shown, setup)
        except (SyntaxError, ValueError) as error:
            raise row.error(f"the example tests: {error}") from error
        return self.make(
            f"MBPP+/{mbpp_number(row)}",
            asked,
            {**reference, "entry_point": entry_point},
            "unit_tests",
            stop=("[DONE]",),
            limits=Limits(cpu_s=20.0),
            entry_point=entry_point,
            solution=solution,
        )


def _docstring(row: Row) -> tuple[str, list[str]]:
    """The problem and the asserts of a prompt that is a docstring."""
    try:
        text = ast.literal_eval(row.text("prompt").strip())
        lines = text.strip().split("\n")
    except (SyntaxError, ValueError, AttributeError) as error:
        raise row.error(f"field prompt should be a docstring, not {row.text('prompt')!r:.60}") from error
    shown = [line.strip() for line in lines if line.strip().startswith("assert ")]
    return "\n".join(line for line in lines if not line.strip().startswith("assert ")).strip(), shown
