"""pytest files: run on the tests' side only, with the program behind the module that they import."""

import importlib.util
import sys

import pytest

from rlvr.judge import assembly
from rlvr.records import Execution, Job, Limits, Task
from rlvr.sandboxes.local import Local
from rlvr.verifiers.unit_tests import UnitTests

PROGRAM = """
import sys
LIMIT = 100
class TooBig(ValueError):
    def __init__(self, n):
        super().__init__(f'{n} is too big')
        self.n = n
class Stack:
    def __init__(self):
        self.items = []
    def push(self, x):
        self.items.append(x)
def helper(x):
    return x
def square(x):
    if x > LIMIT:
        raise TooBig(x)
    return helper(x) * x
def shout(text):
    print(text.upper())
    print('quiet', file=sys.stderr)
def ask():
    return int(input('n? ')) + 1
if __name__ == '__main__':
    sys.exit(3)
"""
FEATURES = """
import importlib
import unittest
from unittest import mock

import pytest
import solution
from solution import Stack, TooBig, shout, square

pytestmark = pytest.mark.anything


@pytest.fixture(scope="module")
def numbers():
    return [1, 2]


@pytest.fixture
def stack(numbers):
    made = Stack()
    for number in numbers:
        made.push(number)
    yield made
    made.items = []


@pytest.mark.parametrize("x", [1, 2])
@pytest.mark.parametrize(("y", "z"), [(0, 0), pytest.param(3, 9, id="three")])
def test_parameters(x, y, z):
    assert square(x) == x * x and square(y) == z


def test_fixture(stack):
    assert stack.items == [1, 2] and isinstance(stack, Stack)


def test_raises():
    with pytest.raises(TooBig, match="1000 is too") as info:
        square(1000)
    assert info.value.n == 1000 and info.type is TooBig
    pytest.raises(ValueError, square, 101)
    with pytest.raises(TypeError):
        square("a")


def test_approx():
    assert square(0.1) == pytest.approx(0.01) and [square(0.1)] == pytest.approx([0.01])


def test_capsys(capsys):
    shout("hi")
    assert capsys.readouterr() == ("HI\\n", "quiet\\n")


def test_capfd(capfd):
    shout("hi")
    print("mine")
    assert capfd.readouterr().out == "HI\\nmine\\n"


def test_input(monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt: {"n? ": "41"}[prompt])
    assert solution.ask() == 42


def test_patching_the_program(monkeypatch):
    monkeypatch.setattr(solution, "helper", lambda x: 5)
    assert square(2) == 10
    monkeypatch.undo()
    assert square(2) == 4
    with mock.patch("solution.helper", return_value=7) as fake, mock.patch("solution.input", return_value="1"):
        assert square(2) == 14 and solution.ask() == 2
    fake.assert_called_once_with(2)
    with mock.patch.object(solution, "LIMIT", 1):
        pytest.raises(TooBig, square, 2)
    assert square(2) == 4 and solution.LIMIT == 100


class TestGroup:
    def setup_method(self):
        self.x = 3

    def test_method(self):
        assert square(self.x) == 9


class TestCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.y = 4

    def setUp(self):
        self.x = 3

    def test_case(self):
        self.assertEqual(square(self.x), 9)
        self.assertEqual(square(self.y), 16)
        with self.assertRaises(TooBig) as caught:
            square(101)
        self.assertEqual(caught.exception.n, 101)
        for n in (1, 2):
            with self.subTest(n=n):
                self.assertEqual(square(n), n * n)


@pytest.mark.skip(reason="not here")
def test_skipped():
    assert False


@pytest.mark.xfail(reason="known")
def test_expected_to_fail():
    assert square(2) == 5


def test_reload():
    solution.LIMIT = 1
    again = importlib.reload(solution)
    assert again.LIMIT == 100 and hasattr(again, "square") and not hasattr(again, "cube")
"""


def reference(tests: str, **more) -> dict:
    return {"style": "pytest", "tests": tests, "module": "solution", **more}


@pytest.mark.parametrize(
    "top",
    [
        "import solution as s",
        "import importlib, solution\ns = importlib.import_module('solution')",
        "from solution import make\ns = make()",
    ],
)
def test_what_the_program_holds_is_its_own_under_any_name(top):
    plan = assembly.plan(reference(f"{top}\ndef test():\n    s.found.append(1)\n"))
    assert (plan.trust, "change what an object holds" in plan.why_shared) == ("shared", True)


@pytest.fixture(scope="module")
def sandbox():
    with Local(workers=1).open() as pool:
        yield pool


def run(sandbox, program: str, tests: str, **more) -> Execution:
    return sandbox.run(Job(program, reference(tests, **more), limits=Limits(cpu_s=5.0, wall_s=10.0)))


def passed(execution: Execution) -> bool:
    return execution.ended == "finished" and all(test.outcome == "passed" for test in execution.tests)


def test_everything_that_people_write_in_test_files_works_split(sandbox):
    execution = run(sandbox, PROGRAM, FEATURES)
    assert [test.why for test in execution.tests if test.outcome != "passed"] == []
    # Four sets of parameters; the skipped one is not counted.
    assert (execution.ended, execution.trust, execution.tests_total) == ("finished", "split", 15)
    assert execution.telltales == ()


def test_each_test_has_its_own_result_with_its_name(sandbox):
    tests = (
        "from solution import f\nimport pytest\n@pytest.mark.parametrize('x', [1, 2, 3])\ndef test_f(x):\n"
        "    assert f(x) == 2 * x\nclass TestOf:\n    def test_none(self):\n        assert f(None) is None\n"
    )
    execution = run(sandbox, "def f(x):\n    return x + 2", tests)
    assert [test.outcome for test in execution.tests] == ["wrong_answer", "passed", "wrong_answer", "runtime_error"]
    assert execution.tests[0].why == "test_f[1]: assert f(x) == 2 * x: got 3"
    assert execution.tests[3].why.startswith("TestOf::test_none: assert f(None) is None: TypeError")
    assert execution.tests[3].why.endswith("(line 2)")


TESTS = "from solution import f\ndef test_one():\n    assert f(2) == 4\ndef test_two():\n    assert f(3) == 9\n"
LATE = "def test_one():\n    import solution\n    assert solution.f(2) == 4\ndef test_two():\n    assert True\n"
UNLOADABLE = {
    "syntax_error": "def f(x:",
    "runtime_error": "x = {}['nothing']",
    "early_exit": "import sys\nsys.exit(0)",
    "early_exit ": "import os\nos._exit(0)",
    "memory_limit": "x = [0] * 10**10",
    "output_limit": "for _ in range(100): print('x' * 10**6)",
}


@pytest.mark.parametrize("tests", [TESTS, LATE])
@pytest.mark.parametrize("outcome", UNLOADABLE)
def test_a_program_that_cannot_be_imported_fails_by_its_own_outcome(sandbox, outcome, tests):
    execution = run(sandbox, UNLOADABLE[outcome], tests)
    assert execution.ended == outcome.strip(), execution
    assert {test.outcome for test in execution.tests} == {outcome.strip()}
    assert execution.tests_total == 2


def test_a_name_that_is_not_there_is_the_programs_error(sandbox):
    execution = run(sandbox, "def g(x):\n    return x", TESTS)
    assert not passed(execution)
    assert "cannot import name 'f'" in execution.tests[0].why


HOSTILE = {
    "leaves in a call": "import os\ndef f(x):\n    os._exit(0)",
    "raises pytest's skip": "import pytest\ndef f(x):\n    pytest.skip('no')",
    "raises pytest's exit": "import pytest\ndef f(x):\n    pytest.exit('no', returncode=0)",
    "raises unittest's skip": "import unittest\ndef f(x):\n    raise unittest.SkipTest",
    "interrupts": "def f(x):\n    raise KeyboardInterrupt",
    "interrupts while it is imported": "raise KeyboardInterrupt",
    "leaves by the exit of systems": "def f(x):\n    raise SystemExit(0)",
    "patches pytest": (
        "import pytest, _pytest.python, _pytest.runner, _pytest.reports\n"
        "_pytest.runner.pytest_runtest_call = lambda item: None\n_pytest.python.Function.runtest = lambda self: None\n"
        "_pytest.reports.TestReport.outcome = 'passed'\npytest.main = lambda *a, **k: 0\ndef f(x):\n    return 0"
    ),
    "a conftest of its own": (
        "open('conftest.py', 'w').write('def pytest_runtest_call(item): pass\\n"
        "def pytest_collection_modifyitems(items): "
        "items.clear()')\nopen('pytest.ini', 'w').write('[pytest]\\naddopts = --collect-only')\ndef f(x):\n    return 0"
    ),
    "equal to everything": "class Same:\n    __eq__ = lambda s, o: True\ndef f(x):\n    return Same()",
    "looks like a mark": (
        "class Any:\n    def __getattr__(self, name):\n        return self\n    def __call__(self, *a, **k):\n"
        "        return self\n    __eq__ = lambda s, o: True\n    __iter__ = lambda s: iter([s])\nf = Any()\n"
        "pytestmark = f"
    ),
    "names that all tests have": (
        "import builtins\n__all__ = [*dir(builtins), 'f', 'test_one', 'test_two', 'pytest_generate_tests']\n"
        "abs = len = isinstance = sum = all = lambda *a: True\ntest_one = test_two = lambda: None\n"
        "def f(x):\n    return 0"
    ),
    "an unending generator of attributes": "def __getattr__(name):\n    return lambda *a: 0\ndef f(x):\n    return 0",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_trick_with_pytest_is_rewarded(sandbox, name):
    for tests in (TESTS, TESTS.replace("import f", "import *")):
        execution = run(sandbox, HOSTILE[name], tests)
        assert execution.ended != "judge_error", execution
        assert not any(test.outcome in ("passed", "judge_error") for test in execution.tests), execution


def test_all_that_is_taken_of_a_star_is_what_the_tests_use(sandbox):
    tests = "from solution import *\ndef test_f():\n    assert abs(f(-3)) == 3 and g() == 1\n"
    assert passed(run(sandbox, "__all__ = ['f']\ndef f(x):\n    return x\ndef g():\n    return 1", tests))
    assert not passed(run(sandbox, "def abs(x):\n    return 3\ndef f(x):\n    return 0\ndef g():\n    return 1", tests))


def test_a_test_that_lets_the_program_decide_whether_it_runs_is_not_passed(sandbox):
    tests = (
        "import pytest, solution\ndef test():\n    if not hasattr(solution, 'f'):\n        pytest.skip()\n"
        "    assert solution.f() == 1\n"
    )
    execution = run(sandbox, "", tests)
    assert execution.tests[0].outcome == "wrong_answer"
    assert passed(run(sandbox, "def f():\n    return 1", tests))


def test_files_that_cannot_be_split_run_in_one_process_and_say_so(sandbox):
    tests = (
        "import solution\nclass Mine(solution.Base):\n    def part(self):\n        return 2\n"
        "def test_sub(caplog, tmp_path):\n    assert Mine().whole() == 4\n    assert solution.Base().whole() == 2\n"
    )
    right = "class Base:\n    def part(self):\n        return 1\n    def whole(self):\n        return self.part() * 2"
    execution = run(sandbox, right, tests)
    assert (execution.trust, passed(execution)) == ("shared", True)
    wrong = run(sandbox, right.replace("* 2", "* 3"), tests)
    assert wrong.tests[0].outcome == "wrong_answer"
    assert run(sandbox, "class Base:", tests).ended == "syntax_error"


def test_what_printing_while_it_is_imported_and_a_main_block_do(sandbox):
    tests = (
        "import importlib, sys\ndef test_import(capsys):\n    import solution\n"
        "    assert capsys.readouterr().out == 'hello\\n'\n"
        "def test_again(capsys):\n    del sys.modules['solution']\n    import solution\n"
        "    assert solution.__name__ == 'solution'\n"
    )
    assert passed(run(sandbox, "print('hello')\nif __name__ == '__main__':\n    raise ValueError", tests))


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ("import solution\ndef check():\n    pass\n", "no test"),
        ("def test_f():\n    assert f()\n", "never imports 'solution'"),
        ("import solution\ndef test_f(:\n", "does not parse"),
        ("import solution, surely_not_there\ndef test_f():\n    pass\n", "import 'surely_not_there'"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tests, message):
    with pytest.raises(ValueError, match=message):
        UnitTests().check(Task("t/1", "p", reference(tests), "unit_tests"))


def test_the_module_may_have_another_name_but_no_standard_one(sandbox):
    tests = TESTS.replace("solution", "answer")
    assert passed(run(sandbox, "def f(x):\n    return x * x", tests, module="answer"))
    with pytest.raises(ValueError, match="'module'"):
        assembly.plan(reference(TESTS, module="json"))


def test_without_pytest_a_task_says_what_to_install(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "pytest" else found(name, *a))
    with pytest.raises(ValueError, match=r"pip install .*\[pytest\]'"):
        UnitTests().check(Task("t/1", "p", reference(TESTS + "# unseen\n"), "unit_tests"))


def test_nothing_of_the_judges_pytest_reaches_this_one():
    assert "rlvr.judge.suites" not in sys.modules
