"""Problems with asserts, as MBPP has them: which function they are about, one call of it, and how to ask for it."""

import ast
import builtins
import re

from rlvr.tasks._files import Row
from rlvr.tasks._prompts import Question


def called(tests: list[str]) -> tuple[str, str]:
    """The function that asserts are about and its first call as source: the outermost call of a name that Python does
    not define, or, if every called name is a builtin (MBPP/126 asks for `sum`), the outermost of those.

    Raises `ValueError` where an assert does not call that function.
    """
    if not tests:
        raise ValueError("there are no tests")
    calls = [_calls(test) for test in tests]
    own = [call for call in calls[0] if not hasattr(builtins, call[0])] or calls[0]
    if not own:
        raise ValueError(f"no function is called in {tests[0]!r:.80}")
    name, source = own[0]
    for test, found in zip(tests, calls, strict=True):
        if name not in (other for other, _ in found):
            raise ValueError(f"{name} is not called in {test!r:.80}")
    return name, source


def _calls(test: str) -> list[tuple[str, str]]:
    """Called names with their calls, outermost first."""
    return [
        (node.func.id, ast.get_source_segment(test, node) or "")
        for node in ast.walk(ast.parse(test))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]


def unwrapped(source: str) -> tuple[str, list[str]]:
    """Setup and asserts of a file of tests: statements at its top, or those of its functions `test_...`.

    Raises `ValueError` where anything stands after an assert that is none: one by one they would mean something else.
    """
    setup: list[str] = []
    tests: list[str] = []
    for node in _statements(ast.parse(source)):
        text = ast.get_source_segment(source, node) or ""
        if isinstance(node, ast.Assert):
            tests.append(text)
        elif tests:
            raise ValueError(f"asserts may follow what is not an assert, not the other way round: {text!r:.80}")
        else:
            setup.append(text)
    return "\n".join(setup), tests


def _statements(tree: ast.Module) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test") and not node.args.args:
            found += node.body
        else:
            found.append(node)
    return found


def asserts_question(problem: str, tests: list[str], setup: str) -> tuple[Question, str]:
    """How MBPP asks, and the function's name: base models see the problem and the tests as in the paper, users name the
    function and show one call. Both show the setup where it is more than imports.

    Raises `SyntaxError` or `ValueError` like `called`.
    """
    entry_point, call = called(tests)
    shown = "\n".join([*([setup] if setup and not _only_imports(setup) else []), *tests[:3]])
    asked = (
        f"You are an expert Python programmer, and here is your task: {problem} "
        f"Your code should pass these tests:\n\n{shown}\n[BEGIN]\n"
    )
    return Question(asked, naming(problem, entry_point, call, setup)), entry_point


def naming(problem: str, entry_point: str, call: str, setup: str) -> str:
    """What a user writes who wants a function by its name, with a call of it for its arguments' sake."""
    shown = f"{setup}\n{call}" if setup and not _only_imports(setup) else call
    return (
        f"{problem}\n\nName the function `{entry_point}`. It will be called like this:\n\n"
        f"```python\n{shown}\n```\n\nAnswer with the whole program in one Python code block."
    )


def _only_imports(source: str) -> bool:
    return all(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(source).body)


def mbpp_number(row: Row) -> int:
    """Of the field `task_id`: a number, or a text that ends in one."""
    label = row.label("task_id")
    match = re.fullmatch(r"(?:mbpp/)?(\d+)", label, re.IGNORECASE)
    if match is None:
        raise row.error(f"field task_id should be a number such as 601, or a text such as '601', not {label!r:.60}")
    return int(match[1])
