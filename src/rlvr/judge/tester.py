"""The tests' process: runs the tests of one task against one candidate after another and reports what it saw.

It never runs the candidate's code, except for the few tasks whose tests cannot be split, and it alone writes results. A
test has passed only where it ran to its end while the candidate was still there.
"""

import builtins
import functools
import gc
import json
import os
import socket
import sys
import time
import traceback
import types
from typing import Any, NoReturn

from rlvr.judge import standins, telltales
from rlvr.judge.candidate import MODULE, load
from rlvr.judge.failures import TESTS, classify, shorten
from rlvr.judge.languages import write_all
from rlvr.judge.peer import Peer
from rlvr.judge.standins import is_remote
from rlvr.judge.wire import Gone, read_frame, write_frame

PLAN, DONE = b"plan", b"done"
EXPLAINED = 8
"""How many failed tests of one candidate are explained, so that a report always fits a socket's buffer."""
_LOADED = ("finished", "syntax_error", "runtime_error", "memory_limit", "output_limit", "early_exit")
"""How a program can say that loading it ended."""
_to_json = json.JSONEncoder().encode
"""Not the module's own encoder, which tests can change."""
_OF_INPUT = ("read", "readline", "readlines", "isatty", "readable", "fileno", "close")


class Tests:
    """The tests of one task, compiled once. `plan`: an `assembly.Plan` as JSON."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.names: list[str] = plan["names"]
        self.required: str | None = plan["entry_point"]
        self.modules: list[str] = plan["modules"]
        self.setup: str = plan["setup"]
        self.sources: list[str] = plan["tests"]
        self.module: str = plan["module"] or MODULE
        self.watched: list[str] = plan["watched"]
        self.suite: str = plan["suite"]
        self.stops = any("StopIteration" in text for text in (self.setup, self.suite, *self.sources))
        self.header = _compile(plan["header"])
        self.setup_code = _compile(self.setup)
        self.codes = [_compile(self.suite)] if self.suite else [_compile(source) for source in self.sources]

    def run(self, found: dict[str, Any], peer: Peer | None) -> list[tuple[str, str]]:
        """One `(outcome, why)` per test, in order. found: the candidate's names; peer: None where it runs in here."""
        if self.required is not None and self.required not in found:
            return [("runtime_error", f"the program does not define {self.required!r}")] * len(self.codes)
        space: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins}
        if peer is None:
            space = found
        else:
            exec(self.header, space)
            space.update({module: __import__(module) for module in self.modules})
            # Only what was asked for: a forged answer could name `abs` or `__builtins__`.
            space.update({name: found[name] for name in self.names if name in found})
        outcome, why = self._attempt(self.setup_code, self.setup, space, peer)
        if outcome != "passed":
            return [(outcome, f"setup: {why}")] * len(self.codes)
        pairs = zip(self.codes, self.sources, strict=True)
        return [self._attempt(code, source, space, peer) for code, source in pairs]

    def run_suite(
        self, load: Any, kind: type[types.ModuleType], peer: Peer | None
    ) -> tuple[str, str, list[tuple[str, str]]]:
        """How loading the program ended where a pytest file imported it, why, and one `(outcome, why)` per test."""
        from rlvr.judge import suites

        importer = suites.Importer(self.module, kind, load)
        sys.meta_path.insert(0, importer)  # type: ignore[arg-type]
        found = suites.run(self.codes[0], len(self.sources), _Eyes(self.suite, peer))
        if importer.failure is None:
            return "finished", "", found
        return importer.failure.ended, str(importer.failure), []

    def _attempt(self, code: Any, source: str, space: dict[str, Any], peer: Peer | None) -> tuple[str, str]:
        failure = ("passed", "")
        if peer:
            peer.results.clear()
        try:
            exec(code, space)
        except Gone:
            pass
        except BaseException as error:
            failure = classify(error, source, peer.results if peer else [])
        # A test that swallowed the candidate's departure has not passed.
        return ("early_exit", "") if peer and peer.gone else failure


class _Eyes:
    """What a run of pytest asks while it goes on."""

    def __init__(self, source: str, peer: Peer | None) -> None:
        self._source = source
        self._peer = peer
        self._results: list[Any] = peer.results if peer else []

    def begin(self) -> None:
        self._results.clear()

    def classify(self, error: BaseException) -> tuple[str, str]:
        return ("early_exit", "") if self.gone() else classify(error, self._source, self._results)

    def gone(self) -> bool:
        return self._peer is not None and self._peer.gone


def _compile(source: str) -> Any:
    return compile(source, TESTS, "exec", dont_inherit=True)


def serve(reports: socket.socket, jobs: socket.socket) -> NoReturn:
    """Life of a tests' process: on `jobs` comes the word that a plan waits on `reports`, or a candidate's channel."""
    gc.enable()
    sys.setrecursionlimit(4000)
    tests = None
    channel = -1
    while True:
        message, descriptors, _, _ = socket.recv_fds(jobs, len(PLAN), 1)
        if channel >= 0:
            os.close(
                channel
            )  # not earlier: a program that sees its channel close leaves, which would look like its own will
            channel = -1
        if not message:
            os._exit(0)
        if message == PLAN:
            tests = Tests(json.loads(read_frame(reports) or b""))
            continue
        assert tests is not None
        began = time.process_time()
        channel = descriptors[0]
        report = judge(tests, channel)
        _report(reports, int(message), report, time.process_time() - began)
        jobs.send(DONE)


def serve_shared(plans: socket.socket, jobs: socket.socket, program: bytes, report: int) -> NoReturn:
    """Program and tests in one process, for tests that cannot be split. report: the file for it."""
    gc.enable()
    telltales.watch(program)
    tests = Tests(json.loads(read_frame(plans) or b""))
    plans.close()  # the caller and other tests' processes have its other end
    if tests.suite:

        def fill(module: types.ModuleType) -> None:
            ended, why, _ = load(program, tests.module)
            if ended != "finished":
                from rlvr.judge.suites import LoadError

                raise LoadError(ended, why)

        ended, why, results = tests.run_suite(fill, types.ModuleType, None)
    else:
        ended, why, names = load(program)
        results = tests.run(names, None) if ended == "finished" else []
    found = {"ended": ended, "why": why, "tests": results, "telltales": telltales.seen()}
    write_all(report, _to_json(_shortened(found)).encode())
    jobs.send(DONE)
    os._exit(0)


def judge(tests: Tests, channel: int) -> dict[str, Any]:
    """What the tests have to say about the program at the other end of a channel."""
    peer = Peer(channel, guarded=True, show=_show_prints if "output" in tests.watched else None, stops=tests.stops)
    peer.operations["borrowed"] = _lend(tests.watched)
    report: dict[str, Any] = {"ended": "left", "why": "", "tests": []}
    sys.modules["random"].seed(0)
    try:
        if tests.suite:
            load = functools.partial(_load_module, peer, tests)
            report["ended"], report["why"], report["tests"] = tests.run_suite(load, Module, peer)
        else:
            report["ended"], report["why"], found = _load(peer, tests, tests.names)
            if report["ended"] == "finished":
                for name, value in found.items():
                    if name[:1].isupper():
                        standins.ask_for(value)
                report["tests"] = tests.run(found, peer)
    except Gone:
        peer.gone = True
    except BaseException:
        if not peer.gone:
            report.update(ended="judge_error", why=traceback.format_exc()[-500:])
    if peer.gone:
        report["ended"] = "left"
    report["telltales"] = sorted(peer.telltales)
    return report


def _load(peer: Peer, tests: Tests, names: list[str], again: bool = False) -> tuple[str, str, Any]:
    """Have the program loaded. Returns how that ended, why, and the names or, where none are wanted, the module.

    again: into the module that there is. Raises `Gone`, also where the answer is not of this shape.
    """
    try:
        ended, why, found = peer.ask("load", None, tests.module, names, tests.watched, again)
        if ended in _LOADED and (_are_names(found) if names else ended != "finished" or is_remote(found)):
            return str(ended), shorten(str(why), 500), found
    except BaseException:
        if peer.gone:
            raise Gone from None
    peer.telltales.add("forged_record")
    peer.gone = True
    raise Gone


def _are_names(found: Any) -> bool:
    return type(found) is dict and all(type(name) is str for name in found)


def _load_module(peer: Peer, tests: Tests, module: types.ModuleType) -> None:
    from rlvr.judge.suites import LoadError

    ended, why, found = _load(peer, tests, [], "_Remote__module" in _own_space(module))
    if ended != "finished":
        raise LoadError(ended, why)
    _own_space(module).update(_Remote__module=found, _Remote__star=tests.names)


_own_space = vars(types.ModuleType)["__dict__"].__get__


class Module(types.ModuleType):
    """The program as a module of the tests: each of its names is looked up when it is used."""

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        return standins.space_of(_own_space(self)["_Remote__module"])

    def __getattr__(self, name: str) -> Any:
        inside = _own_space(self)
        if name == "__all__" and "_Remote__star" in inside:
            # Not all that the program has: it could name `abs`, and be asked instead of the real one.
            return [each for each in inside["_Remote__star"] if hasattr(self, each)]
        if "_Remote__module" not in inside or name == "__path__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(inside["_Remote__module"], name)
        if name[:1].isupper():
            standins.ask_for(value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        inside = _own_space(self)
        if name.startswith("__") or "_Remote__module" not in inside:
            inside[name] = value
        else:
            setattr(inside["_Remote__module"], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_own_space(self)["_Remote__module"], name)

    def __dir__(self) -> list[str]:
        return dir(_own_space(self)["_Remote__module"])


def _show_prints(out: bytes, err: bytes) -> None:
    for stream, data in ((sys.stdout, out), (sys.stderr, err)):
        if data:
            stream.write(data.decode("utf-8", "replace"))


def _lend(watched: list[str]) -> Any:
    """What the candidate may use of what the tests have put in the place of `input`, `print` and `sys.stdin`."""

    def use(name: str, *args: Any, **kwargs: Any) -> Any:
        kind, _, method = name.partition(".")
        if name in watched and name in ("input", "print"):
            return getattr(builtins, name)(*args, **kwargs)
        if kind == "stdin" and "input" in watched and method in _OF_INPUT:
            return getattr(sys.stdin, method)(*args)
        raise AttributeError(name)

    return use


def _report(reports: socket.socket, job: int, report: dict[str, Any], cpu_s: float) -> None:
    write_frame(reports, _to_json({**_shortened(report), "job": job, "cpu_s": cpu_s}).encode())


def _shortened(report: dict[str, Any]) -> dict[str, Any]:
    """With the reasons of the first failures only."""
    failed = [number for number, (outcome, _) in enumerate(report["tests"]) if outcome != "passed"]
    explained = {str(number): report["tests"][number][1] for number in failed[:EXPLAINED]}
    return {**report, "tests": [outcome for outcome, _ in report["tests"]], "whys": explained}
