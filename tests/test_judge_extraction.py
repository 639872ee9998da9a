"""One function cuts the program out of any text, and says by which rule."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.judge.extraction import Extraction, extract

F = "def f(x):\n    return x\n"
T = "def test_f(x):\n    return x\n"

CASES = {
    "fence": (f"Sure!\n```python\n{F}```\nBye.", F, "fence"),
    "unmarked fence": (f"```\n{F}```", F, "fence"),
    "tilde fence": (f"~~~py\n{F}~~~", F, "fence"),
    "longer fence": (f"````python\n{F}# ```\n````", F + "# ```\n", "fence"),
    "fence after words": (f"Here it is: ```python\n{F}```", F, "fence"),
    "fence in a list": ("1. Do:\n   ```python\n   def f(x):\n       return x\n   ```", F, "fence"),
    "a fence inside a docstring": (
        '```python\ndef f():\n    """\n    ```\n    """\n```',
        'def f():\n    """\n    ```\n    """\n',
        "fence",
    ),
    "a body keeps its margin": ("```python\n    return x\n```", "    return x\n", "fence"),
    "the last one that defines something": (f"```python\ndef f(x): 1/0\n```\nBetter:\n```python\n{F}```", F, "fence"),
    "an example after it": (f"```python\n{F}```\nUse:\n```python\nprint(f(1))\n```", F, "fence"),
    "python before other languages": (f"```bash\nls\n```\n```python\n{F}```\n```\nout\n```", F, "fence"),
    "unclosed": (f"```python\n{F}", F, "unclosed_fence"),
    "the prompt had opened it": (f"{F}```\nThis is how:\n```python\nprint(1)\n```", F, "closing_fence"),
    "begin and done": (f"[BEGIN]\n{F}[DONE]\nmore", "\n" + F, "begin_done+bare"),
    "done alone": (f"{F}[DONE]\n[BEGIN]\nmore", F, "begin_done+bare"),
    "thinking": (f"<think>```python\n1/0\n```</think>\n```python\n{F}```", F, "thinking+fence"),
    "thinking opened by the prompt": (f"hm, def g(): 1\n</think>\n{F}", "\n" + F, "thinking+bare"),
    "tests after it": (f"```python\n{F}```\nTests:\n```python\ndef test_f():\n    assert f(1) == 1\n```", F, "fence"),
    "a program named as a test, an example after it": (
        f"```python\n{T}```\n```python\nprint(test_f(1))\n```",
        T,
        "fence",
    ),
    "tests of a class, then an example": (
        f"```python\n{F}```\n```python\nclass TestF:\n    x = f\n```\n```python\nf(1)\n```",
        F,
        "fence",
    ),
    "marks that it prints": (
        "```python\ndef f(x):\n    return '[DONE] ' + x + '[BEGIN]'\n```",
        "def f(x):\n    return '[DONE] ' + x + '[BEGIN]'\n",
        "fence",
    ),
    "tags that it looks for": (
        '<think>a "b"</think>\n```python\ndef f(x):\n    return x.split("</think>")[-1].split("<think>")\n```',
        'def f(x):\n    return x.split("</think>")[-1].split("<think>")\n',
        "thinking+fence",
    ),
    "quotes on both sides of a tag": (
        f"<think>I don't say 'x'</think>'''doc'''\n{F}",
        f"'''doc'''\n{F}",
        "thinking+bare",
    ),
    "quotes on both sides of a mark": ("[BEGIN]f = 'a' == 'b'[DONE] and 'c'", "f = 'a' == 'b'", "begin_done+bare"),
    "a tag in a longer text": (
        "def f(x):\n    return '' if x else 'no </think>', 'a', \"[DONE] it's over\"\n",
        "def f(x):\n    return '' if x else 'no </think>', 'a', \"[DONE] it's over\"\n",
        "bare",
    ),
    "a tag in quotes in the thoughts": (f"I don't say '</think>' here\n</think>\n{F}", "\n" + F, "thinking+bare"),
    "bare": (F, F, "bare"),
    "bare body": ('    if s == "":\n        return 0\n', '    if s == "":\n        return 0\n', "bare"),
    "windows and a byte-order mark": ("\ufeff" + F.replace("\n", "\r\n"), F, "bare"),
    "words before bare code": (f"I think this works.\n\n{F}", F, "bare_after_prose"),
    "broken code is code": ("def f(x:\n", "def f(x:\n", "bare"),
}
NOTHING = {
    "empty": "",
    "blank": " \n\t\n",
    "words": "I am sorry, I cannot do that. For example: no.",
    "another language": "```cpp\nint f;\n```",
    "an empty fence": "```python\n\n```",
    "thinking that never ended": "<think>\n```python\ndef f(): 1\n```",
}


@pytest.mark.parametrize("name", CASES)
def test_the_program_is_found(name):
    text, code, rule = CASES[name]
    found = extract(text)
    assert (found.code, found.rule) == (code, rule)


@pytest.mark.parametrize("name", NOTHING)
def test_no_program_is_none(name):
    assert extract(NOTHING[name]).code is None


def test_where_the_prompt_has_opened_the_thinking_only_what_follows_it_is_an_answer():
    assert extract(f"hm, def g(): 1\n</think>\n{F}", "thinking") == Extraction("\n" + F, "thinking+bare")
    assert extract(f"```python\n{F}```", "thinking") == Extraction(None, "thinking+none")
    assert extract("so it is\n</think>\n", "thinking").code is None


def test_a_continuation_is_taken_as_it_is():
    text = "\ufeff    return '```'\r\n</think>"
    assert extract(text, "continuation").code == text
    assert extract(" \n", "continuation").code is None


def test_an_unknown_rule_names_those_there_are():
    with pytest.raises(LookupError, match="continuation"):
        extract("x", "continuations")


pieces = st.sampled_from(
    [
        "```",
        "```python\n",
        "~~~",
        "<think>",
        "</think>",
        "[BEGIN]",
        "[DONE]",
        "\r\n",
        "\r",
        "\n",
        "\ufeff",
        "    ",
        F,
        "x = 1",
        "#",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces | st.text(st.characters(exclude_categories=()), max_size=6), max_size=12).map("".join))
def test_any_text_has_an_answer(text):
    for rule in ("auto", "continuation", "thinking"):
        found = extract(text, rule)
        assert found.rule
        assert found.code is None or found.code.strip()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([F, "import os\n", "x = [1,\n  2]\n", "class A:\n    y = '``'\n", "\n"]), min_size=1).map(
        "".join
    )
)
def test_what_was_extracted_extracts_as_itself(code):
    once = extract(f"Text.\n```python\n{code}```\n").code
    assert once is None or extract(once).code == once


@pytest.mark.parametrize(
    "unit", ["`", "```\n", "<think>", "'<think>", "[BEGIN]", " ", "\n", "if :#", "def f(", "x", "``` ", "a```\n"]
)
def test_long_text_takes_linear_time(unit):
    """Half a million characters; a quadratic pattern would take minutes."""
    extract(unit * (500_000 // len(unit)))


@pytest.mark.parametrize(
    "first", ["while True: pass", "raise SystemExit", "quit()", "assert False", "for i in range(9**9): pass"]
)
def test_what_stands_before_the_functions_of_a_program_belongs_to_it(first):
    program = f"{first}\ndef sq(a): return a * a\n"
    assert extract(program) == Extraction(program, "bare")


def test_a_word_of_prose_is_no_program():
    assert extract("Sure").code is None
