"""Where one program runs: a folder that is made for it and removed whatever it did there."""

import os

_SHOWN = 8192


class Place:
    """Where one program runs: an empty folder of its own, and two capped places for what it prints."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        os.mkdir(folder, 0o700)
        self.outputs = [_scratch(folder), _scratch(folder)]

    def close(self) -> list[str]:
        """Remove everything; returns the heads of both outputs."""
        heads = [os.pread(output, _SHOWN, 0).decode("utf-8", "replace") for output in self.outputs]
        for output in self.outputs:
            os.close(output)
        remove(self.folder)
        return heads


def _scratch(folder: str) -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("output")
    descriptor = os.open(f"{folder}.out", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(f"{folder}.out")
    return descriptor


def remove(folder: str) -> None:
    """Remove a folder whatever is in it: what nests is first moved up, since a path can be too long to name."""
    try:
        os.rmdir(folder)
        return
    except OSError:
        os.chmod(folder, 0o700)
    moved = 0
    while names := os.listdir(folder):
        for name in names:
            path = os.path.join(folder, name)
            try:
                os.unlink(path)
                continue
            except OSError:
                os.chmod(path, 0o700)
            for inner in os.listdir(path):
                moved += 1
                os.rename(os.path.join(path, inner), os.path.join(folder, f"{moved}.moved"))
            os.rmdir(path)
    os.rmdir(folder)
