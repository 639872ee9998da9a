"""The shelf of sources: each file holds one frozen dataclass that is iterated for `Task` records.

`load("mbpp:train")` and `load("tasks.jsonl")` find the right one.
"""

from rlvr.tasks._source import load

__all__ = ["load"]
