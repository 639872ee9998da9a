"""Verdicts do not depend on the machine's load, and ten thousand of them leave nothing behind."""

import gc
import os
import resource
import tempfile
import time

import pytest

from rlvr.judge import limits
from rlvr.records import Execution, Job, Limits
from rlvr.sandboxes.local import Local

TESTS = {"style": "asserts", "tests": ["assert f(2) == 9", "assert f(3) == 10"]}
HOSTILE = [
    "import os\nos._exit(0)",
    (
        "def f(n):\n    import os\n    if not os.fork():\n        os.setsid()\n        import time\n"
        "        time.sleep(100)\n    os._exit(0)"
    ),
    "class f(int):\n    __eq__ = lambda s, o: True\n    __hash__ = None",
    "def f(n):\n    open('left', 'w').write('x' * 1000)\n    import os\n    os.makedirs('a/b/c')\n    return 0",
    "import os\ndef f(n):\n    os.write(3, b'\\xff' * 100)\n    os._exit(0)",
    "def f(n):\n    return [0] * 10**10",
    (
        "import threading, time\nfor _ in range(8):\n"
        "    threading.Thread(target=time.sleep, args=(100,)).start()\ndef f(n):\n    return 0"
    ),
    "def f(n):\n    while True:\n        pass",
    (
        "import fcntl, struct\ndef f(n):\n    for file in range(4):\n"
        "        try: fcntl.fcntl(file, 37, struct.pack('hhqqi4x', 0, 0, n, 5, 0)), fcntl.flock(file, 1)\n"
        "        except OSError: pass\n    return 0"
    ),
    "class L(list): pass\nkept = L()\ndef f(n):\n    kept.append(L([kept]))\n    return kept",
    "class Z:\n    __pow__ = __mul__ = __float__ = __sub__ = lambda s, *o: 9.0\ndef f(n):\n    return Z()",
    "def f(n):\n    class E(Exception):\n        __str__ = lambda s: exit()\n    raise E(E(E(n)))",
]


def state(pid: int) -> tuple[int, int]:
    """Open descriptors and resident KiB."""
    with open(f"/proc/{pid}/status") as file:
        rss = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    return len(os.listdir(f"/proc/{pid}/fd")), rss


def passed(execution: Execution) -> bool:
    return execution.ended == "finished" and all(test.outcome == "passed" for test in execution.tests)


@pytest.mark.parametrize("runs", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_verifications_leave_nothing_behind(runs, tmp_path, monkeypatch):
    """Every tenth is hostile. The first part warms everything up, the rest must not add to it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Local(workers=2).open() as sandbox:
        sizes = []
        for number in range(4):
            jobs = [
                Job(
                    HOSTILE[n // 10 % len(HOSTILE)] + f"\n# {number} {n}"
                    if n % 10 == 0
                    else f"def f(n):\n    return n + 7 + 0 * {number} * {n}",
                    TESTS,
                    limits=Limits(cpu_s=0.1, wall_s=0.5, memory_mb=256),
                )
                for n in range(runs // 4)
            ]
            executions = sandbox.run_many(jobs)
            assert [passed(execution) for execution in executions] == [n % 10 != 0 for n in range(len(jobs))]
            assert not any(execution.ended == "judge_error" for execution in executions)
            sandbox._memory.clear()
            del jobs, executions
            gc.collect()
            keepers = [worker._process.pid for worker in sandbox._workers]
            zygotes = [pid for keeper in keepers for pid in limits.children(keeper)]
            sizes.append([state(pid) for pid in [os.getpid(), *keepers, *zygotes]])
            for worker in sandbox._workers:
                # A keeper, its zygote and a tests' process each, and nothing of a program.
                assert len(limits.tree([worker._process.pid])) <= 3
                assert sum(len(files) for _, _, files in os.walk(worker._folder)) == 0
        for (first_open, first_size), (last_open, last_size) in zip(sizes[0], sizes[-1], strict=True):
            assert last_open <= first_open
            assert last_size <= first_size + 4096
    assert list(tmp_path.iterdir()) == []
    assert limits.children(os.getpid()) == []


@pytest.mark.slow
def test_twelve_long_programs_at_once_pass_under_a_limit_that_each_keeps_alone():
    """1.5 CPU-s each under a limit of 3: by the wall they take six times as long on two cores."""
    program = (
        "import time\ndef f(n):\n    end = time.process_time() + 0.75\n    while time.process_time() < end:\n"
        "        sum(range(1000))\n    return n + 7\n# "
    )
    jobs = [Job(program + str(number), TESTS, limits=Limits(cpu_s=3.0, wall_s=300.0)) for number in range(12)]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with Local(workers=12).open() as sandbox:
        executions = sandbox.run_many(jobs)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began
    assert [execution.ended for execution in executions] == ["finished"] * 12
    assert all(map(passed, executions))
    assert all(1.5 <= execution.cpu_s < 3.0 for execution in executions)
    # They did run at once: more than their own time passed for each, unless there are cores for all.
    assert after.ru_utime - before.ru_utime >= 18.0 or wall < 18.0
