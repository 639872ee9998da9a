"""MBPP: 974 short Python problems with three asserts each, 427 of them sanitized (Austin et al. 2021, 2108.07732)."""

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rlvr.records import Message, Task
from rlvr.tasks._source import Origin, Row, choose, first

_FULL = Origin(
    dataset="mbpp",
    file="mbpp.jsonl.gz",
    url="https://github.com/google-research/google-research/raw/master/mbpp/mbpp.jsonl",
    hub=("google-research-datasets/mbpp", "full"),
)
_SANITIZED = Origin(
    dataset="mbpp:sanitized",
    file="sanitized-mbpp.json",
    url="https://github.com/google-research/google-research/raw/master/mbpp/sanitized-mbpp.json",
    hub=("google-research-datasets/mbpp", "sanitized"),
)
_OFFICIAL = {"prompt": range(1, 11), "test": range(11, 511), "validation": range(511, 601), "train": range(601, 975)}
_ROLES = {"prompt": "train", "test": "test_only", "validation": "validation", "train": "train"}
_IDS = {**_OFFICIAL, "all": range(1, 975), "sanitized": range(1, 975), "reg": range(602, 975, 4)}


@dataclass(frozen=True)
class Mbpp:
    """Write a function from one sentence. Code runs first, then the setup, then the asserts.

    `meta.split` and `meta.role` follow the official id ranges whatever slice was asked for, so that a test problem is
    `test_only` in `all` and `sanitized` too.
    """

    source: str | None = None
    """A file, or a folder with `mbpp.jsonl.gz` (`sanitized-mbpp.json`); None: `RLVR_DATA`'s folder, else the hub."""
    split: str = "train"
    """By id: `prompt` 1-10, `test` 11-510, `validation` 511-600, `train` 601-974, `all`; `sanitized`: the file of
    427 that were checked by hand; `reg`: 94 of `train` (602, 606 ... 974) as a quick regression check, not held out."""
    limit: int | None = None
    form: Literal["completion", "chat"] = "completion"
    """`completion`: the paper's prompt for base models, with the asserts, `[BEGIN]` and `[DONE]`, without examples.
    `chat`: one message that names the function and shows one call. Either shows the setup of the two problems that
    have one, because their asserts make no sense without it."""

    def __post_init__(self) -> None:
        choose("split of mbpp", self.split, _IDS)
        choose("form of mbpp", self.form, ["completion", "chat"])

    def __iter__(self) -> Iterator[Task]:
        origin = _SANITIZED if self.split == "sanitized" else _FULL
        ids = _IDS[self.split]
        rows = [row for row in origin.rows(self.source) if row.number("task_id") in ids]
        # The hub keeps the official splits in another order than the files.
        rows.sort(key=lambda row: row.number("task_id"))
        return first(
            (self._task(row) for row in rows),
            self.limit,
            f"mbpp:{self.split} (ids {ids[0]}-{ids[-1]}) of {self.source or origin.file}",
        )

    def _task(self, row: Row) -> Task:
        number, tests = row.number("task_id"), row.texts("test_list")
        text = self._problem(row)
        setup = "\n".join(part for part in (*row.texts("test_imports", ()), row.text("test_setup_code", "")) if part)
        try:
            entry_point, call = called(tests)
        except (SyntaxError, ValueError) as error:
            raise row.error(f"field test_list: {error}") from error
        chat = self.form == "chat"
        split = next(split for split, ids in _OFFICIAL.items() if number in ids)
        dataset = "mbpp_sanitized" if self.split == "sanitized" else "mbpp"
        return Task(
            id=f"{'MBPP-sanitized' if self.split == 'sanitized' else 'MBPP'}/{number}",
            prompt=_chat(text, entry_point, call, setup) if chat else _completion(text, tests, setup),
            reference={"style": "asserts", "tests": tests, "setup": setup, "entry_point": entry_point},
            verifier="unit_tests",
            stop=() if chat else ("[DONE]",),
            meta={
                "dataset": dataset,
                "split": split,
                "role": _ROLES[split],
                "entry_point": entry_point,
                "solution": row.text("code"),
            },
        )

    def _problem(self, row: Row) -> str:
        field, other = ("prompt", "text") if self.split == "sanitized" else ("text", "prompt")
        if field not in row.values and other in row.values:
            right = _SANITIZED if self.split == "sanitized" else _FULL
            raise row.error(f"field {field!r} is missing but {other!r} is there; mbpp:{self.split} needs {right.file}")
        return row.text(field)


def called(tests: list[str]) -> tuple[str, str]:
    """The function that asserts are about and its first call as source: the outermost call of a name that Python does
    not define, or, if every called name is a builtin (MBPP/126 asks for `sum`), the outermost of those.

    Raises `ValueError` where an assert does not call that function.
    """
    if not tests:
        raise ValueError("there are no tests")
    calls = [_calls(test) for test in tests]
    own = [call for call in calls[0] if not hasattr(builtins, call[0])] or calls[0]
    if not own:
        raise ValueError(f"no function is called in {tests[0]!r:.80}")
    name, source = own[0]
    for test, found in zip(tests, calls, strict=True):
        if name not in (other for other, _ in found):
            raise ValueError(f"{name} is not called in {test!r:.80}")
    return name, source


def _calls(test: str) -> list[tuple[str, str]]:
    """Called names with their calls, outermost first."""
    return [
        (node.func.id, ast.get_source_segment(test, node) or "")
        for node in ast.walk(ast.parse(test))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]


def _completion(text: str, tests: list[str], setup: str) -> str:
    shown = "\n".join([*([setup] if setup and not _only_imports(setup) else []), *tests[:3]])
    return (
        f"You are an expert Python programmer, and here is your task: {text} "
        f"Your code should pass these tests:\n\n{shown}\n[BEGIN]\n"
    )


def _chat(text: str, entry_point: str, call: str, setup: str) -> tuple[Message, ...]:
    shown = f"{setup}\n{call}" if setup and not _only_imports(setup) else call
    return (
        Message(
            "user",
            f"{text}\n\nName the function `{entry_point}`. It will be called like this:\n\n"
            f"```python\n{shown}\n```\n\nAnswer with the whole program in one Python code block.",
        ),
    )


def _only_imports(setup: str) -> bool:
    return all(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(setup).body)
