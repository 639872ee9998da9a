"""Asserts in C++ and JavaScript, from a model's text to a verdict."""

from dataclasses import replace

import pytest

from rlvr.judge import languages
from rlvr.records import Completion, Limits, Task
from rlvr.sandboxes.local import Local
from rlvr.verifiers.unit_tests import UnitTests

TESTS = {
    "cpp": ["assert(add(1, 2) == 3);", "assert(add(-1, 1) == 0)"],
    "javascript": ["assert(add(1, 2) === 3)", "assert.deepStrictEqual([add(-1, 1)], [0]);"],
}
RIGHT = {
    "cpp": "#include <iostream>\nint add(int a, int b) { std::cout << a; return a + b; }\nint main() { add(1, 1); }",
    "javascript": "function add(a, b) { console.log(a); return a + b; }",
}
WRONG = {
    "cpp": "int add(int a, int b) { return a - b; }",
    "javascript": "const add = (a, b) => a - b;",
}
CRASHES = {
    "cpp": '#include <stdexcept>\nint add(int, int) { throw std::runtime_error("no"); }',
    "javascript": "function add() { return nothing; }",
}
LEAVES = {
    "cpp": "#include <cstdlib>\nint add(int, int) { std::exit(0); }",
    "javascript": "function add() { process.exit(0); }",
}


def _task(language: str, **reference: object) -> Task:
    full = {"style": "asserts", "language": language, "tests": TESTS[language], **reference}
    return Task("add", "Add.", full, "unit_tests", limits=Limits(cpu_s=5.0))


@pytest.fixture(scope="module")
def sandbox():
    with Local(workers=1).open() as pool:
        yield pool


@pytest.fixture(params=["cpp", "javascript"])
def language(request) -> str:
    if missing := languages.find(request.param).missing():
        pytest.skip(missing)
    return request.param


@pytest.mark.parametrize(
    ("programs", "outcome", "passed"),
    [(RIGHT, "passed", 2), (WRONG, "wrong_answer", 0), (CRASHES, "runtime_error", 0), (LEAVES, "early_exit", 0)],
    ids=["right", "wrong", "crashes", "leaves"],
)
def test_each_assert_is_a_result_in_a_shared_process(language, programs, outcome, passed, sandbox):
    text = f"Here:\n```{language}\n{programs[language]}\n```\n"
    verdict = UnitTests().judge(_task(language), Completion(text), sandbox)
    assert (verdict.outcome, verdict.tests_passed, verdict.tests_total) == (outcome, passed, 2), verdict
    assert verdict.trust == "shared"
    if outcome == "wrong_answer":
        assert verdict.why.startswith("not true: "), verdict.why


PROMPTS = {
    "cpp": "#include <vector>\nusing namespace std;\n// the sum: add(1, 2) is 3\nint add(int a, int b) {\n",
    "javascript": 'const { strict } = require("node:assert");\n// the sum: add(1, 2) is 3\nconst add = (a, b) => {\n',
}
BODIES = {"cpp": "  return vector<int>{a + b}[0];\n}", "javascript": "  strict(true);\n  return a + b;\n};"}


def test_the_asserts_are_not_the_programs_to_replace(language, sandbox):
    replaced = {
        "cpp": "#define assert(x)\nint add(int, int) { return 9; }",
        "javascript": "const a = require('assert'); a.deepStrictEqual = a.strict.ok = () => {}; const add = () => 9;",
    }
    verdict = UnitTests().judge(_task(language), Completion(f"```{language}\n{replaced[language]}\n```"), sandbox)
    assert (verdict.outcome, verdict.tests_passed) == ("wrong_answer", 0), verdict


def test_a_program_stands_alone_or_goes_on_from_the_prompt(language, sandbox):
    prompt, body = PROMPTS[language], BODIES[language]
    asked = _task(language, prompt=prompt, entry_point="add")
    signature = prompt.splitlines()[-1]
    whole = Completion(f"```{language}\n{signature}\n{body}\n```")
    continued = replace(asked, extraction="continuation")
    assert UnitTests().judge(asked, whole, sandbox).passed
    assert UnitTests().judge(continued, Completion(body), sandbox).passed


def test_a_module_is_a_program_too(sandbox):
    if missing := languages.find("javascript").missing():
        pytest.skip(missing)
    program = 'import fs from "node:fs";\nexport function add(a, b) { return a + b; }'
    assert UnitTests().judge(_task("javascript"), Completion(program), sandbox).passed


def test_training_on_a_shared_process_is_refused_unless_it_is_allowed(language):
    UnitTests().check(_task(language))
    with pytest.raises(ValueError, match="task add: trust 'split' refuses it, since its tests are no Python"):
        UnitTests(trust="split").check(_task(language))


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"language": "rust"}, "no language named 'rust'"),
        ({"language": "cpp", "tests": []}, "'tests' should be a list of at least one assert"),
        ({"language": "cpp", "style": "check"}, "tests in cpp have the style 'asserts', not 'check'"),
        ({"language": "cpp", "module": "x"}, "no key of a reference in cpp named 'module'"),
    ],
)
def test_references_that_cannot_be_used_say_so(reference, message):
    task = Task("add", "Add.", {"style": "asserts", "tests": ["x"], **reference}, "unit_tests")
    with pytest.raises(ValueError, match=message):
        UnitTests().check(task)
