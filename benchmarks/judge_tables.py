"""How `benchmarks/judge.py` writes down what it has measured."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cost:
    """One way of judging all of the work, per verdict unless it says otherwise."""

    passed: int
    n: int
    rate: float
    """Verdicts a second."""
    cpu_ms: float
    caller_ms: float
    """Of `cpu_ms`, what the calling process took."""
    programs_ms: float
    """Of `cpu_ms`, what the judge saw in the processes of programs and tests."""
    startup_ms: float
    """CPU to start and end one worker; not in `cpu_ms`."""
    latencies: tuple[float, ...] = ()
    """Seconds."""


Way = tuple[str, int, str]
"""Isolation, workers, and how the judge was called."""


def speed_table(costs: Mapping[Way, Sequence[Cost]]) -> list[str]:
    lines = [
        "CPU-ms each: the median of the rounds, and the least of them.",
        "",
        "| isolation | workers | calls | passed | verdicts/s | p50 ms | p99 ms | CPU-ms each | least "
        "| start of a worker, CPU-ms |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (level, workers, mode), rounds in costs.items():
        passed, n = min(cost.passed for cost in rounds), rounds[0].n
        latencies = [seconds for cost in rounds for seconds in cost.latencies]
        lines.append(
            f"| {level} | {workers} | {mode} | {passed}/{n} | {_median(cost.rate for cost in rounds):.0f} "
            f"| {percentiles(latencies)} | {_cpu_ms(rounds):.2f} | {min(cost.cpu_ms for cost in rounds):.2f} "
            f"| {_median(cost.startup_ms for cost in rounds):.0f} |"
        )
    return lines


def split_table(
    costs: Mapping[Way, Sequence[Cost]],
    nothing: Mapping[Way, Sequence[Cost]],
    workers: int,
    warm: Sequence[dict[str, Any]],
    machines: Sequence[tuple[float, float]],
) -> list[str]:
    """costs, nothing: of HumanEval and of empty programs. machines: a fork in ms and a page in microseconds."""
    warm_ms = _median(1000 * one["cpu_s"] / one["n"] for one in warm)
    fork_ms, page_us = (_median(each) for each in zip(*machines, strict=True))
    lines = [
        f"Where the CPU-ms of a verdict go (workers: {workers}; medians), two ways. By work: `fork` of a process like",
        "a worker's that ends at once; `jail`: what a verdict on an empty program takes more than at `process`;",
        "`transport`: the rest of such a verdict, so messages, the watch, and the pages that both sides touch;",
        "`problems` in one warm process (`warm` of `judge_peers.py`); `cold`: what is left, so running in fresh",
        "processes, whose memory is copied as it is touched, and the calls between them. By process: the caller;",
        "both sides (candidate and tests), by the judge's own account (`cpu_s`); the workers, which is what is left.",
        f"A page that a fork writes to first took {page_us:.2f} CPU-µs here; a program's process writes to some 400.",
        "",
        "| isolation | calls | whole | fork | jail | transport | problems | cold | caller | both sides | workers |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (level, _, mode), rounds in ((way, rounds) for way, rounds in costs.items() if way[1] == workers):
        whole, empty, bare = (
            _cpu_ms(each) for each in (rounds, nothing[level, workers, mode], nothing["process", workers, mode])
        )
        by_work = (fork_ms, empty - bare, bare - fork_ms, warm_ms, whole - empty - warm_ms)
        caller, programs = (_median(each) for each in zip(*((c.caller_ms, c.programs_ms) for c in rounds), strict=True))
        numbers = (whole, *by_work, caller, programs, whole - caller - programs)
        lines.append(f"| {level} | {mode} | " + " | ".join(f"{number:.2f}" for number in numbers) + " |")
    return lines


def peer_table(
    costs: Mapping[Way, Sequence[Cost]], workers: int, theirs: Mapping[str, Sequence[dict[str, Any]]]
) -> list[str]:
    """theirs: each peer's rounds, in the order of ours."""
    if not theirs:
        return []
    ways = [way for way in costs if way[1] == workers]
    shown = " | ".join(f"rlvr ({level}, {mode}) / this" for level, _, mode in ways)
    lines = [
        f"Others over the same work (workers: {workers}), in turn with rlvr; medians, and the range of the ratios:",
        "",
        f"| judge | passed | verdicts/s | p50 ms | p99 ms | CPU-ms each | least | {shown} |",
        "| --- | --- | --- | --- | --- | --- | --- |" + " --- |" * len(ways),
    ]
    for name, found in theirs.items():
        n, passed = found[0]["n"], min(one["passed"] for one in found)
        cpu_ms = [1000 * one["cpu_s"] / n for one in found]
        latencies = [seconds for one in found for seconds in one["latencies"]]
        ratios = " | ".join(
            _spread([mine.cpu_ms / its for mine, its in zip(costs[way], cpu_ms, strict=True)]) for way in ways
        )
        lines.append(
            f"| {name} {found[0]['version']} | {passed}/{n} | {_median(n / one['wall_s'] for one in found):.0f} "
            f"| {percentiles(latencies)} | {_median(cpu_ms):.2f} | {min(cpu_ms):.2f} | {ratios} |"
        )
    return lines


def _median(numbers: Iterable[float]) -> float:
    return statistics.median(numbers)


def _cpu_ms(rounds: Sequence[Cost]) -> float:
    return _median(cost.cpu_ms for cost in rounds)


def _spread(ratios: Sequence[float]) -> str:
    return f"{_median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def percentiles(latencies: Sequence[float]) -> str:
    if len(latencies) < 2:
        return "- | -"
    cuts = statistics.quantiles(latencies, n=100)
    return f"{1000 * cuts[49]:.1f} | {1000 * cuts[98]:.1f}"
