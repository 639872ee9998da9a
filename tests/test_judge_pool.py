"""A pool keeps order, runs what repeats once, forgets what may change, and outlives the death of its processes."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from rlvr.records import Job, Limits
from rlvr.sandboxes.local import Local

SLOW = Limits(cpu_s=0.2, wall_s=0.5)


def job(value, tests=2, **limits) -> Job:
    reference = {"style": "asserts", "tests": [f"assert f({n}) == {n} + 7" for n in range(tests)]}
    return Job(f"def f(n):\n    return n + {value}", reference, limits=Limits(**limits))


def passes(execution) -> bool:
    return execution.ended == "finished" and all(test.outcome == "passed" for test in execution.tests)


def test_order_is_kept_and_what_repeats_runs_once():
    jobs = [job(value, tests) for value in (7, 8, 7, 9) for tests in (1, 2, 1)] * 3
    with Local(workers=2).open() as sandbox:
        executions = sandbox.run_many(jobs)
        assert [passes(execution) for execution in executions] == ["+ 7" in job.program for job in jobs]
        assert [execution.tests_total for execution in executions] == [len(job.tests["tests"]) for job in jobs]
        assert (sandbox.executed, sandbox.served) == (6, 36)
        assert sandbox.run_many(jobs[:4]) == executions[:4]
        assert (sandbox.executed, sandbox.served) == (6, 40)
        sandbox.run(job(7, 1, cpu_s=3.0))
        assert sandbox.executed == 7
        assert sandbox.run_many([]) == []


def test_a_timeout_is_never_remembered():
    sleeper = Job("import time\ntime.sleep(9)", job(7).tests, limits=SLOW)
    with Local(workers=1).open() as sandbox:
        first, twin = sandbox.run_many([sleeper, sleeper])
        assert (first.ended, twin.ended, sandbox.executed) == ("timeout", "timeout", 1)
        sandbox.run(sleeper)
        assert sandbox.executed == 2


def test_many_threads_share_one_pool():
    results: dict[int, list[bool]] = {}

    def use(number: int) -> None:
        results[number] = [passes(execution) for execution in sandbox.run_many([job(7, number + 1), job(number)])]

    with Local(workers=2).open() as sandbox:
        threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {number: [True, number == 7] for number in range(8)}


def test_a_zygote_that_dies_is_replaced_and_its_jobs_run_again():
    with Local(workers=1).open() as sandbox:
        assert passes(sandbox.run(job(7)))
        zygote = sandbox._workers[0]._process.pid
        killer = threading.Timer(0.3, os.kill, (zygote, signal.SIGKILL))
        killer.start()
        waiting = [Job(f"import time\ntime.sleep(0.2)\ndef f(n):\n    return n + {n}", job(7).tests) for n in (6, 7, 8)]
        assert [passes(execution) for execution in sandbox.run_many(waiting)] == [False, True, False]
        assert sandbox._workers[0]._process.pid != zygote


def test_closing_ends_everything_at_once_and_leaves_nothing():
    failures = []

    def wait() -> None:
        try:
            sandbox.run(Job("import time\ntime.sleep(60)", job(7).tests))
        except RuntimeError as error:
            failures.append(str(error))

    with Local(workers=1).open() as sandbox:
        thread = threading.Thread(target=wait)
        thread.start()
        while sandbox._workers[0]._process is None:
            time.sleep(0.01)
        time.sleep(0.3)
        folder = sandbox._workers[0]._folder
    thread.join(5)
    assert failures == ["the sandbox was closed while programs were waiting in it"]
    assert not os.path.exists(folder)


def test_a_caller_that_is_killed_leaves_no_process_and_no_file():
    script = textwrap.dedent("""
        import os, sys, threading, time
        from rlvr.records import Job
        from rlvr.sandboxes.local import Local
        with Local(workers=1).open() as sandbox:
            tests = {"style": "asserts", "tests": ["assert f() == 1"]}
            sandbox.run(Job("def f():\\n    return 1", tests))
            print(sandbox._workers[0]._process.pid, sandbox._workers[0]._folder, flush=True)
            sandbox.run(Job("import time\\ntime.sleep(60)\\ndef f(): pass", tests))
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        zygote, folder = caller.stdout.readline().split()
        time.sleep(0.2)
        caller.kill()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (_runs(zygote) or os.path.exists(folder)):
        time.sleep(0.02)
    assert not _runs(zygote)
    assert not os.path.exists(folder)


def _runs(pid: str) -> bool:
    """A zombie, which nobody may be there to wait for, does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("tests", [{"style": "nothing"}, {"style": "asserts", "tests": ["("]}])
def test_unusable_tests_are_refused_before_anything_runs(tests):
    with Local(workers=1).open() as sandbox:
        with pytest.raises(ValueError, match=r"no style|does not parse"):
            sandbox.run_many([job(7), Job("x", tests)])
        assert sandbox.executed == 0


def test_what_cannot_be_had_is_refused_with_what_there_is(monkeypatch):
    with pytest.raises(ValueError, match="There are: auto, full, restricted, process"):
        Local(isolation="vault")
    with pytest.raises(ValueError, match="workers"):
        Local(workers=-1)
    with Local(workers=1).open() as sandbox, pytest.raises(ValueError, match="python"):
        sandbox.run(Job("int main() {}", {}, language="cpp"))
    monkeypatch.delattr(os, "fork")
    with pytest.raises(ValueError, match="WSL"), Local().open():
        pass


def test_a_hundred_jobs_in_one_event_loop_need_no_thread_each():
    async def use() -> tuple[list[bool], int]:
        runs = asyncio.gather(*(sandbox.run_async(job(7 + (n % 10 == 0), 1 + n % 3)) for n in range(100)))
        await asyncio.sleep(0)
        while_running = threading.active_count()
        executions = await runs
        many = await sandbox.arun_many([job(n) for n in range(20)])
        return [passes(execution) for execution in [*executions, *many]], while_running

    with Local(workers=2).open() as sandbox:
        before = threading.active_count()
        results, threads = asyncio.run(use())
    assert results == [*(n % 10 != 0 for n in range(100)), *(n == 7 for n in range(20))]
    assert threads == before


def test_who_brings_more_than_the_queue_holds_waits():
    sleeper = "import time\ntime.sleep(0.02)\ndef f(n):\n    return n + 7"
    jobs = [Job(sleeper + f"\n# {n}", job(7, 1 + n % 3).tests) for n in range(40)]

    async def cancelled() -> None:
        task = asyncio.ensure_future(sandbox.arun_many(jobs))
        while not sandbox._queue._items:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Local(workers=1).open() as sandbox:
        sandbox._queue._size = 2
        longest = 0

        def watch() -> None:
            nonlocal longest
            while thread.is_alive():
                longest = max(longest, len(sandbox._queue._items))
                time.sleep(0.001)

        results: list[bool] = []
        thread = threading.Thread(
            target=lambda: (
                results.extend(passes(sandbox.run(one)) for one in jobs[:5])
                or results.extend(map(passes, sandbox.run_many(jobs)))
            )
        )
        watcher = threading.Thread(target=watch)
        thread.start()
        watcher.start()
        thread.join()
        watcher.join()
        assert results == [True] * 45
        assert 0 < longest <= 2
        # What has not started when nobody waits any more does not run, and the pool goes on.
        sandbox._memory.clear()
        asyncio.run(cancelled())
        assert all(future.cancelled() for *_, future in list(sandbox._queue._items))
        assert not sandbox._queue._waiting
        assert passes(sandbox.run(job(7)))


def test_threads_and_event_loops_share_one_full_queue():
    async def use() -> list[bool]:
        return [
            passes(each) for each in await asyncio.gather(*(sandbox.run_async(job(7, n % 4 + 1)) for n in range(30)))
        ]

    found: list[list[bool]] = []
    with Local(workers=2).open() as sandbox:
        sandbox._queue._size = 1
        threads = [threading.Thread(target=lambda: found.append(asyncio.run(use()))) for _ in range(2)]
        threads += [
            threading.Thread(
                target=lambda k=k: found.append([passes(sandbox.run(job(7, n % 4 + 1))) for n in range(k)])
            )
            for k in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(map(len, found)) == [*range(8), 30, 30]
    assert all(map(all, found))


def test_a_judge_that_dies_again_and_again_is_an_error_of_ours():
    """As root, where no program can reach the judge; for others see the attacks."""
    if os.getuid():
        pytest.skip("needs root: other users' programs may kill their judge, and answer for it")

    def kill_all() -> None:
        while not done.wait(0.02):
            process = sandbox._workers[0]._process
            if process is not None and os.path.exists(f"/proc/{process.pid}/task/{process.pid}/children"):
                with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
                    if file.read():
                        process.kill()

    done = threading.Event()
    with Local(workers=1).open() as sandbox:
        killer = threading.Thread(target=kill_all)
        killer.start()
        execution = sandbox.run(Job("import time\ntime.sleep(5)\ndef f(n):\n    return n + 7", job(7).tests))
        done.set()
        killer.join()
        assert execution.ended == "judge_error"
        assert {test.outcome for test in execution.tests} == {"judge_error"}
        assert passes(sandbox.run(job(7)))


def test_a_judge_that_cannot_start_is_an_error_of_ours_and_no_programs(monkeypatch, capfd):
    monkeypatch.setattr("rlvr.judge.worker._BOOT", "raise SystemExit('no')")
    with Local(workers=1).open() as sandbox:
        assert sandbox.run(job(7)).ended == "judge_error"


def test_an_interrupt_ends_at_once():
    script = textwrap.dedent("""
        import os
        from rlvr.records import Job
        from rlvr.sandboxes.local import Local
        tests = {"style": "asserts", "tests": ["assert f() == 1"]}
        jobs = [Job(f"import time\\ntime.sleep(60)\\ndef f(): return {n}", tests) for n in range(200)]
        with Local(workers=2).open() as sandbox:
            sandbox.run(Job("def f():\\n    return 1", tests))
            print("ready", flush=True)
            sandbox.run_many(jobs)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "ready\n"
        time.sleep(0.2)
        caller.send_signal(signal.SIGINT)
        _, errors = caller.communicate(timeout=10)
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_what_is_remembered_does_not_grow_with_the_programs():
    reference = {"style": "asserts", "tests": ["assert f(1) == 1"]}
    with Local(workers=1).open() as sandbox:
        sandbox.run(Job("f = abs\n" + "#" * 1_000_000, reference))
        assert sum(len(part) for key in sandbox._memory for part in key) < 1000
