"""The page shows what the files say, survives files that were cut off, and nothing that a model wrote can act in it."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rlvr import report
from rlvr.evaluation.estimate import summarise
from rlvr.records import Task
from rlvr.report import charts, examples
from rlvr.report.collect import collect

HOSTILE = "    return 1  # </script></pre><script>alert(1)</script><img src=x onerror=alert(2)>&lt;"
GRPO = "name: quickstart_grpo\nsteps: 4\nreward: sparse\nobjective: {name: grpo, group_size: 4, scale: group}\n"
RAFT = "name: quickstart_raft\nsteps: 2\nreward: sparse\nobjective: {name: raft, group_size: 4}\n"
SFT = "name: quickstart_sft\nsteps: 2\nobjective: {name: sft}\n"


class Page(HTMLParser):
    """Elements as a browser would see them, and the texts of `pre`."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.code: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        text = path.read_text(encoding="utf-8")
        # Some megabytes of chart library say nothing about the page.
        self.feed(re.sub(r"<script>/\*.*?</script>", "<script></script>", text, count=1, flags=re.DOTALL))
        self.text = re.sub(r"\s+", " ", "".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        self._open.append(tag)
        if tag == "pre":
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "pre" in self._open:
            self.code[-1] += data
        if not {"script", "style"} & set(self._open):
            self.words.append(data)


def lines(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def task(number: int, split: str) -> Task:
    return Task(
        id=f"programs/{split}/{number}",
        prompt=f"# problem {number} of {split} <b>.\ndef solve(n):\n",
        reference={"style": "asserts", "tests": [f"assert solve({n}) == {n + number}" for n in range(3)]},
        verifier="unit_tests",
        meta={
            "dataset": "programs",
            "split": split,
            "role": "test_only",
            "depth": 2 + number % 2,
            "solution": "    pass",
        },
    )


def facts(passed: bool) -> dict[str, Any]:
    why = "" if passed else "assert solve(0) == 1: got <i>7</i>"
    outcome = "passed" if passed else "wrong_answer"
    return {"outcome": outcome, "passed": passed, "tests_passed": 3 * passed, "tests_total": 3, "why": why}


def evaluation(folder: Path, passes: dict[int, list[bool]]) -> dict[str, Any]:
    """passes: by task, first of the greedy answer, then of the samples."""
    tasks = [task(number, "test") for number in passes]
    rows = []
    for number, answers in passes.items():
        for index, passed in enumerate(answers):
            text = f"    return n + {number}" if passed else HOSTILE
            row = {"task_id": f"programs/test/{number}", "seed": 0 if index else None, "index": max(0, index - 1)}
            rows.append({**row, "text": text, "tokens": 9, "finish": "stop", **facts(passed)})
    lines(folder / "tasks.jsonl", [t.to_json() for t in tasks])
    lines(folder / "scores.jsonl", rows)
    results = summarise(tasks, rows, (1, 4))
    (folder / "results.json").write_text(json.dumps(results))
    return results


def rollout(step: int, number: int, index: int, passed: bool) -> dict[str, Any]:
    text = f"    return n + {number}" if passed else f"    return {index}\n{HOSTILE}"
    completion = {"text": text, "prompt_tokens": [1, number], "tokens": [7 + index * (not passed), 2], "policy": step}
    turn = {"completion": completion, "verdict": facts(passed)}
    return {
        "step": step,
        "task_id": f"programs/train/{number}",
        "index": index,
        "turns": [turn],
        "reward": float(passed),
    }


def run(folder: Path, recipe: str, steps: int, *, samples: bool, measured: dict[str, Any] | None = None) -> None:
    rows: list[dict[str, Any]] = [{"step": 0, "evaluation": measured}] if measured else []
    for step in range(1, steps + 1):
        row: dict[str, Any] = {"step": step, "loss": 2.0 / step, "entropy": 0.5, "grad_norm": 1.0}
        if samples:
            row |= {"reward": 0.25 * step, "pass_rate": 0.25 * step, "length": 8.0, "truncated_share": 0.0}
            row |= {"zero_contrast_share": 0.5, "outcomes": {"passed": 2 * step, "wrong_answer": 8 - 2 * step}}
        rows.append(row | ({"evaluation": measured} if measured and step == steps else {}))
    lines(folder / "metrics.jsonl", rows)
    (folder / "config.yaml").write_text(recipe)
    told = {"seed": 5, "status": "finished", "git": {"commit": "abc123", "changed": False}, "python": "3.12.1"}
    told |= {"started": "2026-01-02T03:04:05+00:00", "versions": {"torch": "2.13.0"}, "spent": {"cpu_seconds": 12.5}}
    (folder / "run.json").write_text(json.dumps(told))
    if samples:
        lines(folder / "tasks.jsonl", [task(number, "train").to_json() for number in (1, 2)])
        early = [rollout(1, 1, index, index == 0) for index in range(4)]
        late = [rollout(steps, 1, index, True) for index in range(4)]
        late += [rollout(steps, 2, index, index != 0) for index in range(4)]
        lines(folder / "traces" / "rollouts.jsonl", early + late)


@pytest.fixture
def quickstart(tmp_path: Path) -> Path:
    """Problem 1 is fixed by both, 2 by GRPO only, 3 stays wrong, 4 is broken by RAFT."""
    folder = tmp_path / "quick"
    yes, no = [True] * 5, [False] * 5
    before = evaluation(
        folder / "evaluations" / "before", {1: no, 2: [False, True, False, False, False], 3: no, 4: yes}
    )
    raft = evaluation(folder / "evaluations" / "raft", {1: yes, 2: no, 3: no, 4: no})
    grpo = evaluation(folder / "evaluations" / "grpo", {1: yes, 2: yes, 3: no, 4: yes})
    run(folder / "warmup", SFT, 2, samples=False)
    run(folder / "raft", RAFT, 2, samples=True, measured=before)
    run(folder / "grpo", GRPO, 4, samples=True, measured=raft)
    entries = {
        name: {key: results[key]["value"] for key in ("pass@1", "pass@4", "greedy")}
        for name, results in (("before", before), ("raft", raft), ("grpo", grpo))
    }
    summary = {"seed": 5, "seconds": 101.4, "cpu_seconds": 99.9, "rollouts_judged": 54321, **entries}
    summary |= {"verdicts_per_second": 1234.5, "judge_errors": 0, "stages": {"warmup": 33.5}}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def page(folder: Path) -> Page:
    return Page(report.write(folder, folder.parent / "out" / "page.html"))


def test_the_headline_says_before_and_after_with_gains_and_what_it_took(quickstart: Path) -> None:
    text = page(quickstart).text
    assert "Right at the first try: 31 % before RL, 25 % after RAFT, 75 % after GRPO" in text
    for shown in (
        "31.2 %",
        "+43.8 points",
        "−6.2 points",
        "54,321 programs",
        "101 s",
        "100 CPU seconds",
        "1,234 verdicts",
    ):
        assert shown in text, shown
    assert "pass@4" in text
    assert "at least one of 4 samples" in text


def test_problems_are_offered_by_what_training_changed(quickstart: Path) -> None:
    html = report.write(quickstart, quickstart.parent / "page.html").read_text(encoding="utf-8")
    offered = dict(re.findall(r'<optgroup label="([^"]*)"><option>problem (\d)', html))
    assert offered == {
        "Fixed by RAFT and GRPO": "1",
        "Fixed by GRPO only": "2",
        "Still wrong": "3",
        "Broken by RAFT only": "4",
    }
    text = page(quickstart).text
    assert "assert solve(0) == 4" in text
    assert "1 of 4 samples right, 2 different programs" in text


def test_a_group_shows_rewards_and_the_credit_that_the_objective_gives(quickstart: Path) -> None:
    text = page(quickstart).text
    # One success of four: mean 1/4, sample deviation 1/2.
    assert "advantage +1.50 ↑ more likely" in text
    assert "advantage −0.50 ↓ less likely" in text
    assert "the same problem later" in text
    assert "All 4 rewards are equal: nothing to compare" in text
    assert "kept, imitated" in text


def test_nothing_that_a_model_or_a_task_wrote_becomes_markup(quickstart: Path) -> None:
    (quickstart / "evaluations" / "raft").rename(quickstart / "evaluations" / "a<script>b")
    found = page(quickstart)
    assert found.tags.count("script") == 3, "the figures, the chart library, the page's own"
    assert "img" not in found.tags
    assert any(HOSTILE in code for code in found.code), "shown as it was written"
    assert any(code.strip("\n").startswith("# problem 1 of test <b>.") for code in found.code)
    assert "got <i>7</i>" in found.text
    assert "a<script>b" in found.text


def test_the_page_loads_nothing(quickstart: Path) -> None:
    assert {link[:1] for link in page(quickstart).links} == {"#"}


def test_the_same_folder_gives_the_same_bytes(quickstart: Path, tmp_path: Path) -> None:
    shutil.copytree(quickstart, tmp_path / "copy" / "quick")
    first = report.write(quickstart, tmp_path / "first.html").read_bytes()
    second = report.write(tmp_path / "copy" / "quick", tmp_path / "second.html").read_bytes()
    assert first == second


def test_every_chart_has_a_place_a_title_named_axes_and_is_valid_for_plotly(quickstart: Path) -> None:
    import plotly.graph_objects as go

    html = report.write(quickstart, quickstart.parent / "page.html").read_text(encoding="utf-8")
    block = re.search(r'id="figures">(.*?)</script>', html)
    assert block
    figures = json.loads(block.group(1))
    style = (Path(report.__file__).parent / "style.css").read_text(encoding="utf-8")
    assert {"pass-rate", "validation-pass1", "validation-greedy", "loss", "drift-length", "outcomes"} <= set(figures)
    for name, figure in figures.items():
        assert html.count(f'id="chart-{name}"') == 1
        assert figure["layout"]["xaxis"]["title"]["text"], name
        assert figure["layout"]["yaxis"]["title"]["text"] or name == "outcomes"
        text = json.dumps(figure)
        for variable in set(re.findall(r'"(--[a-z0-9-]+)"', text)):
            assert style.count(f"{variable}:") == 2, f"{variable} of {name} needs a light and a dark colour"
        go.Figure(json.loads(re.sub(r'"--[a-z0-9-]+"', '"#123456"', text)))


def test_each_outcome_has_its_own_colour(quickstart: Path) -> None:
    style = (Path(report.__file__).parent / "style.css").read_text(encoding="utf-8")
    light = style[: style.index("@media")]
    colours = [re.findall(rf"--{outcome.replace('_', '-')}: (#\w+)", light) for outcome in charts.OUTCOMES]
    assert len({found[0] for found in colours}) == len(charts.OUTCOMES)


def test_a_single_run_is_measured_by_what_it_validated(quickstart: Path) -> None:
    text = page(quickstart / "grpo").text
    assert "25 % before training, 25 % after GRPO, step 4" in text
    assert "for validation, during training" in text
    assert "Completion length" in text
    assert "12.5" in text
    assert "abc123" in text
    assert "objective: {name: grpo, group_size: 4, scale: group}" in text


def test_a_warm_up_alone_has_a_loss_and_no_claims(quickstart: Path) -> None:
    text = page(quickstart / "warmup").text
    assert "Nothing has been measured yet" in text
    assert "Warm-up: loss" in text
    assert "programs judged by running" not in text
    assert "Outcomes" not in text


def test_a_single_evaluation_has_numbers_and_problems(quickstart: Path) -> None:
    text = page(quickstart / "evaluations" / "before").text
    assert "Right at the first try: 31 %" in text
    assert "4 of 4 problems" in text
    assert "Inside the update" not in text


def test_a_folder_with_nothing_in_it_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"run\.json.*results\.json.*summary\.json"):
        report.write(tmp_path, tmp_path / "page.html")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        report.write(tmp_path / "missing", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_runs_that_do_not_belong_together_are_no_story(quickstart: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(quickstart / "grpo", results / "monday")
    shutil.copytree(quickstart / "warmup", results / "monday" / "warmup")
    page(results)  # one run and what it started from
    shutil.copytree(quickstart / "raft", results / "tuesday")
    with pytest.raises(ValueError, match=r"2 runs or evaluations: monday, tuesday\. .*rlvr report .*monday$"):
        page(results)
    (quickstart / "summary.json").unlink()
    page(quickstart)  # of a quickstart that is under way


def test_a_run_of_any_name_has_one_colour_on_the_page(quickstart: Path) -> None:
    run_folder = (quickstart / "grpo").rename(quickstart / "mine")
    shutil.copytree(run_folder, quickstart / "other")
    (quickstart / "evaluations" / "grpo").rename(quickstart / "evaluations" / "mine")
    found = collect(quickstart)
    colours = {each.name: each.colour for each in (*found.runs, *found.measurements)}
    assert colours["mine"] == found.measurements[-1].colour
    assert len(set(colours.values())) == len(colours)
    curves = {trace["name"]: trace["line"]["color"] for trace in charts.learning(found.runs)[0].figure["data"]}
    assert curves == {"RAFT": "--raft", "mine": colours["mine"], "other": colours["other"]}


def test_a_run_that_was_cut_off_is_shown_as_far_as_it_came(quickstart: Path) -> None:
    for name in ("grpo/metrics.jsonl", "grpo/traces/rollouts.jsonl", "evaluations/grpo/scores.jsonl"):
        path = quickstart / name
        path.write_bytes(path.read_bytes()[:-40])
    told = json.loads((quickstart / "grpo" / "run.json").read_text())
    (quickstart / "grpo" / "run.json").write_text(json.dumps({**told, "status": "interrupted"}))
    (quickstart / "raft" / "config.yaml").unlink()
    (quickstart / "raft" / "tasks.jsonl").unlink()
    (quickstart / "summary.json").write_text('{"seed":')
    text = page(quickstart).text
    assert "The run grpo is interrupted: 3 of 4 steps" in text
    assert "advantage +1.50" in text
    assert "metrics.jsonl:5: not JSON" in text
    assert "summary.json: not JSON" in text


def test_a_long_file_of_rollouts_is_read_at_its_ends_only(quickstart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = quickstart / "grpo" / "traces" / "rollouts.jsonl"
    groups = [[rollout(step, 1 + step % 2, index, index == 0) for index in range(4)] for step in range(1, 41)]
    lines(path, [row for group in groups for row in group])
    monkeypatch.setattr(examples, "WINDOW", path.stat().st_size // 8 + 50)
    [trained] = collect(quickstart / "grpo").runs
    found = [(title, group.step, group.task.id[-1], group.size) for title, group in examples.groups(trained)]
    assert found == [("early", 1, "2", 4), ("the same problem later", 39, "2", 4), ("late", 40, "1", 4)]
