"""The shelf of sources: each file holds one frozen dataclass that is iterated for `Task` records.

`load("mbpp:train")` and `load("tasks.jsonl")` find the right one. A source of one's own is made of `Dataset`, `Origin`,
`Question` and `Row`, or of `Source` where its tasks do not come from rows of a file.
"""

from rlvr.tasks._asserts import asserts_question
from rlvr.tasks._dataset import Dataset, DatasetWithExamples, Source
from rlvr.tasks._files import Row, UnusableRowError
from rlvr.tasks._prompts import Question
from rlvr.tasks._source import Origin, load
from rlvr.tasks._texts import texts, texts_of

__all__ = [
    "Dataset",
    "DatasetWithExamples",
    "Origin",
    "Question",
    "Row",
    "Source",
    "UnusableRowError",
    "asserts_question",
    "load",
    "texts",
    "texts_of",
]
