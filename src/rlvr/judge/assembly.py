"""From a completion and a reference to what is run: the program, and the plan by which tests are run against it.

Everything about the tests is decided from the reference alone, never from the candidate: which names come from the
program, which from the prompt, and whether tests and program can live in two processes.
"""

import ast
import builtins
import json
import re
import symtable
import sys
import threading
import warnings
from dataclasses import dataclass
from functools import lru_cache

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
}
_REQUIRED = {"check": ("tests", "entry_point"), "asserts": ("tests",)}
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
    sources = reference["tests"] if style == "asserts" else [f"{reference['tests']}\n\ncheck({entry_point})\n"]
    if odd := [test for test in sources if not isinstance(test, str)]:
        raise ValueError(f"each of 'tests' should be a text, not {odd[0]!r:.60}")
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _analyse(style, tuple(sources), setup, prompt, entry_point)


def _analyse(style: str, sources: tuple[str, ...], setup: str, prompt: str, entry_point: str) -> Plan:
    setup_uses = _parse(setup, "the setup")
    uses = [_parse(source, f"test {number}") for number, source in enumerate(sources)]
    if style == "check" and "check" not in uses[0].bound:
        raise ValueError("the tests of a 'check' reference must define check(candidate)")
    before = header(prompt, entry_point)
    given = _parse(before, "the prompt").bound - {entry_point} if prompt else frozenset()
    bound = setup_uses.bound.union(*(use.bound for use in uses))
    free = setup_uses.free.union(*(use.free for use in uses)) - bound
    modules = {name for name in free - given if name in sys.stdlib_module_names and name not in _called(uses)} - {
        entry_point
    }
    names = {name for name in free - given - modules if not hasattr(builtins, name)}
    if entry_point:
        names.add(entry_point)
    elif not names:
        names = {_only_builtin(uses)}
        entry_point = next(iter(names))
    shared = next((use.unsplittable(names) for use in (setup_uses, *uses) if use.unsplittable(names)), "")
    return Plan(
        tests=sources,
        setup=setup,
        names=tuple(sorted(names)),
        modules=tuple(sorted(modules)),
        entry_point=entry_point or None,
        header=before if given & free else "",
        trust="shared" if shared else "split",
        why_shared=shared,
        plain=modules <= _HARMLESS and all(use.is_plain() for use in (setup_uses, *uses, _parse(before, "the prompt"))),
    )


@dataclass(frozen=True, slots=True)
class _Uses:
    """What one piece of source binds at its top level and what it takes from elsewhere."""

    tree: ast.Module
    bound: frozenset[str]
    free: frozenset[str]

    def called(self) -> set[str]:
        nodes = (node.func for node in ast.walk(self.tree) if isinstance(node, ast.Call))
        return {node.id for node in nodes if isinstance(node, ast.Name)}

    def unsplittable(self, names: set[str]) -> str:
        """Why these tests need the program in their own process; empty where they do not."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef):
                for base in node.bases:
                    if isinstance(base, ast.Name) and base.id in names:
                        return f"the tests derive a class from {base.id!r}"
            elif isinstance(node, ast.Attribute) and node.attr in _INSIDES:
                return f"the tests read {node.attr}"
        inspecting = _INSPECTING & _imported(self.tree)
        return f"the tests import {min(inspecting)}" if inspecting else ""

    def is_plain(self) -> bool:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute) and (not isinstance(node.ctx, ast.Load) or node.attr.startswith("__")):
                return False
            if isinstance(node, ast.Name) and node.id in _FAR_REACHING:
                return False
        return _imported(self.tree) <= _HARMLESS


# Modules whose use leaves nothing behind (`random` is seeded anew for every program).
_HARMLESS = {
    "bisect", "cmath", "collections", "copy", "datetime", "fractions", "functools", "heapq", "itertools", "json",
    "math", "numbers", "operator", "random", "re", "statistics", "string", "typing",
}  # fmt: skip
_FAR_REACHING = {
    "__builtins__", "__import__", "breakpoint", "compile", "delattr", "eval", "exec", "exit", "getattr", "globals",
    "input", "open", "quit", "setattr", "vars",
}  # fmt: skip
_INSIDES = {"__code__", "__globals__", "__closure__", "__defaults__", "__kwdefaults__", "__mro__", "__subclasses__"}
_INSPECTING = {"inspect", "dis", "tracemalloc"}


def _parse(source: str, what: str) -> _Uses:
    try:
        tree = ast.parse(source)
        compile(source, what, "exec", dont_inherit=True)
        table = symtable.symtable(source, what, "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise ValueError(f"{what} does not parse: {error}" + ("" if line else f": {source!r:.80}")) from error
    bound = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    free: set[str] = set()
    tables = [table]
    while tables:
        current = tables.pop()
        tables += current.get_children()
        for symbol in current.get_symbols():
            if symbol.is_referenced() and (current is table or symbol.is_global()):
                free.add(symbol.get_name())
            elif symbol.is_declared_global() and symbol.is_assigned():
                bound.add(symbol.get_name())
    return _Uses(tree, frozenset(bound), frozenset(free - bound))


def _imported(tree: ast.Module) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    return modules


def _called(uses: list[_Uses]) -> set[str]:
    return set().union(*(use.called() for use in uses))


def _only_builtin(uses: list[_Uses]) -> str:
    """The program's name where tests use none but those of builtins, as for a task to write one's own `sum`."""
    common = set.intersection(*(use.called() & set(vars(builtins)) for use in uses))
    if len(common) != 1:
        raise ValueError(
            "the tests use no name of the program; say in 'entry_point' which function they test"
            + (f" (they call {', '.join(sorted(common))})" if common else "")
        )
    return common.pop()
