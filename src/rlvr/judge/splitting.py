"""What in the source of tests keeps them from running in another process than the program, decided from them alone.

Between the processes cross plain data, stand-ins for objects, calls, exceptions, what is printed, and what the tests
put in the place of `input`, `print` or `sys.stdin`. Everything here is the rest: code that looks inside the program's
objects, derives classes from its classes, or changes or watches something of the interpreter that both have to share.
"""

import ast
import builtins
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache

_INSIDES = {
    "__code__", "__globals__", "__closure__", "__defaults__", "__kwdefaults__", "__mro__", "__subclasses__",
    "__bases__", "__annotations__", "mro",
}  # fmt: skip
_SHARING = {
    "asyncio": "wait for coroutines", "atexit": "watch the interpreter", "concurrent.futures": "use threads",
    "dis": "look at code", "gc": "look at memory", "inspect": "look at code", "logging": "watch logging",
    "marshal": "copy code", "multiprocessing": "start processes", "pickle": "pickle objects",
    "shelve": "pickle objects", "signal": "send signals", "subprocess": "start processes", "threading": "use threads",
    "tracemalloc": "look at memory", "weakref": "watch memory",
}  # fmt: skip
_FIXTURES = {
    "caplog": "watch logging", "recwarn": "watch warnings", "tmp_path": "share files", "tmpdir": "share files",
    "tmp_path_factory": "share files", "tmpdir_factory": "share files",
}  # fmt: skip
_CALLS = {
    "assertLogs": "watch logging", "assertNoLogs": "watch logging", "assertWarns": "watch warnings",
    "assertWarnsRegex": "watch warnings", "catch_warnings": "watch warnings", "warns": "watch warnings",
    "deprecated_call": "watch warnings", "setenv": "change the environment", "delenv": "change the environment",
    "chdir": "change the folder", "NamedTemporaryFile": "share files", "TemporaryDirectory": "share files",
    "mkdtemp": "share files", "mkstemp": "share files",
}  # fmt: skip
_WHOLE = {"pandas": "import tables that do not cross", "sympy": "import formulas that do not cross"}
"""Packages whose objects are more than what crosses of them, so that both sides need the same ones."""
_CHANGES = {
    "append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "add", "discard", "update", "setdefault",
    "popitem", "appendleft", "popleft", "extendleft", "rotate",
}  # fmt: skip
"""Methods by which lists, dicts, sets and deques are changed."""
_LENT = {
    "builtins.input": "input", "sys.stdin": "input", "builtins.print": "print", "sys.stdout": "output",
    "sys.stderr": "output",
}  # fmt: skip
_CAPTURES = {
    "redirect_stdout", "redirect_stderr", "capsys", "capfd", "capsysbinary", "capfdbinary", "stdout", "stderr",
}  # fmt: skip


@lru_cache(maxsize=64)
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """As `ast.walk`, in a fifth of its time, and walked once for all the questions about one source."""
    found = [tree]
    for node in found:  # which grows meanwhile
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                found += [each for each in value if isinstance(each, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
    return tuple(found)


def obstacle(tree: ast.Module, names: set[str], module: str) -> str:
    """What these tests do that needs the program in their process, with its line; empty where they do nothing such.

    names: of the program, as the tests know them. module: under which the tests import it, if they do.
    """
    for node, what in _obstacles(tree, names, module):
        return f"the tests {what} (line {getattr(node, 'lineno', 1)})"
    return ""


def _obstacles(tree: ast.Module, names: set[str], module: str) -> Iterator[tuple[ast.AST, str]]:
    ours = _modules(tree) - names - {module}
    own = _own(tree, names, ours, module)
    for node in nodes(tree):
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                if of_program := names & {each.id for each in ast.walk(base) if isinstance(each, ast.Name)}:
                    yield node, f"derive the class {node.name!r} from {min(of_program)!r}"
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await):
            yield node, "wait for coroutines"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for name in _names_of(node):
                if why := _SHARING.get(name) or _WHOLE.get(name.partition(".")[0]):
                    yield node, f"{why} ({name})"
        elif isinstance(node, ast.arg) and node.arg in _FIXTURES:
            yield node, f"{_FIXTURES[node.arg]} ({node.arg})"
        elif isinstance(node, ast.Attribute):
            yield from _of_attribute(node, ours)
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load) and _is_held(node.value, own):
            yield node, "change what an object holds (an item of an attribute)"
        elif isinstance(node, ast.Call):
            yield from _of_call(node, ours, own, module)


def _of_attribute(node: ast.Attribute, ours: set[str]) -> Iterator[tuple[ast.AST, str]]:
    owner = node.value.id if isinstance(node.value, ast.Name) else ""
    if node.attr in _INSIDES:
        yield node, f"read {node.attr}"
    elif (owner, node.attr) == ("os", "environ"):
        yield node, "use the environment (os.environ)"
    elif owner in ours and not isinstance(node.ctx, ast.Load) and f"{owner}.{node.attr}" not in _LENT:
        yield node, f"replace {owner}.{node.attr}"


def _of_call(node: ast.Call, ours: set[str], own: set[ast.AST], module: str) -> Iterator[tuple[ast.AST, str]]:
    """Calls by which tests replace something (`patch`, `patch.object`, `monkeypatch.setattr`), or share the world."""
    last = getattr(node.func, "attr", getattr(node.func, "id", ""))
    owner = getattr(node.func, "value", None)
    patching = "patch" in (getattr(owner, "attr", ""), getattr(owner, "id", ""))
    if last in _CHANGES and owner is not None and _is_held(owner, own):
        yield node, f"change what an object holds ({last})"
    elif last in _CALLS:
        yield node, f"{_CALLS[last]} ({last})"
    elif (
        last == "open"
        and owner is None
        and any(_writes(argument) for argument in [*node.args[1:2], *(k.value for k in node.keywords)])
    ):
        yield node, "share files (open)"
    elif (last in ("patch", "setattr", "delattr") or (patching and last == "object")) and node.args:
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and "." in first.value:
            path = first.value
        elif isinstance(first, ast.Name) and first.id in ours and len(node.args) > 1:
            second = node.args[1]
            path = f"{first.id}.{second.value if isinstance(second, ast.Constant) else '...'}"
        else:
            return
        if path not in _LENT and path.partition(".")[0] != module:
            yield node, f"replace {path}"
    elif patching and last == "dict":
        yield node, "replace what is in a dict (patch.dict)"


def _is_held(node: ast.expr, own: set[ast.AST]) -> bool:
    """Whether this may be a container that an object of the program holds, of which the tests have a copy."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return isinstance(node, ast.Attribute) and node.value not in own


def _own(tree: ast.Module, names: set[str], ours: set[str], module: str) -> set[ast.AST]:
    """Where names stand for what is surely the tests' own: modules, `self`, and what is made of nothing of the program.

    ours: the names of modules.
    """
    bound, found, classes = _bound(nodes(tree)), set(), set()
    for node in nodes(tree):
        if isinstance(node, ast.ClassDef) and not _read(*node.decorator_list, *node.bases, *node.keywords) & names:
            classes |= {node.name} if bound[node.name] == 1 else set()
            for method in node.body:
                found |= _self(method, names)
    imported = _imported(tree, module)
    sources = (classes | {name for name in imported if imported[name] == bound[name]}) - names
    plain = {name for name, value in vars(builtins).items() if isinstance(value, type) and not bound[name]} - names
    made = Counter(
        node.targets[0].id
        for node in nodes(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.targets[0], ast.Name)
        and len(node.targets) == 1
        and _read(node.value.func) <= sources
        and _read(node.value) <= sources | plain
        and not (module and module in ast.dump(node.value))  # import_module("solution")
    )
    whole = ours | {name for name in made if made[name] == bound[name] and name not in names}
    return found | {node for node in nodes(tree) if isinstance(node, ast.Name) and node.id in whole}


def _self(method: ast.stmt, names: set[str]) -> set[ast.AST]:
    """Where a method names its first parameter, if it is always that."""
    if not isinstance(method, ast.FunctionDef) or _read(*method.decorator_list) & (names | {"staticmethod"}):
        return set()
    first = next((each.arg for each in [*method.args.posonlyargs, *method.args.args]), "")
    if _bound(ast.walk(method))[first] != 1:
        return set()
    return {node for node in ast.walk(method) if isinstance(node, ast.Name) and node.id == first}


def _read(*parts: ast.AST) -> set[str]:
    """Names that these read and do not bind themselves."""
    found = [node for part in parts for node in ast.walk(part) if isinstance(node, ast.Name)]
    return {node.id for node in found if isinstance(node.ctx, ast.Load)} - {
        node.id for node in found if isinstance(node.ctx, ast.Store)
    }


def _bound(walked: Iterable[ast.AST]) -> Counter[str]:
    """How often each name is bound, by whatever statement."""
    found: Counter[str] = Counter()
    for node in walked:
        if isinstance(node, ast.Name):
            found[node.id] += not isinstance(node.ctx, ast.Load)
        elif isinstance(node, ast.alias):
            found[node.asname or node.name.partition(".")[0]] += 1
        elif isinstance(node, ast.Global | ast.Nonlocal):
            found.update(node.names)
        elif not isinstance(node, ast.keyword):  # functions, classes, parameters, handlers, patterns
            fields = (getattr(node, field, None) for field in ("name", "arg", "rest"))
            found.update(name for name in fields if isinstance(name, str))
    return found


def _imported(tree: ast.Module, module: str) -> Counter[str]:
    """How often each name is imported from elsewhere than the program."""
    return Counter(
        alias.asname or alias.name.partition(".")[0]
        for node in nodes(tree)
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
        for alias in node.names
        if module not in (alias.name, getattr(node, "module", None))
    )


def _writes(argument: ast.expr) -> bool:
    return (
        isinstance(argument, ast.Constant)
        and isinstance(argument.value, str)
        and bool(set("wax+") & set(argument.value))
    )


def watched(trees: Iterable[ast.Module]) -> tuple[str, ...]:
    """Which of `output`, `input`, `print` the tests watch or replace."""
    found: set[str] = set()
    for tree in trees:
        mentioned = texts(tree)
        found |= {kind for text, kind in _LENT.items() if text in mentioned}
        for node in nodes(tree):
            if isinstance(node, ast.Attribute):
                found |= {"output"} if node.attr in _CAPTURES else set()
                found |= {_LENT[path]} if (path := f"{getattr(node.value, 'id', '')}.{node.attr}") in _LENT else set()
            elif isinstance(node, ast.Name | ast.arg):
                found |= {"output"} if getattr(node, "id", getattr(node, "arg", "")) in _CAPTURES else set()
            elif isinstance(node, ast.Call) and node.args and getattr(node.args[0], "id", "") in ("builtins", "sys"):
                # monkeypatch.setattr(builtins, "input", ...), patch.object(sys, "stdin", ...)
                path = f"{getattr(node.args[0], 'id', '')}.{getattr((node.args[1:2] or [None])[0], 'value', '')}"
                found |= {_LENT[path]} if path in _LENT else set()
    return tuple(sorted(found))


def texts(tree: ast.Module) -> set[str]:
    """The text constants of a source, and the first names of those with dots."""
    found = {node.value for node in nodes(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return found | {text.partition(".")[0] for text in found}


def imported_names(tree: ast.Module, module: str) -> tuple[set[str], bool]:
    """Names under which a source knows a module and what is in it; and whether it takes all that is in it."""
    names: set[str] = set()
    star = False
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name for alias in node.names if alias.name == module}
        elif isinstance(node, ast.ImportFrom) and node.module == module and not node.level:
            star = star or any(alias.name == "*" for alias in node.names)
            names |= {alias.asname or alias.name for alias in node.names if alias.name != "*"}
    return names, star


def _modules(tree: ast.Module) -> set[str]:
    """Names that are bound to modules by plain imports."""
    found: set[str] = set()
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return found


def _names_of(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    return {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)} if not node.level else set()
