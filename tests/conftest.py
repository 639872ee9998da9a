"""What every test shares: one thread for numerics, examples that repeat, and the folder with the public datasets."""

import os
from pathlib import Path

# Before anything imports a numeric library: more threads than cores make small models many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# No deadline: a busy machine is not a bug. Derandomised: a red run is red again on the next machine.
settings.register_profile("house", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("house")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder that `RLVR_DATA` names; tests that need it are skipped where there is none."""
    folder = os.environ.get("RLVR_DATA")
    if not folder:
        pytest.skip("needs public datasets: set RLVR_DATA to a folder that holds them")
    path = Path(folder)
    assert path.is_dir(), f"RLVR_DATA names {folder}, which is not a folder"
    return path
