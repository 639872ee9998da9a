"""HumanEval: 164 functions to complete from signature and docstring (Chen et al. 2021, arXiv 2107.03374)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rlvr.records import Message, Task
from rlvr.tasks._source import Origin, Row, choose, first

_ORIGIN = Origin(
    dataset="humaneval",
    file="humaneval.jsonl.gz",
    url="https://github.com/openai/human-eval/raw/master/data/HumanEval.jsonl.gz",
    hub=("openai/openai_humaneval", "openai_humaneval"),
)
_INSTRUCTION = (
    "Complete this Python function. Answer with the whole program in one Python code block.\n\n```python\n{}\n```"
)


@dataclass(frozen=True)
class Humaneval:
    """A benchmark only: every task has the role `test_only`.

    `meta.solution` is an answer that passes in the chosen form: the body for `completion`, the program for `chat`.
    """

    source: str | None = None
    """A file, or a folder with `humaneval.jsonl.gz`; None: the folder named by `RLVR_DATA`, else the hub."""
    split: str = "test"
    limit: int | None = None
    form: Literal["completion", "chat"] = "completion"
    """`completion`: base models go on writing the file. `chat`: the same as one message with an instruction."""

    def __post_init__(self) -> None:
        choose("split of humaneval", self.split, ["test"])
        choose("form of humaneval", self.form, ["completion", "chat"])

    def __iter__(self) -> Iterator[Task]:
        return first(
            (self._task(row) for row in _ORIGIN.rows(self.source)), self.limit, f"{self.source or 'humaneval'}"
        )

    def _task(self, row: Row) -> Task:
        prompt, body, entry_point = row.text("prompt"), row.text("canonical_solution"), row.text("entry_point")
        chat = self.form == "chat"
        return Task(
            id=row.text("task_id"),
            prompt=(Message("user", _INSTRUCTION.format(prompt.strip())),) if chat else prompt,
            reference={
                "style": "check",
                "tests": row.text("test"),
                "entry_point": entry_point,
                "setup": "",
                "prompt": prompt,
            },
            verifier="unit_tests",
            # A base model never stops by itself: anything new at the left margin is past the function.
            stop=() if chat else ("\nclass", "\ndef", "\n#", "\nif", "\nprint"),
            meta={
                "dataset": "humaneval",
                "split": "test",
                "role": "test_only",
                "entry_point": entry_point,
                "solution": prompt + body if chat else body,
            },
        )
