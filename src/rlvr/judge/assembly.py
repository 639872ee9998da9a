"""From a completion and a reference to what is run: the program, and the plan by which tests are run against it.

Everything about the tests is decided from the reference alone, never from the candidate: which names come from the
program, which from the prompt, and whether tests and program can live in two processes.
"""

import ast
import builtins
import importlib.util
import json
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from rlvr import extras
from rlvr.judge import splitting
from rlvr.judge.uses import HARMLESS, called, needs, only_builtin, parse
from rlvr.records import Json, Record
from rlvr.registry import unknown


@dataclass(frozen=True, slots=True)
class Plan(Record):
    """How to test a program."""

    tests: tuple[str, ...]
    """Sources that run one after another in one namespace; each is one result."""
    setup: str = ""
    """Runs after the program and before the tests, on the tests' side."""
    names: tuple[str, ...] = ()
    """What the tests use of the program."""
    modules: tuple[str, ...] = ()
    """Standard modules that the tests use without importing them."""
    entry_point: str | None = None
    """A name that the program must define."""
    header: str = ""
    """The prompt's imports and helpers, for the tests that use them: theirs are the prompt's, not the program's."""
    trust: str = "split"
    """`split`, or `shared` where `why_shared` says what cannot cross between two processes."""
    why_shared: str = ""
    plain: bool = False
    """The tests change nothing outside their own names, so one process can run them after those of other tasks."""
    suite: str = ""
    """A pytest file, in place of `tests`, which then are only the names of what is known to be in it."""
    module: str = ""
    """Under which name the file imports the program."""
    watched: tuple[str, ...] = ()
    """What the tests look at or replace of the world around the program: `output`, `input`, `print`."""
    needs: tuple[str, ...] = ()
    """Modules outside the standard library that the tests import."""


def plan(reference: Json) -> Plan:
    """The plan for a reference. Raises `ValueError` that says what is wrong with it."""
    if not isinstance(reference, dict):
        raise ValueError(f"a reference for unit tests is an object with a 'style', not {reference!r:.60}")
    return _plan(json.dumps(reference, sort_keys=True))


def program(reference: Json, text: str) -> str:
    """The source to run: what was extracted, completed by the reference's `prompt` where there is one.

    With a prompt, text that starts indented is a body and continues it; text that defines the entry point follows the
    prompt's imports and helpers; anything else continues the prompt too.
    """
    prompt, entry_point = reference.get("prompt") or "", reference.get("entry_point")
    if not prompt:
        return text
    first = next((line for line in text.splitlines() if line.strip()), "")
    defines = entry_point and re.search(
        rf"^(?:(?:async[ \t]+)?def|class)[ \t]+{entry_point}\b|^{entry_point}[ \t]*[:=]", text, re.MULTILINE
    )
    if defines and not first[:1].isspace():
        return header(prompt, entry_point) + "\n\n" + text
    return prompt + text


def header(prompt: str, entry_point: str | None) -> str:
    """The part of a prompt before the definition of the entry point, decorators excluded."""
    if not entry_point:
        return prompt
    match = re.search(rf"^(?:@.*\n)*(?:(?:async[ \t]+)?def|class)[ \t]+{entry_point}\b", prompt, re.MULTILINE)
    return prompt[: match.start()] if match else prompt


_FIELDS = {
    "check": {"style": str, "tests": str, "entry_point": str, "setup": str, "prompt": str},
    "asserts": {"style": str, "tests": list, "entry_point": str, "setup": str, "prompt": str},
    "pytest": {"style": str, "tests": str, "module": str, "entry_point": str, "prompt": str},
}
_REQUIRED = {"check": ("tests", "entry_point"), "asserts": ("tests",), "pytest": ("tests",)}
_PARSING = threading.Lock()


@lru_cache(maxsize=4096)
def _plan(reference_json: str) -> Plan:
    reference = json.loads(reference_json)
    style = reference.get("style")
    if style not in _FIELDS:
        raise ValueError(unknown("style of unit tests", str(style), _FIELDS))
    for key, value in reference.items():
        if key not in _FIELDS[style]:
            raise ValueError(unknown(f"key of a {style!r} reference", key, _FIELDS[style]))
        if not isinstance(value, _FIELDS[style][key]) and not (value is None and key not in _REQUIRED[style]):
            raise ValueError(
                f"{key!r} of a {style!r} reference should be a {_FIELDS[style][key].__name__}, not {value!r:.60}"
            )
    for key in _REQUIRED[style]:
        if not reference.get(key):
            raise ValueError(f"a {style!r} reference needs {key!r}")
    entry_point, setup, prompt = (reference.get(key) or "" for key in ("entry_point", "setup", "prompt"))
    if entry_point and not entry_point.isidentifier():
        raise ValueError(f"'entry_point' should be a name, not {entry_point!r:.60}")
    if style == "pytest":
        module = reference.get("module") or "solution"
        if not module.isidentifier() or module in sys.stdlib_module_names:
            raise ValueError(f"'module' should be a name that no standard module has, not {module!r:.60}")
        with _PARSING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _suite(reference["tests"], module)
    sources = reference["tests"] if style == "asserts" else [f"{reference['tests']}\n\ncheck({entry_point})\n"]
    if odd := [test for test in sources if not isinstance(test, str)]:
        raise ValueError(f"each of 'tests' should be a text, not {odd[0]!r:.60}")
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _analyse(style, tuple(sources), setup, prompt, entry_point)


def _analyse(style: str, sources: tuple[str, ...], setup: str, prompt: str, entry_point: str) -> Plan:
    setup_uses = parse(setup, "the setup")
    uses = [parse(source, f"test {number}") for number, source in enumerate(sources)]
    if style == "check" and "check" not in uses[0].bound:
        raise ValueError("the tests of a 'check' reference must define check(candidate)")
    before = header(prompt, entry_point)
    before_uses = parse(before, "the prompt")
    given = before_uses.bound - {entry_point}
    bound = setup_uses.bound.union(*(use.bound for use in uses))
    free = setup_uses.free.union(*(use.free for use in uses)) - bound
    modules = {name for name in free - given if name in sys.stdlib_module_names and name not in called(uses)} - {
        entry_point
    }
    names = {name for name in free - given - modules if not hasattr(builtins, name)}
    if entry_point:
        names.add(entry_point)
    elif not names:
        names = {only_builtin(uses)}
        entry_point = next(iter(names))
    trees = [use.tree for use in (setup_uses, *uses)]
    shared = next(filter(None, (splitting.obstacle(tree, names, "") for tree in trees)), "")
    return Plan(
        tests=sources,
        setup=setup,
        names=tuple(sorted(names)),
        modules=tuple(sorted(modules)),
        entry_point=entry_point or None,
        header=before if given & free else "",
        trust="shared" if shared else "split",
        why_shared=shared,
        plain=modules <= HARMLESS and all(use.is_plain() for use in (setup_uses, *uses, before_uses)),
        watched=splitting.watched(trees),
        needs=needs(trees, ""),
    )


def _suite(source: str, module: str) -> Plan:
    """The plan of a pytest file."""
    if importlib.util.find_spec("pytest") is None:
        raise ValueError(f"tests of style 'pytest' need pytest, which is not installed: {extras.install('pytest')}")
    use = parse(source, "the file of tests")
    found = suite_names(use.tree)
    if not found:
        raise ValueError("the file of tests has no test: no function test_..., no class Test..., no unittest.TestCase")
    names, star = splitting.imported_names(use.tree, module)
    if not names and not star and module not in splitting.texts(use.tree):
        raise ValueError(f"the file of tests never imports {module!r}, the program")
    free = {name for name in use.free - use.bound if not hasattr(builtins, name)} if star else set()
    shared = splitting.obstacle(use.tree, names | free, module)
    return Plan(
        tests=found,
        names=tuple(sorted(free)),
        trust="shared" if shared else "split",
        why_shared=shared,
        suite=source,
        module=module,
        watched=splitting.watched([use.tree]),
        needs=tuple(sorted({"pytest", *needs([use.tree], module)})),
    )


def suite_names(tree: ast.Module) -> tuple[str, ...]:
    """The tests that can be seen in a pytest file without running it; parameters count where they are written out."""
    found: list[str] = []
    for node in _statements(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            found += [node.name] * _parameters(node)
        elif isinstance(node, ast.ClassDef):
            case = any("TestCase" in ast.dump(base) for base in node.bases)
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
            if case or node.name.startswith("Test"):
                for method in methods:
                    if method.name.startswith("test"):
                        found += [f"{node.name}::{method.name}"] * (_parameters(method) * _parameters(node))
    return tuple(found)


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    waiting: list[ast.stmt] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            waiting += reversed(node.body)


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    count = 1
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and "parametrize" in ast.dump(decorator.func) and len(decorator.args) > 1:
            values = decorator.args[1]
            count *= max(1, len(values.elts)) if isinstance(values, ast.List | ast.Tuple) else 1
    return count
