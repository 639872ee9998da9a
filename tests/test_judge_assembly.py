"""References become plans, decided from the tests alone; unusable ones are named before anything runs."""

import pytest

from rlvr.judge import assembly


def plan(**reference):
    return assembly.plan({"style": "asserts", **reference})


def test_names_come_from_where_the_tests_say():
    made = plan(
        tests=[
            "import math\nassert math.isclose(area(Shape(2)), abs(x)) and sys.maxsize",
            "assert [y for y in area(x)]",
        ],
        setup="x = Shape(1)",
    )
    assert made.names == ("Shape", "area")
    assert made.modules == ("sys",)
    assert (made.entry_point, made.trust) == (None, "split")


def test_builtins_are_the_tests_own_unless_they_are_what_is_tested():
    assert plan(tests=["assert sorted(f(1)) == sum(x)"]).names == ("f", "x")
    assert plan(tests=["assert sum(1, 2) == 3", "assert sum(2, 2) == 4"]).names == ("sum",)
    assert plan(tests=["assert abs(sum(1, 2)) == 3"], entry_point="sum").names == ("sum",)
    assert plan(tests=["assert bisect(f, 1) == 3"]).names == ("bisect", "f")


def test_helpers_of_the_prompt_are_the_prompts():
    reference = {
        "style": "check",
        "prompt": "import math\n\ndef poly(x):\n    return x\n\ndef root(f):\n    '''Find it.'''\n",
        "tests": "def check(candidate):\n    assert poly(candidate(3)) == math.sqrt(9)\n",
        "entry_point": "root",
    }
    made = assembly.plan(reference)
    assert made.names == ("root",)
    assert "def poly" in made.header
    assert "def root" not in made.header


PROMPT = "import math\n\n\ndef helper(x):\n    return x\n\n\ndef f(x):\n    '''Doc.'''\n"
BODY = "    return math.sqrt(helper(x))\n"
FORMS = {
    "body": BODY,
    "function": "def f(x):\n" + BODY,
    "whole file": PROMPT + BODY,
    "async-free lambda": "f = lambda x: math.sqrt(helper(x))\n",
    "class": "class f:\n    def __new__(cls, x):\n        return math.sqrt(helper(x))\n",
    "function after its own imports": "from math import sqrt\n\ndef f(x: float) -> float:\n    return sqrt(x)\n",
    "a helper of its own": "def mine(x):\n    return math.sqrt(x)\n\ndef f(x):\n    return mine(x)\n",
    "a body with a function in it": "    def f(y):\n        return math.sqrt(y)\n    return f(x)\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_completion_may_be_a_body_a_function_or_a_file(form):
    source = assembly.program({"prompt": PROMPT, "entry_point": "f"}, FORMS[form])
    space: dict = {}
    exec(source, space)
    assert space["f"](9) == 3


def test_without_a_prompt_the_text_is_the_program():
    assert assembly.program({"entry_point": "f"}, "x") == "x"


BROKEN = {
    "no style": ({"tests": ["assert f()"]}, "asserts, ?check|check, ?asserts"),
    "unknown style": ({"style": "assert", "tests": ["assert f()"]}, "Did you mean 'asserts'"),
    "unknown key": ({"style": "asserts", "tests": ["assert f()"], "set_up": ""}, "Did you mean 'setup'"),
    "tests of the wrong kind": ({"style": "asserts", "tests": "assert f()"}, "'tests'.*list"),
    "a test of the wrong kind": ({"style": "asserts", "tests": ["assert f()", 3]}, "text, not 3"),
    "no tests": ({"style": "asserts", "tests": []}, "needs 'tests'"),
    "no entry point": ({"style": "check", "tests": "def check(c): pass"}, "needs 'entry_point'"),
    "an entry point that is no name": (
        {"style": "check", "tests": "def check(c): pass", "entry_point": "a b"},
        "a name",
    ),
    "no check": ({"style": "check", "tests": "def chek(c): pass", "entry_point": "f"}, "check"),
    "a test that does not parse": ({"style": "asserts", "tests": ["assert f()", "assert f("]}, "test 1 does not parse"),
    "a setup that does not parse": (
        {"style": "asserts", "tests": ["assert f()"], "setup": "1 1"},
        "setup does not parse",
    ),
    "a return at the top": ({"style": "asserts", "tests": ["return f()"]}, "test 0 does not parse"),
    "nothing of the program": ({"style": "asserts", "tests": ["assert 1 == 1"]}, "use no name of the program"),
    "which builtin?": ({"style": "asserts", "tests": ["assert abs(sum(1, 2)) == 3"]}, "abs, sum"),
    "not an object": (["assert f()"], "object"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_reference_that_cannot_be_used_says_why(name):
    reference, message = BROKEN[name]
    with pytest.raises(ValueError, match=message):
        assembly.plan(reference)


def test_what_cannot_be_split_is_decided_and_explained_from_the_tests():
    for test in (
        "class A(Base): pass",
        "assert f.__code__.co_argcount == 1",
        "import inspect\nassert inspect.getsource(f)",
    ):
        made = plan(tests=[test, "assert f and Base"])
        assert made.trust == "shared"
        assert made.why_shared
    assert plan(tests=["class A: pass\nassert f(A())"]).trust == "split"


def test_only_tests_that_change_nothing_share_a_process_with_other_tasks():
    assert plan(tests=["import math\nassert f(1) == math.pi", "x = [1]\nf(x)\nassert x == [2]"]).plain
    for test in (
        "import os\nassert f(os.sep)",
        "root.left = f(1)\nassert root",
        "assert eval('f(1)') and f",
        "assert f.__doc__",
    ):
        assert not plan(tests=[test]).plain
