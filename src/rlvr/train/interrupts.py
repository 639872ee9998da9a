"""Ctrl-C and SIGTERM end the step that is under way, not the process."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SAID = "stopping: the step under way ends first, and is saved. Ctrl-C once more stops at once, and loses this step."


@contextmanager
def interruptible(say: Callable[[str], None]) -> Iterator[list[int]]:
    """A first SIGINT or SIGTERM is noted, and said, so that the step can end; a second SIGINT interrupts at once."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, frame: FrameType | None) -> None:
        if not noted:
            # In a thread: the one that a signal interrupts may be writing to the same stream.
            threading.Thread(target=say, args=(SAID,)).start()
        noted.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
