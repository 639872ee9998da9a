"""Programs that are wrong in one small place, to find out whether tests would notice: mutation analysis.

    for mutant in mutants(source, most=12, seed=0):
        mutant.source, mutant.operator, mutant.line, mutant.change

A mutant that passes all tests is either a gap in the tests or equivalent to the original (`i < n` and `i != n` where
`i` counts up by one). No program can tell the two apart in general, so the share killed is a lower bound of the tests'
strength. The kinds of mistakes are those of Offutt et al. 1996 (An Experimental Determination of Sufficient Mutant
Operators) and what Python adds to them: slices, ranges, loops, arguments, functions that are easily confused.
"""

import ast
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from rlvr.judge.mistakes import mistakes

OPERATORS = (
    "arguments",
    "arithmetic",
    "boolean",
    "boundary",
    "comparison",
    "constant",
    "drop",
    "function",
    "loop",
    "negation",
    "return",
    "variable",
)
"""Every kind of mistake that is made."""


@dataclass(frozen=True, slots=True)
class Mutant:
    source: str
    """The whole program as `ast.unparse` writes it, so without comments."""
    operator: str
    line: int
    """Where in the original, from 1."""
    change: str
    """The first line that differs, before and after: `while i < n: => while i <= n:`."""


@dataclass(frozen=True, slots=True)
class _Slip:
    """What can go wrong at one place: `build` makes the wrong node from a copy of the right one."""

    operator: str
    number: int
    """Of the node, in the order of `ast.walk`."""
    build: Callable[[Any], ast.AST]


def mutants(source: str, *, most: int = 12, seed: int = 0, first_line: int = 1, script: bool = False) -> list[Mutant]:
    """At most `most` different mutants, spread over the operators, by line; the same for the same arguments.

    first_line: what stands above it is given and stays. script: the program is run and not imported, so that what is
    under `if __name__ == "__main__"` counts. Every mutant compiles, and its syntax tree differs from the original's.
    Raises `SyntaxError` or `ValueError` for a source that does not parse.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
        original = ast.unparse(tree)
        found: dict[str, Mutant] = {}
        for slip in _mixed(_slips(tree, _changeable(tree, first_line, script)), Random(f"{seed} {original}")):
            if len(found) == most:
                break
            mutant = _made(source, original, slip)
            if mutant is not None:
                found.setdefault(mutant.source, mutant)
    return sorted(found.values(), key=lambda mutant: (mutant.line, mutant.operator, mutant.source))


def _mixed(slips: list[_Slip], rng: Random) -> Iterator[_Slip]:
    """One of each operator in turn, so that a long formula does not crowd out everything else."""
    queues = {operator: [slip for slip in slips if slip.operator == operator] for operator in OPERATORS}
    for queue in queues.values():
        rng.shuffle(queue)
    order = rng.sample(OPERATORS, len(OPERATORS))
    while any(queues.values()):
        yield from (queues[operator].pop() for operator in order if queues[operator])


class _Replace(ast.NodeTransformer):
    def __init__(self, target: ast.AST, build: Callable[[Any], ast.AST]) -> None:
        self.target, self.build = target, build

    def visit(self, node: ast.AST) -> ast.AST:
        return self.build(node) if node is self.target else self.generic_visit(node)


def _made(source: str, original: str, slip: _Slip) -> Mutant | None:
    """The mutant; None where it would not compile or is the same program again."""
    # Parsing again is several times cheaper than copying a tree, and walks in the same order.
    wrong = ast.parse(source)
    target = list(ast.walk(wrong))[slip.number]
    line = target.lineno  # type: ignore[attr-defined]
    text = ast.unparse(ast.fix_missing_locations(_Replace(target, slip.build).visit(wrong)))
    try:
        compile(text, "mutant", "exec", dont_inherit=True)
        text = ast.unparse(ast.parse(text))
    except (SyntaxError, ValueError):
        return None  # as a default of None before one that is missing
    return None if text == original else Mutant(text, slip.operator, line, _change(original, text))


def _change(original: str, text: str) -> str:
    before, after = original.split("\n"), text.split("\n")
    at = _first_difference(before, after)
    was, now = ("".join(lines[at : at + 1]).strip() for lines in (before, after))
    if before[at:] == after[at + 1 :]:
        was = ""
    column = _first_difference(was, now)
    return f"{_window(was, column)} => {_window(now, column)}"


def _first_difference(left: Sequence[str], right: Sequence[str]) -> int:
    pairs = zip(left, right, strict=False)
    return next((n for n, (one, other) in enumerate(pairs) if one != other), min(len(left), len(right)))


def _window(line: str, at: int) -> str:
    """A long line around a column."""
    start = max(0, min(at - 40, len(line) - 90))
    part = line[start : start + 90]
    return ("..." if start else "") + (part or "(nothing)") + ("..." if start + 90 < len(line) else "")


def _changeable(tree: ast.Module, first_line: int, script: bool) -> set[ast.AST]:
    """The nodes where a mistake would show: what was not given, and runs when the program is used."""
    closed: list[ast.AST | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            closed += [*getattr(node, "decorator_list", ()), getattr(node, "returns", None), _docstring(node)]
        elif isinstance(node, ast.arg | ast.AnnAssign):
            closed.append(node.annotation)
        elif isinstance(node, ast.FormattedValue):
            closed.append(node.format_spec)
        elif isinstance(node, ast.If) and not script and "__name__" in ast.unparse(node.test):
            closed.append(node)
    if not script:
        closed += [node for node in tree.body if isinstance(node, ast.Expr)]  # in a module they only print
    out = {inner for node in closed if node for inner in ast.walk(node)}
    return {node for node in ast.walk(tree) if node not in out and getattr(node, "lineno", 0) >= first_line}


def _docstring(node: Any) -> ast.AST | None:
    match node.body:
        case [ast.Expr(ast.Constant(str())) as first, *_]:
            return first
    return None


def _slips(tree: ast.Module, changeable: set[ast.AST]) -> list[_Slip]:
    found: list[_Slip] = []
    others = _other_names(tree)
    for number, node in enumerate(ast.walk(tree)):
        if node in changeable:
            found += [_Slip(operator, number, build) for operator, build in mistakes(node)]
            found += [_Slip("variable", number, partial(_renamed, name=name)) for name in others.get(node, ())]
    return found


def _renamed(node: ast.Name, name: str) -> ast.AST:
    return ast.Name(name, ast.Load())


def _other_names(tree: ast.Module) -> dict[ast.AST, list[str]]:
    """For each use of a local name, the other names that its function has bound on lines before."""
    others: dict[ast.AST, list[str]] = {}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        arguments = function.args
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        bound = {argument.arg: function.lineno for argument in reversed(given) if argument and argument.arg != "self"}
        names = [node for node in _own(function) if isinstance(node, ast.Name)]
        for name in names:
            if isinstance(name.ctx, ast.Store):
                bound[name.id] = min(name.lineno, bound.get(name.id, name.lineno))
        for name in names:
            if isinstance(name.ctx, ast.Load) and name.id in bound:
                others[name] = sorted(other for other, line in bound.items() if line < name.lineno and other != name.id)
    return others


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """What is inside a function, without what has names of its own."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _SCOPES):
            yield child
            yield from _own(child)


_SCOPES = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp,
    ast.GeneratorExp, ast.arguments,
)  # fmt: skip
