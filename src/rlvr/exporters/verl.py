"""Tasks for reinforcement learning with verl: parquet, with what a reward function needs to judge an answer."""

import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rlvr import extras
from rlvr.exporters import Material, Row
from rlvr.exporters._files import asked
from rlvr.prepare.documents import role
from rlvr.records import Json, Task

ABILITIES = {
    "math": "math",
    "unit_tests": "code",
    "stdio": "code",
    "execution": "code_reasoning",
    "instructions": "instruction_following",
}


@dataclass(frozen=True)
class Verl:
    """`{"data_source", "prompt", "ability", "reward_model": {"style", "ground_truth"}, "extra_info"}` in parquet.

    `prompt` is a list of messages. `ground_truth` is a text: the answer of mathematics; `{"inputs", "outputs"}` as JSON
    for programs that read and print, where words are compared; else the verifier's reference as JSON. `extra_info` has
    `index`, `split`, `role`, `task_id` and `verifier`: a reward function finds the task by its id.
    """

    TRAINS: ClassVar[bool] = True
    CHAT: ClassVar[bool] = True

    data_source: str = ""
    """By which verl chooses a reward function of its own; empty: the data set's name here."""

    def rows(self, material: Material, left_out: Counter[str]) -> list[Row]:
        return [self._row(index, task) for index, task in enumerate(material.tasks)]

    def _row(self, index: int, task: Task) -> Row:
        dataset = task.meta.get("dataset") or task.id.rpartition("/")[0] or "rlvr"
        return {
            "data_source": self.data_source or str(dataset),
            "prompt": [message.to_json() for message in asked(task.prompt)],
            "ability": ABILITIES.get(task.verifier, task.verifier),
            "reward_model": {"style": "rule", "ground_truth": _ground_truth(task)},
            "extra_info": {
                "index": index,
                "split": str(task.meta.get("split", "")),
                "role": role(task),
                "task_id": task.id,
                "verifier": task.verifier,
            },
        }

    def files(self, rows: Sequence[Row], out: Path) -> Mapping[Path, bytes]:
        """Raises `ValueError` where pyarrow is not installed."""
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise ValueError(f"verl reads parquet; to write it: {extras.install('hub')}") from error
        file = io.BytesIO()
        parquet.write_table(pyarrow.Table.from_pylist(list(rows)), file)
        return {out: file.getvalue()}


def _ground_truth(task: Task) -> str:
    reference: Json = task.reference
    if task.verifier == "math":
        return reference["answer"]
    if task.verifier == "stdio" and reference.get("checker", "tokens") == "tokens":
        cases = reference["cases"]
        reference = {"inputs": [case["stdin"] for case in cases], "outputs": [case["stdout"] for case in cases]}
    return json.dumps(reference, ensure_ascii=False)
