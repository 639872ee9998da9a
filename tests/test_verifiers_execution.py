"""Answers about executions: read without being run, compared by value and type, tried out where that is what counts."""

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rlvr.records import Completion, Limits, Task, Verdict
from rlvr.sandboxes.local import Local
from rlvr.verifiers._execution_literals import arguments, literal
from rlvr.verifiers._execution_values import same, source
from rlvr.verifiers.execution import Execution

DOUBLE = "def double(x, times=1):\n    for _ in range(times):\n        x = x + x\n    return x"
LOOP = "def f(n):\n    total = 0\n    for i in range(n):\n        if i % 2:\n            total += i\n    return total"


def task(kind: str, output: Any = "6", extraction: str = "auto", **more: Any) -> Task:
    reference = {"kind": kind, "output": output, **more}
    return Task("t", "", reference, "execution", extraction=extraction, limits=Limits(cpu_s=1.0, memory_mb=256))


OUTPUT = task("output", "[1, 'a']", entry_point="f")
INPUT = task("input", "6", code=DOUBLE, entry_point="double", input="3")


@pytest.fixture(scope="module")
def sandbox():
    with Local(workers=2).open() as pool:
        yield pool


class NoSandbox:
    """For questions whose answers must not run anything."""

    def run_many(self, jobs):
        raise AssertionError("something was about to run")


def judged(asked: Task, *texts: str, sandbox: Any = None) -> list[Verdict]:
    Execution().check(asked)
    return Execution().judge_many([(asked, Completion(text)) for text in texts], sandbox or NoSandbox())


HASHABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
PLAIN = st.recursive(
    HASHABLE
    | st.sets(HASHABLE, max_size=4)
    | st.binary().map(bytearray)
    | st.builds(range, st.integers(), st.integers()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(HASHABLE, inner, max_size=4)
    ),
    max_leaves=10,
)


@given(PLAIN)
def test_the_repr_of_any_plain_data_is_read_back(value):
    assert same(literal(repr(value)), value)
    assert same(literal(f"  (\n{value!r})  # so it is"), value)
    assert same(arguments(f"x={value!r}, y=0")[1]["x"], value)
    assert same(literal(source(value)) if "1e999-" not in source(value) and "{*" not in source(value) else value, value)
    assert same(eval(source(value)), value)


@given(PLAIN, PLAIN)
def test_any_other_value_or_type_is_not_the_answer(value, other):
    assume(repr(value) != repr(other))
    assert same(value, other) == same(other, value)
    plainly_equal = value == other and type(value) is type(other)
    assert not same(value, other) or plainly_equal or "nan" in repr(value)
    (verdict,) = judged(task("output", repr(value)), f"[ANSWER]{other!r}[/ANSWER]")
    assert verdict.passed == same(value, other)


@given(PLAIN)
def test_its_own_repr_is_an_answer_in_every_wrapping(value):
    text = repr(value)
    wrapped = [f"[ANSWER] {text} [/ANSWER]", f"So:\n```python\nassert f() == {text}\n```\n", f"assert f() == {text}"]
    verdicts = judged(task("output", text, entry_point="f"), *wrapped)
    # Marks inside the value are the one thing that a reader of marks cannot see through.
    assume(not {"[ANSWER]", "[/ANSWER]", "```", "<think>"} & {mark for mark in ("[ANSWER]", "```") if mark in text})
    assert [verdict.outcome for verdict in verdicts] == ["passed"] * 3


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1", "1.0"), ("1", "True"), ("0.0", "False"), ("0", "None"), ("(1, 2)", "[1, 2]"), ("(1,)", "1"), ("'a'",
        "b'a'"),
        ("{1}", "frozenset({1})"), ("{}", "set()"), ("{1: 2}", "{True: 2}"), ("{1: 2}", "{1: 2.0}"), ("{(1, 2)}",
        "{(1, 2.0)}"),
        ("[nan]", "[None]"), ("nan", "inf"), ("inf", "-inf"), ("'nan'", "nan"), ("1j", "1"), ("bytearray(b'a')",
        "b'a'"),
        ("range(3)", "[0, 1, 2]"), ("[[1], [2]]", "[[1], [True]]"), ("''", "None"), ("[]", "()"), ("{1, 2}",
        "{1, 2, 3}"),
    ],
)  # fmt: skip
def test_values_that_only_look_equal_are_told_apart(left, right):
    for truth, answer in ((left, right), (right, left)):
        wrong, right_one = judged(task("output", truth), answer, truth)
        assert (wrong.outcome, right_one.outcome) == ("wrong_answer", "passed")
        assert wrong.why == "not equal in value and type"


@pytest.mark.parametrize(
    ("truth", "answer"),
    [
        ("{1, 2}", "{2, 1}"), ("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"), ("nan", "float('nan')"), ("-inf",
        "float('-inf')"),
        ("{nan, 1}", "{1, nan}"), ("0.0", "-0.0"), ("'a\"b'", '"a\\"b"'), ("'ab'", "'a' 'b'"), ("1000", "1_000"),
        ("255", "0xff"),
        ("set()", "set([])"), ("{'a': 1}", "dict(a=1)"), ("(1, 2)", "1, 2"), ("'\\n'", "'''\n'''"), ("'é'", r"'\xe9'"),
        ("b'\\xff'", r"b'\377'"), ("(1+2j)", "complex(1, 2)"), ("frozenset({1})", "frozenset([1])"), ("1.5", "15e-1"),
    ],
)  # fmt: skip
def test_spellings_of_one_value_are_one(truth, answer):
    (verdict,) = judged(task("output", truth), f"[ANSWER]{answer}[/ANSWER]")
    assert verdict.outcome == "passed", verdict


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[ANSWER][1, 'a'][/ANSWER]", "answer_tag"),
        ("[ANSWER]3[/ANSWER] no: [ANSWER]\nassert f(2) == [1, 'a']\n[/ANSWER] done", "answer_tag"),
        ("assert f(2) == [1, 'a']\n[/ANSWER]\n[PYTHON]\ndef g(): ...\n[ANSWER]\n7\n[/ANSWER]", "answer_tag"),
        ("[ANSWER]\n```python\n[1, 'a']\n```\n[/ANSWER]", "answer_tag"),
        ("[ANSWER] output: `[1, 'a']`", "answer_tag"),
        (
            "It goes\n```python\nx = 1\n```\nand so\n```\nassert f('==', (2)) == [1, 'a'], 'no'\n```\nas I said.",
            "fence",
        ),
        ("```python\nf(2) == [1, 'a']\n```", "fence"),
        ("```\n[1,\n 'a']  # the list\n```", "fence"),
        ("```python\ndef f(x):\n    return [x, 'a']\n```\nHence\nassert f(1) == [1, 'a']", "assert"),
        ("assert f(1) == [2]\n\nno, rather\n\nassert f(1) == [1, 'a']\nbecause of it.", "assert"),
        ("Step 1: x is 3.\nThe output is [1, 'a'].", "phrase"),
        ("The value returned by `f` is **[1, 'a']**.", "phrase"),
        ("So the final answer:\n\n[1, 'a']\n\nThat was it", "phrase"),
        ("I add 1, then 'a'.\n\n`[1, 'a']`\n", "last_line"),
        ("So it is.\n\n[\n    1,\n    'a',\n]", "last_paragraph"),
        ("<think>[ANSWER]5[/ANSWER]</think>\n[ANSWER][1, 'a'][/ANSWER]", "thinking+answer_tag"),
        ("hm</think>[1, 'a']", "thinking+last_line"),
    ],
)
def test_an_answer_is_found_where_models_put_it(text, rule):
    (verdict,) = judged(OUTPUT, text)
    assert (verdict.outcome, verdict.answer and literal(verdict.answer), verdict.extraction) == (
        "passed",
        [1, "a"],
        rule,
    )


@pytest.mark.parametrize(
    ("text", "rule", "why"),
    [
        ("", "none", "no answer was found"),
        ("<think>[1, 'a']", "thinking+none", "no answer was found"),
        ("[ANSWER][/ANSWER] The output is [1, 'a']", "answer_tag", "no answer was found"),
        ("[ANSWER]f(2)[/ANSWER]", "answer_tag", "no literal: expected a literal at character 0, found 'f"),
        ("[ANSWER][1] + ['a'][/ANSWER]", "answer_tag", "no literal"),
        ("[ANSWER]__import__('os').system('touch /tmp/owned')[/ANSWER]", "answer_tag", "no literal"),
        ("[ANSWER][1, ２][/ANSWER]", "answer_tag", "no literal"),
        ("assert f(2) == f(2)", "last_line", "no literal"),
        ("assert True or f(2) == [1, 'a'] or True", "last_line", "no literal"),
        ("I do not know", "last_line", "no literal"),
        ("x" * 1_000_001, "too_long", "no answer was found"),
    ],
)
def test_what_is_no_literal_is_no_answer(text, rule, why):
    (verdict,) = judged(OUTPUT, text)
    assert (verdict.outcome, verdict.passed, verdict.extraction) == ("no_answer", False, rule)
    assert why in verdict.why
    assert (verdict.answer is None) == (why == "no answer was found")
    assert (verdict.tests_passed, verdict.tests_total) == (0, 1)


HOSTILE = [
    "(" * 19_000, "[" * 5000 + "]" * 5000, "{" * 9000, "-" * 15_000 + "1", "9" * 19_000, "0x" + "f" * 10_000, "9**9**9",
    "'" * 19_999, '"""' * 6000, "list(range(10**9))", "list(range(1000000000))", "bytearray(10000000000)",
    "'a'*10000000000",
    "range(" * 3000, "1e" + "9" * 2000, "\\" * 19_000, "'\\N{" + "A" * 9000 + "}'", "\0", "\ud800", "'\ud800",
    "1_" * 9000,
    "f'{1}'", "{[]: 1}", "{{}: 1}", "set([[]])", "dict(1)", "range(1, 2, 0)", "float('x')", "complex('x')", "1" * 2999,
    "{" + ",".join(str(n * (2**61 - 1)) for n in range(800)) + "}",
    "assert " * 2500, "f(" * 9000, "f(" * 9000 + ")" * 9000,
    "The output is " * 1300, "[ANSWER]" * 2000, "```\n" * 4000, "# " * 9000, "lambda: 0", "...", "*a", "**a",
    "a=1, a=2", "a=1, 2",
]  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    # A value is read as an output is, and the other two are short texts.
    ["output", "input", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("value", "type", "next_statement"))],
)
def test_no_text_can_raise_or_hang(kind, sandbox):
    asked = task(
        kind, "int" if kind == "type" else "6", **({"code": DOUBLE, "entry_point": "double"} if kind == "input" else {})
    )
    texts = [
        wrap.format(text) for text in HOSTILE for wrap in ("{}", "[ANSWER]{}[/ANSWER]", "```\n{}\n```", "double({})")
    ]
    verdicts = judged(asked, *texts, *(text * 10 for text in HOSTILE), sandbox=sandbox)
    assert not [verdict for verdict in verdicts if verdict.passed is None]
    assert not [(verdict.answer or "")[:40] for verdict in verdicts if verdict.passed]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("double(3)", "passed"), ("assert double(3) == 6", "passed"), ("3", "passed"), ("double(1.5, 2)",
        "wrong_answer"),
        ("double(x=3)", "passed"), ("3, 1", "passed"), ("x=3, times=1", "passed"), ("assert double(6, times=0) == 6",
        "passed"),
        ("double(6, times=-5)", "passed"), ("double(2)", "wrong_answer"), ("double('3')", "wrong_answer"),
        ("double(3.0)", "wrong_answer"), ("double()", "runtime_error"), ("double(3, y=1)", "runtime_error"),
        ("double({1})", "runtime_error"), ("double(0, 10000000000)", "timeout"), ("double(1 + 2)", "no_answer"),
        ("double(*[3])", "no_answer"), ("double(double(1))", "wrong_answer"), ("lambda: 3", "no_answer"),
        ("double([0], 100)", "memory_limit"), ("assert 6 == 6", "no_answer"), ("pass", "no_answer"),
    ],
)  # fmt: skip
def test_any_input_that_leads_to_the_output_passes(answer, outcome, sandbox):
    (verdict,) = judged(INPUT, f"Well.\n[ANSWER]\n{answer}\n[/ANSWER]", sandbox=sandbox)
    assert verdict.outcome == outcome, verdict
    if outcome not in ("no_answer",):
        assert verdict.trust == "split"
        assert verdict.isolation
        assert not verdict.parts


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("```python\nassert double(3) == 6\n```", "fence"),
        ("```python\n" + DOUBLE + "\n\nprint(double(3))\n```", "fence"),
        ("I try double(4), no.\nassert double(3) == 6\nThat is it.", "assert"),
        ("The input is 3.", "phrase"),
        ("So we can call `double(3)`, which gives 6.", "last_line"),
        ("<think>double(1)</think>Hm.\n\ndouble(\n    3,\n    times=1,\n)", "thinking+last_paragraph"),
    ],
)
def test_an_input_is_found_where_models_put_it(text, rule, sandbox):
    (verdict,) = judged(INPUT, text, sandbox=sandbox)
    assert (verdict.outcome, verdict.extraction) == ("passed", rule)


def test_the_expected_output_is_not_where_the_function_runs(sandbox):
    """The function looks through the frames and dicts of its process for the value that makes the answer right."""
    code = (
        "import gc, sys\n\n\ndef f(part):\n    frame, seen = sys._getframe(), []\n    while frame:\n"
        "        seen += [str(frame.f_locals), str(frame.f_globals), str(frame.f_code.co_consts)]\n"
        "        frame = frame.f_back\n"
        "    seen += [o for o in gc.get_objects() if isinstance(o, dict)]\n"
        "    return 'found' if part * 3 in str(seen) else part * 3"
    )
    (verdict,) = judged(task("input", "'z9z9z9'", code=code, entry_point="f"), "f('z9')", sandbox=sandbox)
    assert verdict.outcome == "passed", verdict


def test_arguments_of_the_reference_need_not_be_literals(sandbox):
    code = "def apply(items, key):\n    return [key(item) for item in items]"
    asked = task("input", "[True, False]", code=code, entry_point="apply", input="[1, 3], lambda x: x < 2")
    answers = ["apply([1, 3], lambda x:x<2)", "[1, 3], lambda x: x < 2", "apply([1, 3], lambda x: x < 3)"]
    verdicts = judged(asked, *(f"[ANSWER]{answer}[/ANSWER]" for answer in answers), sandbox=sandbox)
    assert [verdict.outcome for verdict in verdicts] == ["passed", "passed", "no_answer"]


def test_results_are_compared_by_value_and_type_in_the_jail_too(sandbox):
    code = (
        "import collections\nnan = float('nan')\n\n"
        "def f(kind):\n    return {0: {nan, (1, nan)}, 1: True, 2: collections.Counter('a')}[kind]"
    )
    outcomes = [
        judged(task("input", truth, code=code, entry_point="f"), answer, sandbox=sandbox)[0].outcome
        for truth, answer in [("{(1, nan), nan}", "f(0)"), ("1", "f(1)"), ("True", "f(1)"), ("{'a': 1}", "f(2)")]
    ]
    assert outcomes == ["passed", "wrong_answer", "passed", "wrong_answer"]


@pytest.mark.parametrize(
    ("truth", "answer", "passed"),
    [
        ("total += i", "total += i", True), ("total += i", "`total+=i  # add`", True), ("total += i",
        "total += j", False),
        ("if i % 2:", "if i%2:", True), ("if i % 2:", "if i % 2: pass", True), ("elif x == 'a':",
        'elif x=="a" :', True),
        ("else:", "else :", True), ("else:", "finally:", False), ("return total", "return (total)", True),
        ("-1", "-1", True), ("-1", "return total", False), ("return -1", "-1", False), ("x = 'a  b'",
        "x = 'a b'", False),
        (["a = 1", "b = 2"], "b=2", True), (["a = 1", "b = 2"], "c = 2", False), ("total += i", "5", False),
        ("total += i", "5: total += i", True), ("not python at all", "not  python at all", True), ("x = 1",
        "x = 1; y = 2", False),
    ],
)  # fmt: skip
def test_statements_are_equal_as_syntax(truth, answer, passed):
    for text in (answer, f"[ANSWER]\n{answer}\n[/ANSWER]", f"It is clear.\nThe next statement is: {answer}\n"):
        (verdict,) = judged(task("next_statement", truth), text)
        assert verdict.passed == passed, verdict


@pytest.mark.parametrize(
    ("answer", "passed"),
    [
        ("5", True), ("line 5", True), ("Line 5: total += i", True), ("5: total += i", True), ("total += i", True),
        ("4", False), ("4: total += i", False), ("5: return total", False), ("L5", True), ("55", False), ("-1", False),
    ],
)  # fmt: skip
def test_a_statement_may_be_named_by_its_line(answer, passed):
    asked = Task("t", "", {"kind": "next_statement", "code": LOOP, "lines": [5]}, "execution")
    (verdict,) = judged(asked, f"[ANSWER]{answer}[/ANSWER]")
    assert verdict.passed == passed, verdict


@pytest.mark.parametrize(
    ("kind", "truth", "answer", "outcome"),
    [
        ("value", "3", "3", "passed"), ("value", "3", "3.0", "wrong_answer"), ("value", "Nil", "Nil", "passed"),
        ("value", "Nil", "None", "wrong_answer"), ("value", "None", "Nil", "wrong_answer"), ("value", "'Nil'", "'Nil'",
        "passed"),
        ("value", "3", "x + 1", "no_answer"), ("type", "int", "<class 'int'>", "passed"), ("type", "int", "`int`",
        "passed"),
        ("type", "<class 'int'>", "int", "passed"), ("type", "list", "list[int]", "wrong_answer"),
        ("type", "list[int]", "List[ int ]", "passed"), ("type", "dict[str, int]", "typing.Dict[str,int]", "passed"),
        ("type", "NoneType", "None", "passed"), ("type", "int", "bool", "wrong_answer"), ("type", "str", "string",
        "wrong_answer"),
        ("type", "float", "builtins.float", "passed"),
    ],
)  # fmt: skip
def test_values_and_types_of_variables(kind, truth, answer, outcome):
    for text in (answer, f"[ANSWER]{answer}[/ANSWER]", f"```\n{answer}\n```", f"Hence the {kind} is {answer}."):
        (verdict,) = judged(task(kind, truth), text)
        assert verdict.outcome == outcome, (text, verdict)


def test_a_continuation_is_the_answer_up_to_the_closing_tag():
    asked = task("output", "5", extraction="continuation", entry_point="f")
    verdicts = judged(asked, " 5", "assert f(1) == 5\n[/ANSWER]\n[PYTHON]\n6", "5\n6", "6\n[/ANSWER]5", "")
    verdicts += judged(asked, "I see. [ANSWER]5[/ANSWER]")
    assert [verdict.outcome for verdict in verdicts] == [
        "passed",
        "passed",
        "no_answer",
        "wrong_answer",
        "no_answer",
        "passed",
    ]


@pytest.mark.parametrize(
    ("reference", "complaint"),
    [
        ("output", r"task t: a reference for execution is an object with a 'kind', not 'output'"),
        ({"kind": "outptu",
        "output": "1"}, r"no kind of question about an execution named 'outptu'. Did you mean 'output'"),
        ({"kind": "output"}, "of the kind 'output' needs 'output'"),
        ({"kind": "output", "output": 5}, "'output' should be a str, not 5"),
        ({"kind": "output", "output": "f(1)"}, "'output' should be a literal, not 'f"),
        ({"kind": "output", "output": "1", "outptu": "1"}, "no key of a reference for execution named 'outptu'"),
        ({"kind": "input", "output": "1", "entry_point": "f"}, "of the kind 'input' needs 'code'"),
        ({"kind": "input", "output": "1", "code": "def g(): 1", "entry_point": "f"}, "no function of 'code' named 'f'"),
        ({"kind": "input", "output": "1", "code": "def f(", "entry_point": "f"}, "'code' does not parse"),
        ({"kind": "input", "output": "1", "code": "def f(): 1", "entry_point": "f",
        "input": "1) + (2"}, "'input' should be"),
        ({"kind": "input", "output": "1", "code": "def f(): 1",
        "entry_point": "f(); g"}, "'entry_point' should be a name"),
        ({"kind": "next_statement"}, "needs 'output' or 'lines'"),
        ({"kind": "next_statement", "output": ["a", 1]}, "'output' should be a text or a list of texts"),
        ({"kind": "next_statement", "code": "a\nb", "lines": [3]}, "numbers of lines of 'code', which has 2, not 3"),
    ],
)  # fmt: skip
def test_a_reference_that_cannot_be_used_is_refused_before_anything_runs(reference, complaint):
    with pytest.raises(ValueError, match=complaint):
        Execution().check(Task("t", "", reference, "execution"))


def test_nan_is_found_among_others_of_its_kind():
    nans = {float("nan"), float("nan"), 1}
    assert same(nans, {float("nan"), 1, float("nan")})
    assert not same(nans, {float("nan"), 1, 2})
    assert same({math.nan: 1}, {float("nan"): 1})
    assert not same({float("nan"): 1}, {float("nan"): 2})
