"""Programs that solve nothing and want to pass; none may, and none may cost the judge its verdict."""

import os
import signal
import time

import pytest

from rlvr.records import Completion, Execution, Job, Limits, Task
from rlvr.sandboxes.local import Local
from rlvr.verifiers.unit_tests import UnitTests

QUICK = Limits(cpu_s=2.0, wall_s=3.0, memory_mb=256)
TESTS = ["assert add(2, 3) == 5", "assert add(20, 22) == 42", "assert abs(add(0.1, 0.2) - 0.3) < 1e-9"]
REFERENCE = {"style": "asserts", "tests": TESTS}

EXITS = {
    "os._exit": "import os\nos._exit(0)",
    "os._exit in a call": "def add(a, b):\n    import os\n    os._exit(0)",
    "sys.exit": "import sys\nsys.exit(0)",
    "sys.exit in a call": "def add(a, b):\n    raise SystemExit(0)",
    "atexit": "import atexit, os\natexit.register(lambda: os._exit(0))\ndef add(a, b):\n    raise SystemExit",
    "excepthook": "import sys, os\nsys.excepthook = lambda *_: os._exit(0)\nraise ValueError",
    "exec of true": "import os\nos.execv('/bin/true', ['true'])",
    "exec in a call": "def add(a, b):\n    import os\n    os.execv('/bin/true', ['true'])",
    "fork and leave": "import os\nif os.fork():\n    os._exit(0)\ndef add(a, b):\n    return a + b",
    "killed by itself": "import os, signal\ndef add(a, b):\n    os.kill(os.getpid(), signal.SIGKILL)",
    "generator exit": "raise GeneratorExit",
    "interrupt": "raise KeyboardInterrupt",
    "a thread that leaves": (
        "import threading, os, time\nthreading.Thread(target=lambda: (time.sleep(0.05), os._exit(0))).start()\n"
        "def add(a, b):\n    time.sleep(1)"
    ),
}
EQUALITY = {
    "always equal": "class Same:\n    __eq__ = lambda s, o: True\ndef add(a, b):\n    return Same()",
    "always equal class as function": "class add:\n    def __init__(s, *a): pass\n    def __eq__(s, o): return True",
    "every comparison": (
        "class Same:\n    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = lambda s, o: True\n"
        "    __sub__ = __rsub__ = __abs__ = lambda s, *o: s\ndef add(a, b):\n    return Same()"
    ),
    "int subclass": "class Same(int):\n    __eq__ = lambda s, o: True\ndef add(a, b):\n    return Same(0)",
    "float subclass": (
        "class Same(float):\n    __eq__ = __lt__ = lambda s, o: True\n    __sub__ = __abs__ = lambda s, *o: s\n"
        "def add(a, b):\n    return Same(0)"
    ),
    "str subclass": "class Same(str):\n    __eq__ = lambda s, o: True\ndef add(a, b):\n    return Same()",
    "list subclass": "class Same(list):\n    __eq__ = lambda s, o: True\ndef add(a, b):\n    return Same()",
    "reflected": "class Same(int):\n    __req__ = __eq__ = lambda s, o: True\n    __hash__ = int.__hash__\nadd = Same",
    "metaclass": (
        "class M(type):\n    __eq__ = lambda s, o: True\nclass C(metaclass=M): pass\ndef add(a, b):\n    return C"
    ),
}
PATCHES = {
    "abs": "import builtins\nbuiltins.abs = lambda x: 0\nabs = builtins.abs\ndef add(a, b):\n    return 0",
    "eq of int": "import builtins\nbuiltins.int = type('int', (), {})\ndef add(a, b):\n    return 0",
    "assertion error": "import builtins\nbuiltins.AssertionError = ZeroDivisionError\ndef add(a, b):\n    return 0",
    "exec": "import builtins\nbuiltins.exec = lambda *a: None\ndef add(a, b):\n    return 0",
    "codec of the channel": (
        "import sys\nfor name in list(sys.modules):\n    if 'rlvr' in name:\n"
        "        for key in list(vars(sys.modules[name])):\n            vars(sys.modules[name])[key] = None\n"
        "def add(a, b):\n    return 0"
    ),
}
FORGERIES = {
    "a record on every descriptor": (
        "import os, json\n"
        "row = json.dumps({'job': 0, 'ended': 'finished', 'why': '', 'tests': ['passed'] * 3, 'whys': {},"
        " 'telltales': [], 'cpu_s': 0}).encode()\nrow = len(row).to_bytes(4, 'big') + row\nfor n in range(64):\n"
        "    try: os.write(n, row)\n    except OSError: pass\ndef add(a, b):\n    return 0"
    ),
    "done on every descriptor": (
        "import os\ndef add(a, b):\n    for n in range(64):\n        try: os.write(n, b'done')\n"
        "        except OSError: pass\n    os._exit(0)"
    ),
    "a judge error": (
        "import os\ndef frame(b): return len(b).to_bytes(4, 'big') + b\n"
        "os.write(3, frame(b'=t4;sb;judge_errors0;Fd0;'))\nos._exit(0)"
    ),
    "names that were not asked for": (
        "def add(a, b):\n    return 0\n"
        "from rlvr.judge import peer\nreal = peer.Peer._reply\n"
        "def reply(self, value, *rest):\n"
        "    if isinstance(value, tuple) and len(value) == 4 and isinstance(value[3], dict):\n"
        "        value[3]['abs'] = lambda x: 0\n        value[3]['__builtins__'] = {}\n"
        "    return real(self, value, *rest)\npeer.Peer._reply = reply"
    ),
    "an endless answer": "import os\ndef add(a, b):\n    while True: os.write(3, b'\\x00' * 4096)",
    "an enormous announcement": "import os\ndef add(a, b):\n    os.write(3, b'\\xff\\xff\\xff\\xff=')\n    os._exit(0)",
    "expected values in memory": (
        "import gc, sys\ndef add(a, b):\n    needle = ' '.join(('assert', 'add'))\n    frame = sys._getframe()\n"
        "    things = list(gc.get_objects())\n    while frame:\n"
        "        things += [list(frame.f_locals.values()), list(frame.f_globals.values())]\n"
        "        frame = frame.f_back\n"
        "    for thing in things:\n        if isinstance(thing, dict): thing = list(thing.values())\n"
        "        for item in thing if isinstance(thing, (list, tuple)) else ():\n"
        "            if isinstance(item, str) and needle in item and item != needle: return 5"
    ),
}
ENDLESS = {
    "a loop": "while True: pass",
    "a loop in a call": "def add(a, b):\n    while True: pass",
    "a loop that swallows": (
        "def add(a, b):\n    while True:\n        try: [x for x in range(10**6)]\n        except BaseException: pass"
    ),
    "a sleep": "import time\ndef add(a, b):\n    time.sleep(1000)",
    "stopped": "import os, signal\ndef add(a, b):\n    os.kill(os.getpid(), signal.SIGSTOP)",
    "a child that spins": "import os\ndef add(a, b):\n    if not os.fork():\n        while True: pass\n    os.wait()",
    "an endless generator": "def add(a, b):\n    return iter(int, 1)",
    "memory": "def add(a, b):\n    return [0] * 10**10",
    "memory, bit by bit": "def add(a, b):\n    x = []\n    while True: x.append(bytearray(10**7))",
    "recursion": "def add(a, b):\n    return add(a, b)",
    "deep recursion": "import sys\nsys.setrecursionlimit(10**9)\ndef add(a, b):\n    return add(a, b)",
    "printing": "def add(a, b):\n    for _ in range(100): print('x' * 10**6)",
    "printing by descriptor": "import os\ndef add(a, b):\n    for _ in range(100): os.write(1, b'x' * 10**6)",
    "a file": "def add(a, b):\n    with open('f', 'w') as f: f.write('x' * 10**8)",
    "processes": "import os\ndef add(a, b):\n    while True:\n        if not os.fork(): os.setsid()",
    "all descriptors closed": "import os\ndef add(a, b):\n    os.closerange(0, 64)",
    "a huge value": "def add(a, b):\n    return 'x' * (40 << 20)",
    "a huge number": "def add(a, b):\n    return 1 << (1 << 28)",
    "nesting": "def add(a, b):\n    x = []\n    for _ in range(10**5): x = [x]\n    return x",
    "a cycle": "def add(a, b):\n    x = []\n    x.append(x)\n    return x",
}
TEXTS = {
    "brackets": "(" * 100_000,
    "minus signs": "x = " + "-" * 100_000 + "1",
    "not utf-8": "add = '\ud800'",
    "nul": "add = 1\x00",
    "nothing": "\n",
    "five million characters": "x = 1\n" * 800_000,
}


@pytest.fixture(scope="module")
def sandbox():
    with Local(workers=2).open() as pool:
        yield pool


def run(sandbox, program: str, **limits) -> Execution:
    return sandbox.run(Job(program, REFERENCE, limits=Limits(**{**QUICK.to_json(), **limits})))


def passed(execution: Execution) -> bool:
    return execution.ended == "finished" and all(test.outcome == "passed" for test in execution.tests)


def assert_fails(execution: Execution) -> None:
    assert execution.ended != "judge_error", execution.why
    assert not any(test.outcome == "judge_error" for test in execution.tests)
    assert not passed(execution)
    assert len(execution.tests) == execution.tests_total == len(TESTS)


def batches(kind: dict[str, str]):
    return pytest.mark.parametrize("name", kind)


@batches(EXITS)
def test_leaving_is_never_a_pass(sandbox, name):
    execution = run(sandbox, EXITS[name])
    assert_fails(execution)
    assert execution.ended in ("early_exit", "runtime_error") or not any(t.outcome == "passed" for t in execution.tests)


@batches(EQUALITY)
def test_an_answer_that_claims_to_be_equal_is_compared_by_the_tests(sandbox, name):
    for test in (
        "add(2, 3) == 5",
        "5 == add(2, 3)",
        "abs(add(2, 3) - 5) < 1e-9",
        "5 in add(2, 3)",
        "add(2, 3) in [5, 6]",
    ):
        execution = sandbox.run(Job(EQUALITY[name], {"style": "asserts", "tests": ["assert " + test]}, limits=QUICK))
        assert not passed(execution), test


@batches(PATCHES)
def test_what_the_program_patches_is_not_what_the_tests_use(sandbox, name):
    assert_fails(run(sandbox, PATCHES[name]))


@batches(FORGERIES)
def test_nothing_that_the_program_writes_or_finds_is_a_verdict(sandbox, name):
    assert_fails(run(sandbox, FORGERIES[name]))
    close = {"style": "asserts", "tests": ["assert abs(add(2, 3) - 5) < 1e-9"]}
    assert not passed(sandbox.run(Job(FORGERIES[name], close, limits=QUICK)))


@batches(ENDLESS)
def test_what_takes_too_much_fails_and_the_judge_goes_on(sandbox, name):
    assert_fails(run(sandbox, ENDLESS[name], cpu_s=0.5, wall_s=1.0))
    assert passed(run(sandbox, f"def add(a, b):\n    return a + b  # {name}"))


@batches(TEXTS)
def test_text_that_is_no_program_fails(sandbox, name):
    assert_fails(run(sandbox, TEXTS[name]))


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        (ENDLESS["a loop in a call"], "timeout"),
        (ENDLESS["a child that spins"], "timeout"),
        (ENDLESS["a sleep"], "timeout"),
        (ENDLESS["memory"], "memory_limit"),
        (ENDLESS["printing"], "output_limit"),
        (ENDLESS["a huge value"], "output_limit"),
        (ENDLESS["recursion"], "runtime_error"),
        (EXITS["os._exit in a call"], "early_exit"),
        (EXITS["sys.exit in a call"], "early_exit"),
        (TEXTS["brackets"], "syntax_error"),
        ("def add(a, b):\n    assert False", "runtime_error"),
        ("def add(a, b):\n    return a - b", "wrong_answer"),
    ],
)
def test_a_failure_has_one_name(sandbox, program, outcome):
    execution = run(sandbox, program, cpu_s=0.5, wall_s=1.0)
    assert outcome in (execution.ended, execution.tests[0].outcome), execution


def test_tell_tales_are_counted(sandbox):
    assert "odd_return_type" in run(sandbox, EQUALITY["always equal"]).telltales
    assert "odd_return_type" in run(sandbox, EQUALITY["int subclass"]).telltales
    assert "patched_builtins" in run(sandbox, PATCHES["abs"]).telltales
    assert "early_exit" in run(sandbox, EXITS["os._exit"]).telltales
    assert "forged_record" in run(sandbox, FORGERIES["a judge error"]).telltales


def test_killing_the_judge_is_the_programs_own_failure(sandbox):
    """As an ordinary user without walls it succeeds, else it may not even try; the others are judged all the same."""
    open_to_it = os.getuid() != 0 and sandbox.isolation == "process"
    killer = "import os, signal\nos.kill(os.getppid() or 1 << 22, signal.SIGKILL)\ndef add(a, b):\n    return a + b"
    honest = "def add(a, b):\n    return a + b"
    executions = sandbox.run_many(
        [Job(program, REFERENCE, limits=QUICK) for program in (honest, killer, honest + "\n")]
    )
    assert [passed(execution) for execution in executions] == [True, False, True]
    assert executions[1].ended == ("early_exit" if open_to_it else "runtime_error")
    assert ("killed_judge" in executions[1].telltales) == open_to_it


def test_nothing_survives_a_program_that_no_wall_contains():
    """A daemon in a session of its own that holds the channel, files, and folders nested too deep to name."""
    program = (
        "import os, time\nplace = os.getcwd()\nopen('left-behind', 'w').write('x')\n"
        "if not os.fork():\n    os.setsid()\n    if os.fork(): os._exit(0)\n"
        "    open('daemon', 'w').write(f'{os.getpid()}.')\n"
        "    time.sleep(100)\n"
        "while not os.path.exists('daemon') or '.' not in (pid := open('daemon').read()): time.sleep(0.01)\n"
        "for _ in range(1500):\n    os.mkdir('deeper')\n    os.chdir('deeper')\n"
        "def add(a, b):\n    return place + '|' + pid"
    )
    with Local(workers=1, isolation="process").open() as sandbox:
        execution = run(sandbox, program)
        assert os.listdir(f"{sandbox._workers[0]._folder}/program") == []
    place, pid = execution.tests[0].why.split("got '")[1].split(".")[0].split("|")
    assert not os.path.exists(place)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_every_program_starts_alone(sandbox):
    """No environment, no input, an empty folder, no descriptor but its own four, nothing left from the one before."""
    os.environ["SECRET_OF_THE_TRAINER"] = "x"
    look = (
        "import os, sys\ndef seen():\n"
        "    return [sorted(os.listdir('.')), sys.stdin.read(),"
        " {'SECRET_OF_THE_TRAINER', 'LD_BIND_NOW'} & set(os.environ),"
        " [n for n in range(64) if is_open(n)], getattr(sys, 'mark', None)]\n"
        "def is_open(n):\n    try: os.fstat(n)\n    except OSError: return False\n    return True\n"
        "def add(a, b):\n    import tempfile\n    value = seen()\n    sys.mark = 1\n    open('mark', 'w')\n"
        "    return [*value, tempfile.gettempdir() == os.getcwd()]"
    )
    reference = {"style": "asserts", "tests": ["assert add(1, 2) == [[], '', set(), [0, 1, 2, 3], None, True]"]}
    for program in (look, look + "\n"):
        assert sandbox.run(Job(program, reference)).tests[0].outcome == "passed"


def test_no_program_leaves_a_mark_on_a_file_that_the_next_one_has():
    """Byte ranges that are locked, and flags, stay as long as the file is open anywhere: a whole program fits in."""
    mark = (
        "import fcntl, os, struct\n"
        "def lock(n): fcntl.fcntl(n, 37, struct.pack('hhqqi4x', fcntl.F_RDLCK, 0, 4711, 12, 0))\n"
        "def add(a, b):\n    for n in range(64):\n        for use in (lock, lambda n: fcntl.flock(n, fcntl.LOCK_SH),\n"
        "                    lambda n: fcntl.fcntl(n, fcntl.F_SETFL, os.O_APPEND | os.O_NONBLOCK)):\n"
        "            try: use(n)\n            except OSError: pass"
    )
    look = (
        "import fcntl, os, struct\ndef add(a, b):\n    file = os.open('/dev/null', os.O_RDWR)\n"
        "    found = fcntl.fcntl(file, 36, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 4711, 12, 0))\n"
        "    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "    return [struct.unpack('hhqqi4x', found)[0] == fcntl.F_UNLCK,"
        " fcntl.fcntl(0, fcntl.F_GETFL) & (os.O_APPEND | os.O_NONBLOCK)]"
    )
    with Local(workers=1).open() as sandbox:
        for again in range(2):
            run(sandbox, f"{mark}  # {again}")
            assert "got [True, 0]" in run(sandbox, f"{look}  # {again}").tests[0].why


def test_whoever_has_the_tests_sleep_ends_with_its_own_limit(sandbox):
    reference = {"style": "asserts", "tests": ["import time\nassert add(time.sleep) == 5"]}
    began = time.monotonic()
    execution = sandbox.run(Job("def add(sleep):\n    sleep(1000)", reference, limits=Limits(cpu_s=0.5, wall_s=0.5)))
    assert execution.tests[0].outcome == "timeout"
    assert time.monotonic() - began < 30


def test_tests_do_not_swallow_that_the_program_left(sandbox):
    """`except:` around a call catches whatever tells the tests that nobody answers any more."""
    careless = {"style": "asserts", "tests": ["try:\n    add(1, 2)\nexcept:\n    pass", "assert True, add"]}
    execution = sandbox.run(Job("def add(a, b):\n    import os\n    os._exit(0)", careless, limits=QUICK))
    assert [test.outcome for test in execution.tests] == ["early_exit", "early_exit"]


SHARED = {
    "no report": b"abc",
    "a report that is nothing": b"null",
    "a report too deep to read": b"[" * 200_000,
    "a report of other types": b'{"ended": "finished", "why": 3, "tests": [1], "whys": {}, "telltales": []}',
    "a report of no test": b'{"ended": "finished", "why": "", "tests": [], "whys": {}, "telltales": []}',
    "a failure of the judge": b'{"ended": "judge_error", "why": "", "tests": [], "whys": {}, "telltales": []}',
}


@pytest.mark.parametrize("name", SHARED)
def test_what_a_program_writes_in_the_place_of_the_report_is_its_own_failure(sandbox, name):
    """Where tests share its process it can forge a pass; what it cannot is to cost anybody else anything."""
    program = (
        f"import os\ndata = {SHARED[name]!r}\nfor n in range(5, 64):\n    try: os.pwrite(n, data, 0)\n"
        "    except OSError: pass\nos._exit(0)"
    )
    reference = {"style": "asserts", "tests": ["import threading\nassert add(2, 3) == 5"]}
    execution = sandbox.run(Job(program, reference, limits=QUICK))
    assert (execution.trust, execution.ended) == ("shared", "early_exit")


def test_a_program_that_shares_its_process_has_no_line_of_the_judge():
    """What it closes, floods or writes records into is its own; the worker that it ran in judges the next one."""
    reference = {"style": "asserts", "tests": ["import threading\nassert add(2, 3) == 5"]}
    spoil = (
        "import os, socket\nfor n in range(3, 64):\n    try:\n        s = socket.socket(fileno=n)\n        {0}\n"
        "    except OSError: pass\ndef add(a, b):\n    return 0"
    )
    flood = "s.setblocking(False)\n        while True: s.send(b'\\xff' * 4096)"
    with Local(workers=1).open() as sandbox:
        assert passed(sandbox.run(Job("def add(a, b):\n    return a + b", reference, limits=QUICK)))
        worker = sandbox._workers[0]._process.pid
        for spoiling in ("s.shutdown(socket.SHUT_RDWR)", flood):
            execution = sandbox.run(Job(spoil.format(spoiling), reference, limits=QUICK))
            assert execution.ended in ("early_exit", "finished")
            assert not passed(execution)
            assert passed(sandbox.run(Job(f"def add(a, b):\n    return a + b  # {spoiling!r}", REFERENCE)))
        assert sandbox._workers[0]._process.pid == worker


def test_a_message_that_cannot_be_shown_is_a_failed_test(sandbox):
    for error in ("SystemExit", "KeyboardInterrupt", "MemoryError"):
        program = f"class Z:\n    def __str__(s): raise {error}\n    __repr__ = __str__\ndef add(a, b):\n    return Z()"
        reference = {"style": "asserts", "tests": ["got = add(2, 3)\nassert got == 5, got"]}
        assert sandbox.run(Job(program, reference, limits=QUICK)).tests[0].outcome == "wrong_answer"


def test_a_function_of_the_tests_cannot_be_opened(sandbox):
    reference = {
        "style": "asserts",
        "setup": "secret = 42\ndef callback(x):\n    return x",
        "tests": ["assert add(callback) == secret"],
    }
    for path in ("__globals__['secret']", "__code__.co_consts", "__self__", "__closure__"):
        execution = sandbox.run(Job(f"def add(f):\n    return f.{path}", reference, limits=QUICK))
        assert execution.tests[0].outcome == "runtime_error"


def skip_where_closed(why):
    if "PermissionError" in why:
        pytest.skip("programs run as another user here, which may not read its own memory")


def test_no_byte_of_the_tests_is_in_the_programs_memory():
    """Of this program nor of one that ran before against the same tests: it finds what it looks for only in itself.

    Looked at where no wall keeps a program from reading its own memory as a file.
    """
    program = (
        "def add(a, b):\n    found, needle = 0, bytes(reversed(b'srebmun-egnarts'))\n"
        "    for line in open('/proc/self/maps'):\n        place, rights = line.split()[:2]\n"
        "        if 'r' in rights and '[v' not in line:\n"
        "            start, end = (int(n, 16) for n in place.split('-'))\n"
        "            with open('/proc/self/mem', 'rb', 0) as memory:\n                memory.seek(start)\n"
        "                found += memory.read(end - start).count(needle)\n    return found"
    )
    reference = {"style": "asserts", "tests": ["assert add(1, 2) == 'strange-numbers'"]}
    with Local(workers=1, isolation="process").open() as sandbox:
        for again in range(3):
            test = sandbox.run(Job(f"{program}  # {again}", reference, limits=QUICK)).tests[0]
            skip_where_closed(test.why)
            assert test.outcome == "wrong_answer" if os.getuid() == 0 else test.outcome != "passed"
            assert "got 1" in test.why or os.getuid()


COUNT = (
    "def count():\n    found, needle = 0, bytes(reversed(b'evlos-ot-yaw-egnarts'))\n"
    "    for line in open('/proc/self/maps'):\n        place, rights = line.split()[:2]\n"
    "        if 'r' in rights and '[v' not in line:\n"
    "            start, end = (int(n, 16) for n in place.split('-'))\n"
    "            with open('/proc/self/mem', 'rb', 0) as memory:\n                memory.seek(start)\n"
    "                found += memory.read(end - start).count(needle)\n    return found\n"
)


@pytest.mark.skipif(os.getuid() != 0, reason="only programs of root's judge can read their own memory as a file")
def test_no_byte_of_another_program_is_in_a_programs_memory():
    """Neither of one that was judged before nor of one whose turn is to come: what solves the task is not copied."""
    other = "# strange-way-to-solve\n"
    with Local(workers=1, isolation="process").open() as sandbox:
        reference = {"style": "asserts", "tests": ["assert add(1, 2) == 3"]}
        programs = [other + "add = 1", COUNT + "add = lambda a, b: count()", other + "add = 2"]
        looked = sandbox.run_many([Job(program, reference, limits=QUICK) for program in programs])[1]
        skip_where_closed(looked.tests[0].why)
        assert looked.tests[0].why.endswith("got 1")
        reference = {"cases": [{"stdin": "1", "stdout": "3"}]}
        programs = [other + "print(3)", COUNT + "print(count())", other + "print(4)"]
        looked = sandbox.run_many([Job(program, reference, limits=QUICK) for program in programs])[1]
        assert "got '1'" in looked.tests[0].why


def test_a_hundred_megabytes_are_no_answer(sandbox):
    task = Task("t", "p", REFERENCE, "unit_tests")
    verdict = UnitTests().judge(task, Completion("x" * (100 << 20)), sandbox)
    assert (verdict.outcome, verdict.passed, verdict.tests_total) == ("no_answer", False, 3)


def test_signals_to_its_own_group_do_not_reach_the_judge(sandbox):
    program = f"import os\ndef add(a, b):\n    os.kill(0, {int(signal.SIGTERM)})"
    assert_fails(run(sandbox, program))
