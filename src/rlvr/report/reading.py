"""Sections for reading: the loop on one real example, problems before and after, groups of training samples.

Every text of a task or a model goes through `escape`, here and in `page`.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

from rlvr.records import Task
from rlvr.report.collect import Measurement, TrainingRun
from rlvr.report.examples import Answers, Problem, Sample, TrainingGroup

LONGEST = 4000
"""Characters of one text that are shown."""

SAMPLES_SHOWN = 4
TESTS_SHOWN = 12

_REWARDS = {
    "sparse": "1 if every test passed, else 0. Nothing in between, and no opinion.",
    "dense": "The share of the tests that passed.",
}
_UPDATES = {
    "grpo": "Each sample is compared with its own group: better than the mean becomes more likely, worse less likely.",
    "raft": "Different accepted programs are kept and imitated; everything else is dropped.",
}


def loop(run: TrainingRun, group: TrainingGroup) -> str:
    """Task, completion, tests, verdict, reward, update, shown on samples of one group."""
    best = group.samples[0]
    worst = next((s for s in group.samples if s.rollout.reward != best.rollout.reward), None)
    pair = [sample for sample in (best, worst) if sample]
    limits = group.task.limits
    objective, reward = (run.settings.get("objective") or {}).get("name", ""), str(run.settings.get("reward", ""))
    tests = shown_tests(group.task)
    steps = [
        ("Task", "A problem in words. The model sees only this.", code(prompt_text(group.task))),
        (
            "Completions",
            f"The model writes {group.size} programs by chance; here are two kinds of them.",
            "".join(f"{_count(s.count, group.size)}{code(s.rollout.completion.text)}" for s in pair),
        ),
        (
            "Sandboxed tests",
            f"Each different program really runs, with at most {limits.cpu_s:g} CPU-s and {limits.memory_mb} MiB, "
            "against tests that it cannot see.",
            code("\n".join(tests[:4]) + (f"\n… {len(tests) - 4} more" if len(tests) > 4 else "")),
        ),
        ("Verdict", "Facts about what happened, nothing else.", "".join(f"<p>{verdict(_facts(s))}</p>" for s in pair)),
        (
            "Reward",
            _REWARDS.get(reward, f"The recipe's reward, {escape(reward)}."),
            "".join(f"<p>{_mark(s)} reward <b>{_number(s.rollout.reward)}</b></p>" for s in pair),
        ),
        (
            "Update",
            _UPDATES.get(objective, f"The objective, {escape(objective)}, gives every sample a credit."),
            "".join(f"<p>{_mark(s)} {_credit(objective, s)}</p>" for s in pair),
        ),
    ]
    items = "".join(f'<li><h3>{name}</h3><p class="note">{note}</p>{body}</li>' for name, note, body in steps)
    return f'<ol class="grid loop">{items}</ol>'


def problems(found: Sequence[Problem], measurements: Sequence[Measurement]) -> str:
    """A select box, and an article for each problem."""
    options = "".join(
        f'<optgroup label="{escape(kind)}">'
        + "".join(f"<option>{escape(_short(prompt_text(problem.task), 76))}</option>" for problem in members)
        + "</optgroup>"
        for kind, members in groupby(found, key=lambda problem: problem.kind)
    )
    chooser = (
        '<div class="chooser" hidden><label for="problem">Problem</label>'
        f'<select id="problem">{options}</select>'
        '<button id="previous" type="button">Previous</button><button id="next" type="button">Next</button></div>'
    )
    return chooser + "".join(_problem(problem, measurements) for problem in found)


def groups(run: TrainingRun, found: Sequence[tuple[str, TrainingGroup]]) -> str:
    objective = (run.settings.get("objective") or {}).get("name", "")
    return "".join(_group(run, objective, title, group) for title, group in found)


def verdict(row: Mapping[str, Any]) -> str:
    """A verdict in a line: outcome, tests, and why."""
    passed = row.get("passed")
    mark, kind = ("✓", "right") if passed else ("✗", "wrong")
    if passed is None:
        mark, kind = "?", "wrong"
    total = row.get("tests_total") or 0
    tests = f", {row.get('tests_passed', 0)} of {total} tests" if total else ""
    outcome = escape(str(row.get("outcome", "")).replace("_", " "))
    why = f' <code class="why">{escape(_clip(str(row["why"]), 300))}</code>' if row.get("why") else ""
    return f'<span class="badge {kind}">{mark} {outcome}{tests}</span>{why}'


def code(text: str) -> str:
    # HTML drops a newline right after <pre>, so that one is ours.
    return f"<pre>\n{escape(_clip(text, LONGEST)) or ' '}</pre>"


def prompt_text(task: Task) -> str:
    if isinstance(task.prompt, str):
        return task.prompt.rstrip("\n")
    return "\n\n".join(f"[{message.role}]\n{message.content}" for message in task.prompt)


def shown_tests(task: Task) -> list[str]:
    """What the judge checks, line by line, whatever the verifier."""
    reference = task.reference
    tests = reference.get("tests") if isinstance(reference, dict) else None
    if isinstance(tests, list):
        return [str(test) for test in tests]
    return (tests if isinstance(tests, str) else json.dumps(reference, indent=2, ensure_ascii=False)).splitlines()


def _problem(problem: Problem, measurements: Sequence[Measurement]) -> str:
    task, tests = problem.task, shown_tests(problem.task)
    more = f"\n… {len(tests) - TESTS_SHOWN} more lines" if len(tests) > TESTS_SHOWN else ""
    solution = task.meta.get("solution")
    reference = (
        f"<details><summary>A right answer</summary>{code(solution)}</details>" if isinstance(solution, str) else ""
    )
    with_answers = [measurement for measurement in measurements if measurement.folder]
    columns = "".join(
        _column(answers, measurement) for answers, measurement in zip(problem.answers, with_answers, strict=True)
    )
    return (
        f'<article class="problem"><p class="note">{escape(problem.kind)} · <code>{escape(task.id)}</code></p>'
        f'<div class="grid"><div><h3>Prompt</h3>{code(prompt_text(task))}{reference}</div>'
        f"<div><h3>Hidden tests</h3>{code(chr(10).join(tests[:TESTS_SHOWN]) + more)}</div></div>"
        f'<div class="grid answers">{columns}</div></article>'
    )


def _column(answers: Answers, measurement: Measurement) -> str:
    parts = [f'<div style="--series: var({measurement.colour})"><h3>{escape(measurement.label)}</h3>']
    if answers.greedy:
        parts.append(f'<p class="note">Greedy</p>{code(answers.greedy["text"])}<p>{verdict(answers.greedy)}</p>')
    if answers.drawn:
        shown, hidden = answers.samples[:SAMPLES_SHOWN], answers.samples[SAMPLES_SHOWN:]
        items = "".join(
            f"<li>{_count(count, answers.drawn)} {verdict(row)}{code(row['text'])}</li>" for count, row in shown
        )
        rest = (
            f'<p class="note">and {sum(count for count, _ in hidden)} more samples, '
            f"{sum(count for count, row in hidden if row.get('passed'))} of them right</p>"
            if hidden
            else ""
        )
        told = answers.greedy and [row["text"] for _, row in answers.samples] == [answers.greedy["text"]]
        opened = "" if told else " open"
        summary = f"{answers.passed} of {answers.drawn} samples right, {_programs(len(answers.samples))}"
        parts.append(f'<details{opened}><summary>{summary}</summary><ul class="samples">{items}</ul>{rest}</details>')
    return "".join([*parts, "</div>"])


def _group(run: TrainingRun, objective: str, title: str, group: TrainingGroup) -> str:
    rewards = group.rewards
    mean = sum(rewards) / len(rewards)
    spread = (sum((reward - mean) ** 2 for reward in rewards) / max(1, len(rewards) - 1)) ** 0.5
    if objective != "grpo":
        why = _UPDATES.get(objective, "")
    elif not group.contrast:
        why = f"All {group.size} rewards are equal: nothing to compare, so this group adds nothing to the update."
    else:
        scaled = (run.settings.get("objective") or {}).get("scale", "group") == "group"
        formula = f"(reward − mean) / deviation, deviation {spread:.2f}" if scaled else "reward − mean"
        why = f"Mean reward {mean:.2f}; advantage = {formula}. The rarer a success, the stronger it is pushed."
    items = "".join(
        f"<li>{_count(s.count, group.size)} reward <b>{_number(s.rollout.reward)}</b> · {_credit(objective, s)}"
        f"{code(s.rollout.completion.text)}<p>{verdict(_facts(s))}</p></li>"
        for s in group.samples
    )
    return (
        f'<article class="group"><h3>{escape(run.label)}, step {group.step}: {title}</h3><p class="note">{why}</p>'
        f'{code(prompt_text(group.task))}<ul class="samples grid">{items}</ul></article>'
    )


def _facts(sample: Sample) -> Mapping[str, Any]:
    found = sample.rollout.verdict
    return found.to_json() if found else {}


def _mark(sample: Sample) -> str:
    passed = _facts(sample).get("passed")
    if passed is None:
        return '<span class="badge">not judged</span>'
    return '<span class="badge right">✓</span>' if passed else '<span class="badge wrong">✗</span>'


def _credit(objective: str, sample: Sample) -> str:
    """What the update does with a sample; in words and signs, not by colour alone."""
    if sample.credit is None:
        return ""
    if objective == "raft":
        return '<b class="right">kept, imitated</b>' if sample.credit else "dropped"
    name = "advantage" if objective == "grpo" else "credit"
    if not sample.credit:
        return f"{name} 0, no push"
    push, kind = ("↑ more likely", "right") if sample.credit > 0 else ("↓ less likely", "wrong")
    return f'{name} <b class="{kind}">{sample.credit:+.2f} {push}</b>'.replace("-", "−", 1)


def _count(count: int, of: int) -> str:
    return f'<span class="count">{count} of {of}</span>'


def _programs(different: int) -> str:
    return "all the same program" if different == 1 else f"{different} different programs"


def _number(value: float | None) -> str:
    return "not judged" if value is None else f"{value:g}"


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"


def _short(text: str, limit: int) -> str:
    line = next((line for line in text.splitlines() if line.strip()), "").lstrip("# ")
    return line if len(line) <= limit else line[: limit - 1] + "…"
