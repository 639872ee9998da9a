"""Runs a pytest file inside the tests' process, with the program behind the module that the file imports.

Nothing of this touches the disk: the file is a module in memory, and pytest reads no configuration, no `conftest.py`,
no plug-in and no cache. Only this file imports pytest, which is an extra.
"""

import os
import sys
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, Protocol

import pytest

FILE = "<tests>"
_NAME = "test_solution"
_UNUSED = (
    "cacheprovider", "doctest", "faulthandler", "junitxml", "pastebin", "setuponly", "setupplan", "stepwise",
    "terminal", "threadexception", "unraisableexception", "warnings",
)  # fmt: skip
_FOR = {"caplog": "logging", "tmpdir": "legacypath"}
"""Plug-ins that are left out unless one of their fixtures is used."""
_ARGUMENTS = [
    "-c", os.devnull, "--rootdir=/", "--noconftest", "--assert=plain", "--capture=no", "--import-mode=importlib",
    "--basetemp=pytest",
    *(part for name in _UNUSED for part in ("-p", f"no:{name}")),
]  # fmt: skip
_Result = tuple[str, str]


class LoadError(Exception):
    """The program could not be loaded. `ended`: the outcome that this is."""

    def __init__(self, ended: str, why: str) -> None:
        super().__init__(why)
        self.ended = ended


class Importer:
    """Finds one module, by loading the program. load: fills the fresh module; raises `LoadError`.

    failure: of the first load that failed, after which none is tried again.
    """

    def __init__(self, name: str, module: type[types.ModuleType], load: Callable[[types.ModuleType], None]) -> None:
        self.failure: LoadError | None = None
        self._name = name
        self._module = module
        self._load = load

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, origin="solution.py") if name == self._name else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return self._module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        if self.failure is None:
            try:
                self._load(module)
            except LoadError as error:
                self.failure = error
        if self.failure is not None:
            raise self.failure


class Eyes(Protocol):
    """What a run wants to know of whoever runs it."""

    def begin(self) -> None:
        """A test begins."""

    def classify(self, error: BaseException) -> _Result:
        """A name for the failure that this exception is."""
        ...

    def gone(self) -> bool:
        """Whether the program has left."""
        ...


def run(code: types.CodeType, names: int, eyes: Eyes) -> list[_Result]:
    """One `(outcome, why)` for each test function, parametrised ones apart.

    names: how many there are where the file itself does not run to its end.
    """
    module = types.ModuleType(_NAME)
    module.__file__ = FILE
    sys.modules[_NAME] = module
    try:
        exec(code, module.__dict__)
    except BaseException as error:
        return [_about("import", eyes.classify(error))] * names
    watch = _Watch(module, eyes)
    left_out = [plugin for fixture, plugin in _FOR.items() if not _mentions(code, fixture)]
    pytest.main([*_ARGUMENTS, *(part for name in left_out for part in ("-p", f"no:{name}"))], plugins=[watch])
    return watch.results() or [("wrong_answer", "no test was run: all of them skipped themselves")] * names


def _mentions(code: types.CodeType, name: str) -> bool:
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return name in code.co_varnames or name in code.co_consts or any(_mentions(each, name) for each in inner)


def warm_up() -> None:
    """Have everything imported that a run needs."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    source = (
        "import pytest, unittest\n@pytest.mark.parametrize('n', [1])\ndef test(n, capsys, monkeypatch):\n"
        "    with pytest.raises(ValueError, match='x'):\n        raise ValueError('x')\n"
        "class TestIt(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(1, pytest.approx(1.0))\n"
    )
    results = run(compile(source, FILE, "exec"), 2, _Nobody())
    assert results == [("passed", "")] * 2, results
    del sys.modules[_NAME]


class _Nobody:
    def begin(self) -> None:
        pass

    def classify(self, error: BaseException) -> _Result:
        return "wrong_answer", repr(error)

    def gone(self) -> bool:
        return False


class _File(pytest.Module):
    """The tests, which are loaded already."""

    given: types.ModuleType
    is_ours: Callable[[object], bool]

    def _getobj(self) -> types.ModuleType:
        return self.given

    def istestfunction(self, obj: object, name: str) -> bool:
        return self.is_ours(obj) and super().istestfunction(obj, name)

    def istestclass(self, obj: object, name: str) -> bool:
        return self.is_ours(obj) and super().istestclass(obj, name)


class _Watch:
    """A plug-in that hands pytest the file and sees how each test ends."""

    def __init__(self, module: types.ModuleType, eyes: Eyes) -> None:
        self._module = module
        self._eyes = eyes
        self._items: list[pytest.Item] = []
        self._errors: dict[tuple[str, str], BaseException] = {}
        self._failed: dict[str, _Result] = {}
        self._uncollected: list[_Result] = []
        self._ended: set[str] = set()
        self._skipped: set[str] = set()

    def results(self) -> list[_Result]:
        found = [
            self._failed.get(item.nodeid, ("passed", ""))
            if item.nodeid in self._ended
            else _about(_name(item), self._failed.get(item.nodeid, ("wrong_answer", "the tests ended before this one")))
            for item in self._items
            if item.nodeid not in self._skipped
        ]
        return found + self._uncollected

    def pytest_collection(self, session: pytest.Session) -> bool:
        from rlvr.judge.standins import is_remote

        file = _File.from_parent(session, path=Path("/" + _NAME + ".py"))
        file.given, file.is_ours = self._module, lambda obj: not is_remote(obj)
        session.items = self._items = list(session.genitems(file))
        session.config.hook.pytest_collection_modifyitems(session=session, config=session.config, items=session.items)
        session.testscollected = len(session.items)
        return True

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A part of the file that cannot be collected is a failed test."""
        if report.failed:
            why = str(report.longrepr).strip().splitlines()
            self._uncollected.append(("wrong_answer", why[-1] if why else "cannot be collected"))

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._eyes.begin()

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
        """Without the printed traceback, whose making is most of what a failed test costs."""
        outcome: Any = "passed"
        text: Any = None
        phase: Any = call.when
        if call.excinfo is not None:
            self._errors[item.nodeid, phase] = call.excinfo.value
            outcome = "failed"
            if isinstance(call.excinfo.value, pytest.skip.Exception):
                outcome, text = "skipped", ("", 0, str(call.excinfo.value))
        if outcome == "skipped" and _is_marked(item):
            self._skipped.add(item.nodeid)
        return pytest.TestReport(item.nodeid, item.location, {}, outcome, text, phase)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.partition("::")[2]
        expected = hasattr(report, "wasxfail")
        if report.failed:
            error = self._errors.get((report.nodeid, str(report.when)))
            result = self._eyes.classify(error) if error else ("wrong_answer", "passed, though it was marked to fail")
            self._failed.setdefault(report.nodeid, _about(name, result))
        elif report.skipped and not expected:
            # Whether a test runs is not up to the program, which may have caused this.
            self._failed.setdefault(report.nodeid, _about(name, ("wrong_answer", "it skipped itself")))
        if report.when == "teardown":
            if self._eyes.gone():
                self._failed.setdefault(report.nodeid, ("early_exit", ""))
            self._ended.add(report.nodeid)


def _is_marked(item: pytest.Item) -> bool:
    """Whether a test is skipped by a mark, before it has asked the program anything."""
    marked = any(item.get_closest_marker(name) for name in ("skip", "skipif"))
    places = (getattr(item, "obj", None), getattr(item, "cls", None))
    return marked or any(getattr(place, "__unittest_skip__", False) for place in places)


def _name(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[2]


def _about(name: str, result: _Result) -> _Result:
    return result[0], f"{name}: {result[1]}" if result[1] else name
