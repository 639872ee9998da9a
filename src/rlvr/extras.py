"""What to type for an optional dependency that is missing: a package and a clone are installed differently."""

import os
from pathlib import Path


def install(extra: str) -> str:
    """The command that installs an extra of this package, run from where one is."""
    root = Path(__file__).resolve().parents[2]
    place = f"-e '{os.path.relpath(root)}" if (root / "pyproject.toml").is_file() else "'rlvr"
    return f"pip install {place}[{extra}]'"
