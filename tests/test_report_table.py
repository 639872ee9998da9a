"""The tables on standard output show the numbers of their results."""

import re
from pathlib import Path
from typing import Any

import pytest

from rlvr.evaluation.verify import Summary
from rlvr.report.table import print_results, print_summary, print_verification


def value(share: float) -> dict[str, float]:
    return {"value": share, "low": share - 0.05, "high": share + 0.05}


def results(share: float, outcomes: dict[str, int]) -> dict[str, Any]:
    metrics = {"pass@1": value(share), "pass@8": value(share + 0.1), "greedy": value(share + 0.02)}
    facts = {"n": 200, "samples": 16, "judge_errors": 0, "mean_tokens": 7.25, "truncated_share": 0.015, "by": {}}
    return {**facts, **metrics, "outcomes": outcomes}


@pytest.fixture(autouse=True)
def width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def rows(text: str) -> dict[str, list[str]]:
    """By first words: the cells, which two spaces separate."""
    found = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if line.strip()]
    return {first: cells for first, *cells in found}


def test_a_quickstart_shows_before_and_after_with_intervals_gains_outcomes_and_costs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = results(0.4, {"passed": 40, "wrong_answer": 60})
    raft = results(0.7, {"passed": 70, "timeout": 30})
    grpo = results(0.35, {"passed": 35, "wrong_answer": 65})
    print_summary(
        {
            "seconds": 115.64,
            "cpu_seconds": 103.2,
            "rollouts_judged": 55588,
            "verdicts_per_second": 2500.7,
            "judge_errors": 3,
            "stages": {"warmup": 33.7, "evaluate before": 5.1},
            "measured": {"before": before, "raft": raft, "grpo": grpo},
        }
    )
    text = capsys.readouterr().out
    table = rows(text)
    assert "200 held-out problems" in text
    assert table["before"] == ["40.0 %", "42.0 %", "50.0 %"]
    assert table["after RAFT"] == ["+30.0", "70.0 %", "+30.0", "72.0 %", "+30.0", "80.0 %"]
    assert table["after GRPO"][:2] == ["−5.0", "35.0 %"]
    assert "65.0 to 75.0" in text
    assert table["wrong answer"] == ["60.0 %", "0.0 %", "65.0 %"]
    assert table["timeout"] == ["0.0 %", "30.0 %", "0.0 %"]
    assert "runtime error" not in text
    assert (table["warmup"], table["all"]) == (["33.7"], ["115.6"])
    assert "103 CPU seconds, 55,588 programs judged, 2,501 verdicts a second, 3 judge errors" in text


def test_an_evaluation_shows_all_problems_and_each_group(capsys: pytest.CaptureFixture[str]) -> None:
    deep = results(0.2, {"passed": 2, "wrong_answer": 8})
    del deep["pass@8"]
    print_results({**results(0.4, {"passed": 40, "wrong_answer": 60}), "by": {"depth": {"2": deep}}})
    text = capsys.readouterr().out
    table = rows(text)
    assert table["all"] == ["40.0 %", "42.0 %"]
    assert table["depth 2"] == ["20.0 %", "22.0 %"]
    assert table["passed"] == ["40", "40.0 %"]
    assert "0 judge errors, 7.2 tokens a sample, 1.5 % truncated" in text


def test_parts_of_verdicts_are_shown_for_each_source(capsys: pytest.CaptureFixture[str]) -> None:
    def part(n: int, mean: float, per_test: float) -> dict[str, float]:
        return {"n": n, "mean": mean, "per_test": per_test}

    gsm8k = {**results(0.5, {"passed": 1}), "parts": {"strict": part(200, 0.4, 0.4)}}
    ifeval = {
        **results(0.3, {"passed": 1}),
        "parts": {"prompt_loose": part(200, 0.31, 0.33), "keywords:existence": part(7, 0.9, 0.9)},
        "greedy_parts": {"prompt_loose": part(200, 0.29, 0.28)},
    }
    sources = {"gsm8k": gsm8k, "ifeval": ifeval}
    print_results({**results(0.4, {"passed": 2}), "by": {"dataset": sources}, "left_out": {"no langdetect": 12}})
    text = capsys.readouterr().out
    assert rows(text.partition("ifeval, samples")[0])["strict"] == ["40.0 %", "40.0 %"]
    assert rows(text.partition("ifeval, samples")[2].partition("greedy answers")[0])["prompt loose"] == [
        "31.0 %",
        "33.0 %",
    ]
    assert rows(text.partition("ifeval, greedy answers")[2])["prompt loose"] == ["29.0 %", "28.0 %"]
    assert "keywords" not in text
    assert "12 tasks left out: no langdetect" in text


def test_greedy_alone_is_an_evaluation_too(capsys: pytest.CaptureFixture[str]) -> None:
    print_results({"n": 3, "samples": 0, "greedy": value(0.5), "outcomes": {}, "judge_errors": 1, "by": {}})
    assert rows(capsys.readouterr().out)["all"] == ["50.0 %"]


def test_a_verification_says_what_was_judged_and_what_could_not_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = {"passed": 900, "judge_error": 2, "timeout": 98}
    file = Path("out/[v].errors.jsonl")
    first = "C.jsonl:3: [not] JSON"
    print_verification(Summary(7, 1000, 250, outcomes, 3, file, 3.0, 1.5, ("process",), first_error=first))
    text = capsys.readouterr().out
    assert rows(text)["timeout"] == ["98", "9.8 %"]
    assert "the first: C.jsonl:3: [not] JSON" in text
    assert "1,000 completions of 7 tasks judged (250 of them in an earlier call), 2 judge errors" in text
    assert "250 verdicts a second, 2.0 CPU-ms a program, isolation process" in text
    assert "3 rows of the input could not be used: out/[v].errors.jsonl" in text


def test_a_verification_says_what_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_verification(Summary(7, 0, 0, {}, 0, None, 0.0, 0.0, (), {"it needs emoji": 1200}, 3600))
    text = capsys.readouterr().out
    assert "1,200 tasks left out: it needs emoji" in text
    assert "3,600 completions of tasks that were left out" in text


def test_a_verification_of_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_verification(Summary(7, 0, 0, {}, 0, None, 0.0, 0.0, ()))
    assert capsys.readouterr().out == "0 completions of 7 tasks judged, 0 judge errors\n"
