"""Where a batch of groups comes from: the tasks' own solutions or preferences, live samples, another run's samples."""

from rlvr.batches.batch import Account, Group, Lost, Source, is_flat
from rlvr.batches.given import Demonstrations, Preferences
from rlvr.batches.live import Pending, Rollouts
from rlvr.batches.stored import Stored, stored_rows

__all__ = [
    "Account",
    "Demonstrations",
    "Group",
    "Lost",
    "Pending",
    "Preferences",
    "Rollouts",
    "Source",
    "Stored",
    "is_flat",
    "stored_rows",
]
