"""What one program leaves behind: the heads of what it printed, and a folder that is as it was before."""

import os

from rlvr.judge.jail.walls import Jail

_SHOWN = 8192


class Place:
    """Where one program runs: its jail's folder for programs, an empty input, two capped places for what it prints.

    None of them is another program's, since locks and flags stay with an open file.
    """

    def __init__(self, jail: Jail) -> None:
        self.jail = jail
        self.input = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self.outputs = [_scratch(jail), _scratch(jail)]

    def close(self) -> list[str]:
        """Clean up; returns the heads of both outputs."""
        heads = [os.pread(output, _SHOWN, 0).decode("utf-8", "replace") for output in self.outputs]
        for descriptor in (self.input, *self.outputs):
            os.close(descriptor)
        self.jail.clean("program")
        return heads


def _scratch(jail: Jail) -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("output")
    path = f"{jail.folders['tests']}/{os.urandom(8).hex()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(path)
    return descriptor
