"""The small mistakes that can be made at one node of a syntax tree; `mutants` makes whole wrong programs of them.

`mistakes(node)` yields pairs of an operator and a function that turns that node (or its equal in another copy of the
tree, which it may change) into the wrong one.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

Mistake = tuple[str, Callable[[Any], ast.AST]]

_ARITHMETIC: dict[type, type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.FloorDiv, ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr, ast.MatMult: ast.Mult,
}  # fmt: skip
_COMPARISON: dict[type, type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_BOUNDARY: dict[type, type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_CONFUSED = [
    ("min", "max"), ("any", "all"), ("lower", "upper"), ("islower", "isupper"), ("startswith", "endswith"),
    ("lstrip", "rstrip"), ("find", "rfind"), ("floor", "ceil"), ("isdigit", "isalpha"), ("append", "extend"),
    ("add", "discard"), ("union", "intersection"), ("keys", "values"), ("sin", "cos"),
]  # fmt: skip
_SYMMETRIC = {"min", "max", "gcd", "lcm", "hypot", "isclose"}
_INSTEAD = dict(_CONFUSED) | {right: left for left, right in _CONFUSED}


def mistakes(node: ast.AST) -> Iterator[Mistake]:
    for find in _FINDERS.get(type(node), ()):
        yield from find(node)


def _binary(node: ast.BinOp) -> Iterator[Mistake]:
    # A text minus a text only raises: no test could miss it.
    if not any(_is_text(side) for side in (node.left, node.right)):
        yield "arithmetic", _with(op=_ARITHMETIC[type(node.op)]())
    yield "arithmetic", lambda node: node.left
    yield "arithmetic", lambda node: node.right


def _augmented(node: ast.AugAssign) -> Iterator[Mistake]:
    if not _is_text(node.value):
        yield "arithmetic", _with(op=_ARITHMETIC[type(node.op)]())
    yield "arithmetic", lambda node: ast.Assign([node.target], node.value)
    yield "drop", _nothing


def _unary(node: ast.UnaryOp) -> Iterator[Mistake]:
    if isinstance(node.op, ast.Not):
        yield "negation", lambda node: node.operand
    elif isinstance(node.op, ast.USub):
        yield "arithmetic", lambda node: node.operand


def _compare(node: ast.Compare) -> Iterator[Mistake]:
    for at, op in enumerate(node.ops):
        yield "comparison", _at("ops", at, _COMPARISON[type(op)]())
        if type(op) in _BOUNDARY:
            yield "boundary", _at("ops", at, _BOUNDARY[type(op)]())


def _logic(node: ast.BoolOp) -> Iterator[Mistake]:
    yield "boolean", _with(op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for at in range(len(node.values)):
        yield "boolean", _without("values", at)


def _constant(node: ast.Constant) -> Iterator[Mistake]:
    value = node.value
    wrong: list[Any] = []
    if isinstance(value, bool):
        wrong = [not value]
    elif isinstance(value, int | float):
        wrong = [value + 1, value - 1]
    elif isinstance(value, str):
        wrong = [""] if value else ["x"]
    for other in wrong:
        if other != value or isinstance(value, bool):
            # Where a negative constant may not stand, as in `2 ** -1`, unparse writes the brackets.
            yield "constant", lambda node, other=other: ast.copy_location(ast.Constant(other), node)


def _call(node: ast.Call) -> Iterator[Mistake]:
    pairs = [] if ast.unparse(node.func).split(".")[-1] in _SYMMETRIC else pairwise(node.args)
    for at, (left, right) in enumerate(pairs):
        if not any(isinstance(argument, ast.Starred) for argument in (left, right)):
            yield "arguments", _swapped("args", at)
    is_range = isinstance(node.func, ast.Name) and node.func.id == "range"
    if is_range and node.args and not any(isinstance(argument, ast.Starred) for argument in node.args):
        stop = min(1, len(node.args) - 1)
        for at, by in [(stop, -1), (stop, 1), *([(0, 1)] if stop else [])]:
            if not isinstance(node.args[at], ast.Constant):
                yield "boundary", lambda node, at=at, by=by: _moved_item(node, "args", at, by)


def _left_out(node: ast.Call) -> Iterator[Mistake]:
    """`sorted(x)` and `x.strip()` as `x`."""
    first = node.args[0] if node.args and not isinstance(node.args[0], ast.Starred) else None
    if isinstance(node.func, ast.Attribute) and not _is_module(node.func.value):
        yield "function", lambda node: node.func.value
    elif first is not None:
        yield "function", lambda node: node.args[0]


def _is_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in sys.stdlib_module_names


def _slice(node: ast.Slice) -> Iterator[Mistake]:
    for end, by in (("lower", 1), ("upper", -1)):
        value = getattr(node, end)
        if value is not None and not isinstance(value, ast.Constant):
            yield "boundary", lambda node, end=end, by=by: _with(**{end: _moved(getattr(node, end), by)})(node)
        elif value is None and node.step is None:
            yield "boundary", _with(**{end: ast.Constant(1 if end == "lower" else -1)})


def _subscript(node: ast.Subscript) -> Iterator[Mistake]:
    if isinstance(node.ctx, ast.Load) and not isinstance(node.slice, ast.Slice | ast.Tuple | ast.Constant):
        yield "boundary", lambda node: _with(slice=_moved(node.slice, -1))(node)


def _returned(node: ast.Return) -> Iterator[Mistake]:
    if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield "return", _with(value=ast.Constant(None))


def _loop(node: ast.For | ast.While) -> Iterator[Mistake]:
    yield "loop", lambda node: _with(body=[*node.body, ast.Break()])(node)


def _jump(node: ast.Break | ast.Continue) -> Iterator[Mistake]:
    yield "loop", lambda node: ast.Continue() if isinstance(node, ast.Break) else ast.Break()
    yield "drop", _nothing


def _branch(node: ast.If) -> Iterator[Mistake]:
    yield "negation", lambda node: _with(test=_negated(node.test))(node)
    if node.orelse:
        yield "drop", _with(orelse=[])
    else:
        yield "drop", _nothing


def _choice(node: ast.IfExp) -> Iterator[Mistake]:
    yield "negation", lambda node: _with(test=_negated(node.test))(node)


def _comprehended(node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Iterator[Mistake]:
    for at, generator in enumerate(node.generators):
        for which in range(len(generator.ifs)):

            def unfiltered(node: Any, at: int = at, which: int = which) -> ast.AST:
                del node.generators[at].ifs[which]
                return node

            yield "drop", unfiltered


def _statement(node: ast.Expr) -> Iterator[Mistake]:
    if not isinstance(node.value, ast.Constant):
        yield "drop", _nothing


def _assigned(node: ast.Assign) -> Iterator[Mistake]:
    # A name that is bound here for the first time would only be missing.
    used = {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
    if all(not isinstance(target, ast.Name) or target.id in used for target in node.targets):
        yield "drop", _nothing


def _raised(node: ast.Raise) -> Iterator[Mistake]:
    yield "drop", _nothing


def _name(node: ast.Name) -> Iterator[Mistake]:
    if isinstance(node.ctx, ast.Load) and node.id in _INSTEAD:
        yield "function", _with(id=_INSTEAD[node.id])


def _attribute(node: ast.Attribute) -> Iterator[Mistake]:
    if isinstance(node.ctx, ast.Load) and node.attr in _INSTEAD:
        yield "function", _with(attr=_INSTEAD[node.attr])


_FINDERS: dict[type, tuple[Callable[[Any], Iterator[Mistake]], ...]] = {
    ast.BinOp: (_binary,), ast.AugAssign: (_augmented,), ast.UnaryOp: (_unary,), ast.Compare: (_compare,),
    ast.BoolOp: (_logic,), ast.Constant: (_constant,), ast.Call: (_call, _left_out), ast.Slice: (_slice,),
    ast.Subscript: (_subscript,), ast.Return: (_returned,), ast.For: (_loop,), ast.While: (_loop,),
    ast.Break: (_jump,), ast.Continue: (_jump,), ast.If: (_branch,), ast.IfExp: (_choice,),
    ast.ListComp: (_comprehended,), ast.SetComp: (_comprehended,), ast.GeneratorExp: (_comprehended,),
    ast.DictComp: (_comprehended,), ast.Expr: (_statement,), ast.Assign: (_assigned,), ast.Raise: (_raised,),
    ast.Name: (_name,), ast.Attribute: (_attribute,),
}  # fmt: skip


def _with(**changes: Any) -> Callable[[Any], ast.AST]:
    def change(node: Any) -> ast.AST:
        for field, value in changes.items():
            setattr(node, field, value)
        return node

    return change


def _at(field: str, at: int, value: ast.AST) -> Callable[[Any], ast.AST]:
    def change(node: Any) -> ast.AST:
        getattr(node, field)[at] = value
        return node

    return change


def _without(field: str, at: int) -> Callable[[Any], ast.AST]:
    def change(node: Any) -> ast.AST:
        items = getattr(node, field)
        del items[at]
        return node if len(items) > 1 else items[0]

    return change


def _swapped(field: str, at: int) -> Callable[[Any], ast.AST]:
    def change(node: Any) -> ast.AST:
        items = getattr(node, field)
        items[at], items[at + 1] = items[at + 1], items[at]
        return node

    return change


def _moved_item(node: Any, field: str, at: int, by: int) -> ast.AST:
    items = getattr(node, field)
    items[at] = _moved(items[at], by)
    return node


def _moved(node: ast.expr, by: int) -> ast.expr:
    return ast.BinOp(node, ast.Add() if by > 0 else ast.Sub(), ast.Constant(1))


def _negated(node: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), node)


def _nothing(node: Any) -> ast.AST:
    return ast.Pass()


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
