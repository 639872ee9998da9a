"""However a run ends, no process of it stays; and it does not begin where others hold the memory that it needs."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest
from training import GRPO, rows, status

from rlvr.train import train
from rlvr.train.devices import Card, occupied
from rlvr.train.interrupts import SAID, interruptible


def below(pid: int) -> set[int]:
    """All processes that a process has started, and theirs."""
    found: set[int] = set()
    # A process may end while it is looked at.
    with contextlib.suppress(OSError):
        for task in list(Path(f"/proc/{pid}/task").glob("*/children")):
            for child in map(int, task.read_text().split()):
                found |= {child} | below(child)
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are counted in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_no_process_outlives_the_run(recipe, display, tmp_path, number):
    asked = recipe(GRPO, "steps=100000", "sandbox.workers=2", "checkpoint.every=0")
    pid = os.fork()
    if pid == 0:
        try:
            train(asked, tmp_path / "run", display)
        finally:
            os._exit(7)
    started: set[int] = set()
    metrics = tmp_path / "run" / "metrics.jsonl"
    try:
        while not (metrics.exists() and len(rows(metrics)) >= 2):
            assert os.waitpid(pid, os.WNOHANG) == (0, 0), "the run ended by itself"
            started |= below(pid)
            time.sleep(0.01)
        started |= below(pid)
        os.kill(pid, number)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    assert len(started) >= 2, "there are workers"
    patience = time.monotonic() + 60
    while (left := {child for child in started if is_alive(child)}) and time.monotonic() < patience:
        time.sleep(0.02)
    assert not left
    if number == signal.SIGTERM:
        assert code == 7
        assert status(tmp_path / "run") == "interrupted"
        assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == [f"step_{len(rows(metrics))}"]
    else:
        assert code == -signal.SIGKILL


def test_the_first_ctrl_c_says_what_happens_and_the_second_stops_at_once():
    said: list[str] = []
    with interruptible(said.append) as noted:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert noted == [signal.SIGTERM] * 2
        while not said:
            time.sleep(0.001)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert said == [SAID]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


GIB = 2**30


def test_memory_that_others_hold_is_named_and_refused_where_too_little_is_left():
    assert occupied(Card(0, "H200", free=138 * GIB, total=139 * GIB), least=200 * GIB) == ""
    assert occupied(Card(0, "H200", free=100 * GIB, total=139 * GIB, own=39 * GIB), least=0) == ""
    held = "GPU 1 (H200): other processes hold 99.0 GiB of 139.0 GiB, and 40.0 GiB are free"
    assert occupied(Card(1, "H200", free=40 * GIB, total=139 * GIB), least=39 * GIB) == held
    with pytest.raises(ValueError, match=r"hold 99\.0 GiB .* alone need about 41\.0 GiB\. End those processes"):
        occupied(Card(1, "H200", free=40 * GIB, total=139 * GIB), least=41 * GIB)
