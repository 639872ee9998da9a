"""What a piece of source binds, takes from elsewhere, imports, and may leave behind: read from it, never run."""

import ast
import builtins
import importlib.util
import symtable
import sys
from dataclasses import dataclass

from rlvr.judge import splitting

HARMLESS = {
    "bisect", "cmath", "collections", "copy", "datetime", "fractions", "functools", "heapq", "itertools", "json",
    "math", "numbers", "operator", "random", "re", "statistics", "string", "typing",
}  # fmt: skip
"""Modules whose use leaves nothing behind (`random` is seeded anew for every program)."""
_FAR_REACHING = {
    "__builtins__", "__import__", "breakpoint", "compile", "delattr", "eval", "exec", "exit", "getattr", "globals",
    "input", "open", "quit", "setattr", "vars",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Uses:
    """What one piece of source binds at its top level and what it takes from elsewhere."""

    tree: ast.Module
    bound: frozenset[str]
    free: frozenset[str]

    def called(self) -> set[str]:
        nodes = (node.func for node in splitting.nodes(self.tree) if isinstance(node, ast.Call))
        return {node.id for node in nodes if isinstance(node, ast.Name)}

    def is_plain(self) -> bool:
        """Whether running it changes nothing outside its own names."""
        for node in splitting.nodes(self.tree):
            # What modules keep for themselves has such names.
            if isinstance(node, ast.Attribute) and (not isinstance(node.ctx, ast.Load) or node.attr.startswith("_")):
                return False
            if isinstance(node, ast.ImportFrom) and any(alias.name.startswith("_") for alias in node.names):
                return False
            if isinstance(node, ast.Name) and node.id in _FAR_REACHING:
                return False
        return _imported(self.tree) <= HARMLESS


def parse(source: str, what: str) -> Uses:
    """Raises `ValueError` that calls the source what the caller calls it."""
    try:
        tree = ast.parse(source)
        compile(tree, what, "exec", dont_inherit=True)
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
    return Uses(tree, frozenset(bound), frozenset(free - bound))


def needs(trees: list[ast.Module], module: str) -> tuple[str, ...]:
    """Modules outside the standard library. Raises `ValueError` for one that is needed in any case and is not here."""
    found: set[str] = set()
    for tree in trees:
        tops = {name.partition(".")[0] for name in _imported(tree)} - {module, ""}
        found |= tops - sys.stdlib_module_names
        always = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
        for name in sorted({name.partition(".")[0] for name in _imported(always)} & found):
            if importlib.util.find_spec(name) is None:
                raise ValueError(f"the tests import {name!r}, which is not installed here")
    return tuple(sorted(found))


def called(uses: list[Uses]) -> set[str]:
    return set().union(*(use.called() for use in uses))


def only_builtin(uses: list[Uses]) -> str:
    """The program's name where tests use none but those of builtins, as for a task to write one's own `sum`."""
    common = set.intersection(*(use.called() & set(vars(builtins)) for use in uses))
    if len(common) != 1:
        raise ValueError(
            "the tests use no name of the program; say in 'entry_point' which function they test"
            + (f" (they call {', '.join(sorted(common))})" if common else "")
        )
    return common.pop()


def _imported(tree: ast.Module) -> set[str]:
    modules: set[str] = set()
    for node in splitting.nodes(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            modules.add("" if node.level else node.module or "")
    return modules
