"""Contest tasks from text to verdict: every reference passes, and references that cannot be used say so."""

import gzip
import json
from pathlib import Path

import pytest

from rlvr import registry
from rlvr.judge import languages
from rlvr.judge.extraction import extract
from rlvr.records import Completion, Limits, Task
from rlvr.sandboxes.local import Local
from rlvr.verifiers.stdio import Stdio

CASES = [{"stdin": "1 2", "stdout": "3"}, {"stdin": "5 6", "stdout": "11"}]
PYTHON = "a, b = map(int, input().split())\nprint(a + b)\n"
SLOW = {"1278_f_cards_5019", "1228_e_another_filling_the_grid_8966"}
"""Need seconds."""


def task(**reference) -> Task:
    return Task("sum", "Add.", {"cases": CASES, **reference}, "stdio", limits=Limits(cpu_s=2.0))


@pytest.fixture(scope="module")
def sandbox():
    with Local(workers=2).open() as pool:
        yield pool


@pytest.fixture(scope="module")
def contests(data: Path) -> list[tuple[Task, str]]:
    path = data / "codecontests_sample.jsonl.gz"
    if not path.exists():
        pytest.skip(f"needs {path.name} in the folder that RLVR_DATA names")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [contest(json.loads(line)) for line in file]


def contest(row: dict) -> tuple[Task, str]:
    parts = [row["public_tests"], row["private_tests"]]
    pairs = [pair for part in parts for pair in zip(part["input"], part["output"], strict=True)]
    reference: dict = {"cases": [{"stdin": given, "stdout": answer} for given, answer in pairs]}
    if row["checker"] != "tokens":
        name, _, tolerance = row["checker"].partition("_")
        reference.update(checker=name, tolerance=float(tolerance))
    return Task(row["id"], row["description"], reference, "stdio"), row["solution_python3"]


def unsolved(pairs: list[tuple[Task, str]], sandbox) -> list[tuple]:
    verdicts = Stdio().judge_many([(task, Completion(f"So:\n```python\n{text}\n```")) for task, text in pairs], sandbox)
    return [
        (task.id, verdict.outcome, verdict.why)
        for (task, _), verdict in zip(pairs, verdicts, strict=True)
        if not verdict.passed or verdict.tests_passed != len(task.reference["cases"]) or verdict.parts
    ]


def test_references_of_contests_pass(contests, sandbox):
    quick = [pair for pair in contests if pair[0].id not in SLOW][:20]
    quick += [pair for pair in contests if pair[0].reference.get("checker") == "float"][:10]
    assert unsolved(quick, sandbox) == []


def test_the_programs_of_other_problems_do_not_pass(contests, sandbox):
    # Some problems stand next to a twin with another number.
    some = [pair for pair in contests if pair[0].id not in SLOW][0:52:4]
    pairs = [(task, text) for (task, _), (_, text) in zip(some[1:], some, strict=False)]
    assert len(unsolved(pairs, sandbox)) == len(pairs)


@pytest.mark.slow
@pytest.mark.parametrize("level", ["full", "restricted", "process"])
def test_all_references_of_the_sample_pass(contests, level):
    try:
        opened = Local(workers=2, isolation=level)
    except ValueError as error:
        pytest.skip(str(error))
    assert len(contests) == 249
    with opened.open() as sandbox:
        assert unsolved(contests, sandbox) == []


def test_a_verdict_says_what_was_judged_and_how(sandbox):
    verdict = Stdio().judge(task(), Completion(f"<think>hm</think>\n```python\n{PYTHON}```"), sandbox)
    assert (verdict.outcome, verdict.passed, verdict.tests_passed, verdict.tests_total) == ("passed", True, 2, 2)
    assert (verdict.answer, verdict.extraction) == (PYTHON, "thinking+fence")
    assert (verdict.isolation, verdict.trust, verdict.parts) == (sandbox.isolation, "split", {})
    half = Stdio().judge(task(), Completion("a, b = map(int, input().split())\nprint(3)"), sandbox)
    assert (half.outcome, half.passed, half.tests_passed, half.extraction) == ("wrong_answer", False, 1, "bare")
    assert half.why == "case 2: word 1: expected '11', got '3' (input '5 6')"


def test_text_without_a_program_is_no_answer(sandbox):
    verdict = Stdio().judge(task(), Completion("I do not know."), sandbox)
    assert (verdict.outcome, verdict.passed, verdict.tests_total) == ("no_answer", False, 2)


def test_a_task_names_the_language(sandbox):
    texts = {
        "cpp": '#include <cstdio>\nint main() { int a, b; scanf("%d %d", &a, &b); printf("%d", a + b); }',
        "javascript": "const [a, b] = require('fs').readFileSync(0, 'utf8').split(' ');\nconsole.log(+a + +b);",
    }
    for language, text in texts.items():
        if languages.find(language).missing():
            pytest.skip(languages.find(language).missing())
        for completion in (text, f"First:\n```python\n{PYTHON}```\nNow:\n```{language}\n{text}\n```\nDone."):
            verdict = Stdio().judge(task(language=language), Completion(completion), sandbox)
            assert verdict.passed, verdict
    assert Stdio().judge(task(), Completion(texts["cpp"]), sandbox).outcome in ("no_answer", "syntax_error")


PROGRAMS = {
    "the last that reads": ("python", f"```python\n{PYTHON}```\nHelpers:\n```python\ndef f(): pass\n```", PYTHON),
    "nothing reads": ("python", "```python\nprint(1)\n```", "print(1)\n"),
    "bare": ("python", PYTHON, PYTHON),
    "bare call": ("python", "print(input())", "print(input())"),
    "after prose": ("cpp", "Here:\n#include <cstdio>\nint main() {}", "#include <cstdio>\nint main() {}"),
    "the one with main": ("cpp", "```cpp\nint main() {}\n```\n```cpp\nint f();\n```", "int main() {}\n"),
    "marked otherwise": ("cpp", "```C++\nint main() {}\n```", "int main() {}\n"),
    "unmarked": ("javascript", "```\nconsole.log(1)\n```", "console.log(1)\n"),
    "another language": ("cpp", "```python\nprint(1)\n```", None),
    "prose": ("javascript", "The answer is 7.", None),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_in_a_text(name):
    language, text, code = PROGRAMS[name]
    assert extract(text, program=language).code == code


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ([], "task t: a reference for stdio is an object with 'cases'"),
        ({"cases": []}, "field cases is empty"),
        ({"cases": [{"stdin": "1"}]}, r"cases\[0\] should be an object with the texts stdin and stdout"),
        ({"cases": [*CASES, {"stdin": 1, "stdout": "2"}]}, r"cases\[2\] should be"),
        ({"cases": "1"}, "field cases should be a list, not '1'"),
        ({"cases": CASES, "checker": "token"}, "no checker named 'token'. Did you mean 'tokens'"),
        ({"cases": CASES, "language": "javascrpt"}, "no language named 'javascrpt'. Did you mean 'javascript'"),
        (
            {"cases": CASES, "tolerence": 1.0},
            "no field of a stdio reference named 'tolerence'. Did you mean 'tolerance'",
        ),
        ({"cases": CASES, "checker": "float", "tolerance": -1}, "tolerance should be a number from 0, not -1"),
        ({"cases": CASES, "checker": "float", "tolerance": True}, "tolerance should be a number, not True"),
        ({"cases": CASES, "checker": "program"}, "needs its source in the field 'program'"),
        ({"cases": CASES, "checker": "program", "program": "def ("}, "the checker's program does not parse"),
        ({"cases": CASES, "program": "pass"}, "there is a 'program', but the checker is 'tokens'"),
    ],
)
def test_a_reference_that_cannot_be_used_is_named_before_anything_runs(reference, message):
    with pytest.raises(ValueError, match=message):
        registry.build("verifiers", "stdio").check(Task("t", "p", reference, "stdio"))
