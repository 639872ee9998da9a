"""Programs that read an input and print an answer: right ones pass however they do it, hostile ones gain nothing."""

import os

import pytest

from rlvr.judge import languages
from rlvr.records import Execution, Job, Limits
from rlvr.sandboxes.local import Local

QUICK = Limits(cpu_s=1.0, wall_s=15.0, memory_mb=256)
SUMS = {"cases": [{"stdin": f"{n} 1\n{n}", "stdout": f"{2 * n + 1}\n"} for n in (1, 20, 300)]}
ADD = "a, b = map(int, input().split())\nc = int(input())\n"
SUM = ADD + "print(a + b + c)\n"


def rare(name: str):
    """Rows that use up a limit are worth their CPU seconds before a release, not at every change."""
    return pytest.param(name, marks=pytest.mark.slow if name in ("for ever", "memory") else ())


@pytest.fixture(scope="module")
def sandbox():
    with Local(workers=2).open() as pool:
        yield pool


def installed(language: str) -> str:
    missing = languages.find(language).missing()
    if missing:
        pytest.skip(f"{language}: {missing}")
    return language


def run(sandbox, program: str, tests=SUMS, language: str = "python", **limits) -> Execution:
    return sandbox.run(Job(program, tests, language, Limits(**{**QUICK.to_json(), **limits})))


def outcomes(execution: Execution) -> list[str]:
    assert execution.ended != "judge_error", execution.why
    assert len(execution.tests) == execution.tests_total
    return [test.outcome for test in execution.tests]


HONEST = {
    "input": SUM,
    "all at once": "import sys\nprint(sum(map(int, sys.stdin.read().split())))",
    "lines": "import sys\nprint(sum(int(n) for line in sys.stdin for n in line.split()))",
    "the descriptor, by its size": (
        "import io, os\ninput = io.BytesIO(os.read(0, os.fstat(0).st_size)).readline\n"
        "print(sum(map(int, (input() + input()).split())))"
    ),
    "open(0)": "print(sum(map(int, open(0).read().split())))",
    "until there is no more": (
        "total = 0\nwhile True:\n    try:\n        total += sum(map(int, input().split()))\n"
        "    except EOFError:\n        break\nprint(total)"
    ),
    "no line feed": "import sys\n" + ADD + "sys.stdout.write(str(a + b + c))",
    "carriage returns": ADD + "print(a + b + c, end='\\r\\n\\r\\n')",
    "main guard": "def main():\n    " + SUM.replace("\n", "\n    ") + "\nif __name__ == '__main__':\n    main()",
    "an exit": "import sys\n" + SUM + "sys.exit(0)",
    "an exit, unflushed": "import os, sys\n" + SUM + "sys.stdout.flush()\nos._exit(0)",
    "at exit": "import atexit, io, sys\nout = io.StringIO()\n" + ADD
    + "print(a + b + c, file=out)\natexit.register(lambda: sys.stdout.write(out.getvalue()))",
    "a thread nobody waits for": "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(2**26)\n"
    + "def deep(n):\n    return n and deep(n - 1)\ndef main():\n    deep(20000)\n    " + SUM.replace("\n", "\n    ")
    + "\nthreading.Thread(target=main).start()",
    "a file left open": "out = open(1, 'w')\n" + ADD + "out.write(f'{a + b + c}\\n')",
    "a replaced stdout": "import os, sys\nclass Out:\n    def __init__(self): self.parts = []\n"
    "    def write(self, text): self.parts.append(text)\n"
    "    def flush(self): os.write(1, ''.join(self.parts).encode()); self.parts = []\nsys.stdout = Out()\n" + SUM,
    "classes that are pickled": "import pickle, dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int\n" + ADD
    + "print(pickle.loads(pickle.dumps(P(a + b + c))).x)",
    "an input that ends in a line feed": "import sys\ntext = sys.stdin.read()\nassert text.endswith('\\n')\n"
    "print(sum(map(int, text.split())))",
    "much on standard error": "import sys\nprint('x' * 500_000, file=sys.stderr)\n" + SUM,
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_a_right_program_passes_however_it_reads_and_prints(sandbox, name):
    execution = run(sandbox, HONEST[name])
    assert outcomes(execution) == ["passed"] * 3, execution.tests
    assert (execution.ended, execution.telltales, execution.isolation) == ("finished", (), sandbox.isolation)


FAILING = {
    "silence": ("", "wrong_answer", "expected '3', got nothing more"),
    "os._exit(0)": ("import os\nos._exit(0)", "wrong_answer", "got nothing more"),
    "right, then crashed": (
        SUM + "1 / 0",
        "runtime_error",
        "exit code 1: ZeroDivisionError: division by zero (line 4)",
    ),
    "right, then exit code 3": (SUM + "raise SystemExit(3)", "runtime_error", "exit code 3"),
    "right, then killed": (
        "import os\n" + SUM + "import sys\nsys.stdout.flush()\nos.close(1)\nos.abort()",
        "runtime_error",
        "ended by SIG",
    ),
    "right, and more": (SUM + "print('debug')", "wrong_answer", "expected nothing more, got 'debug'"),
    "beyond the end": (SUM + "input()", "runtime_error", "EOFError"),
    "syntax": ("def f(:", "syntax_error", "line 1"),
    "null bytes": ("print(1)\0", "syntax_error", "null"),
    "too deep to compile": ("(" * 100_000, "syntax_error", ""),
    "printing for ever": ("while True: print('x' * 1000)", "output_limit", "1024 KiB"),
    "errors for ever": ("import sys\nwhile True: sys.stderr.write('x' * 1000)", "output_limit", "1024 KiB"),
    "a huge file": ("import os\nos.truncate(1, 1 << 40)\n" + SUM, "runtime_error", "too large"),
    "memory": ("x = bytearray(10**10)", "memory_limit", "MemoryError"),
    "not text": ("import os\nos.write(1, bytes(range(256)))", "wrong_answer", "got"),
    "closed": ("import os\nos.close(1)\n" + SUM, "runtime_error", "Bad file descriptor"),
    "its parent": ("import os, signal\nos.kill(os.getppid() or 1 << 22, 9)\n" + SUM, "", ""),
    "its group": ("import os, signal\nos.killpg(0, signal.SIGTERM)\nraise ValueError", "runtime_error", ""),
}


@pytest.mark.parametrize("name", FAILING)
def test_what_is_not_an_answer_fails_and_says_why(sandbox, name):
    program, outcome, why = FAILING[name]
    execution = run(sandbox, program)
    found = outcomes(execution)
    assert "passed" not in found
    if outcome:
        assert found == [outcome] * 3
        assert why in execution.tests[0].why or why in execution.why


def test_the_first_case_that_failed_is_shown(sandbox):
    execution = run(sandbox, ADD + "import sys\nprint('odd', a, file=sys.stderr)\nprint(a + b + c if a != 20 else 'x')")
    assert outcomes(execution) == ["passed", "wrong_answer", "passed"]
    assert execution.tests[1].why == "case 2: word 1: expected '41', got 'x' (input '20 1\\n20')"
    assert (execution.stdout, execution.stderr) == ("x\n", "odd 20\n")


@pytest.mark.slow
def test_late_programs_are_not_run_a_hundred_times(sandbox):
    hundred = {"cases": SUMS["cases"][:1] * 100}
    execution = run(sandbox, "while True: pass", hundred, cpu_s=0.2)
    assert outcomes(execution) == ["timeout"] * 100
    assert execution.tests[0].why == "case 1: more than 0.2 CPU-s"
    assert "3 cases before it took too long" in execution.tests[50].why
    assert 0.6 <= execution.cpu_s < 2
    sleeper = run(sandbox, "import time\ntime.sleep(1.2)\n" + SUM, hundred, cpu_s=0.1, wall_s=2.0)
    assert outcomes(sleeper) == ["passed"] * 2 + ["timeout"] * 98
    assert "idle" in sleeper.tests[2].why
    slow = "import time\nwhile time.process_time() < 0.08: pass\n" + SUM
    spread = outcomes(run(sandbox, slow, {"cases": SUMS["cases"][:1] * 24}, cpu_s=0.1))
    assert spread == ["passed"] * spread.index("timeout") + ["timeout"] * (24 - spread.index("timeout"))
    assert spread.index("timeout") >= 9


def test_a_wrong_case_does_not_hide_the_others(sandbox):
    execution = run(sandbox, ADD + "if a == 1: raise ValueError('one')\nprint(a + b + c)")
    assert outcomes(execution) == ["runtime_error", "passed", "passed"]


def test_every_case_starts_alone(sandbox):
    """Nothing of one run is there in the next, and a run has its three files only."""
    look = (
        "import os, sys\n"
        "def is_open(n):\n    try: os.fstat(n)\n    except OSError: return False\n    return True\n"
        "print(sorted(os.listdir('.')), [n for n in range(99) if is_open(n)], getattr(os, 'mark', 0), sys.argv[1:],"
        " 'unittest' in sys.modules, __name__)\n"
        "open('mark', 'w').write('x')\nos.mark = 1\nimport unittest\n"
        "try: os.write(0, b'7 7 7')\nexcept OSError: pass\n"
    )
    cases = [{"stdin": "1", "stdout": "[] [0, 1, 2] 0 [] False __main__"}] * 3
    assert outcomes(run(sandbox, look, {"cases": cases, "checker": "exact"})) == ["passed"] * 3


def test_nothing_that_a_program_writes_is_a_verdict(sandbox):
    forger = (
        "import json, os, socket\n"
        "word = json.dumps({'job': 0, 'tests': ['passed'] * 3, 'whys': {}, 'stdout': '', 'stderr': '', 'cpu_s': 0})\n"
        "frame = len(word).to_bytes(4, 'big') + word.encode()\n"
        "for n in range(64):\n    try: os.write(n, frame)\n    except OSError: pass\n"
    )
    assert outcomes(run(sandbox, forger)) == ["wrong_answer"] * 3


def test_no_answer_is_in_a_programs_memory():
    """Nor the input of another case; looked at where no wall keeps a program from reading its memory as a file."""
    look = (
        "import sys\nneedle = bytes(reversed(sys.stdin.buffer.read().strip()))\nfound = 0\n"
        "for line in open('/proc/self/maps'):\n    place, rights = line.split()[:2]\n"
        "    if 'r' in rights and '[v' not in line:\n        start, end = (int(n, 16) for n in place.split('-'))\n"
        "        with open('/proc/self/mem', 'rb', 0) as memory:\n            memory.seek(start)\n"
        "            found += memory.read(end - start).count(needle)\nprint('found', found - 1)"
    )
    # Each answer holds what the input is spelt backwards, and the next input holds it too.
    words = ["strange-numbers", "srebmun-egnarts"] * 2
    cases = [{"stdin": word, "stdout": word[::-1]} for word in words]
    with Local(workers=1, isolation="process").open() as sandbox:
        for again in range(2):
            execution = run(sandbox, f"{look}  # {again}", {"cases": cases}, cpu_s=5.0)
            assert "passed" not in outcomes(execution)
            if "PermissionError" in execution.tests[0].why:
                pytest.skip("programs run as another user here, which may not read its own memory")
            if os.getuid() == 0:
                assert [test.why.split("got ")[1][:7] for test in execution.tests] == ["'found'"] * 4
                assert execution.stdout == "found 0\n"


def test_processes_that_are_left_behind_end_with_the_case(sandbox):
    program = (
        "import os, time\n" + ADD + "if not os.fork():\n    os.setsid()\n    time.sleep(100)\n    print('late')\n"
        "print(a + b + c)"
    )
    execution = run(sandbox, program)
    assert outcomes(execution) == ["passed"] * 3
    assert execution.wall_s < 50


def test_a_program_does_not_end_another_ones_verdict(sandbox):
    killer = "import os\nos.kill(os.getppid() or 1 << 22, 9)\nfor pid in range(2, 5): os.kill(pid, 9)"
    found = sandbox.run_many([Job(program, SUMS, limits=QUICK) for program in (SUM + "#1", killer, SUM + "#2")])
    assert [outcomes(execution) == ["passed"] * 3 for execution in found] == [True, False, True]


def test_input_and_output_may_be_large(sandbox):
    numbers = " ".join(map(str, range(400_000)))
    tests = {"cases": [{"stdin": numbers, "stdout": numbers}]}
    assert outcomes(run(sandbox, "print(input())", tests, output_kb=4096)) == ["passed"]
    assert outcomes(run(sandbox, "print(input())", tests, output_kb=2048)) == ["output_limit"]


def test_stdio_and_unit_tests_share_a_sandbox_and_identical_programs_run_once(sandbox):
    function = Job("def f(x):\n    return x", {"style": "asserts", "tests": ["assert f(1) == 1"]}, limits=QUICK)
    jobs = [Job(SUM + "# mixed", SUMS, limits=QUICK), function] * 4
    before = sandbox.executed
    assert {test.outcome for found in sandbox.run_many(jobs) for test in found.tests} == {"passed"}
    assert sandbox.executed - before <= 2


def test_a_referee_that_was_killed_is_replaced():
    with Local(workers=1, isolation="process").open() as sandbox:
        assert outcomes(run(sandbox, SUM)) == ["passed"] * 3
        zygote = sandbox._workers[0]._process.pid
        with open(f"/proc/{zygote}/task/{zygote}/children") as file:
            referees = file.read().split()
        assert len(referees) == 1
        os.kill(int(referees[0]), 9)
        found = sandbox.run_many([Job(program, SUMS, limits=QUICK) for program in (SUM + "#1", "", SUM + "#2")])
        assert [outcomes(execution)[0] for execution in found] == ["passed", "wrong_answer", "passed"]


CHECKER = (
    "import sys\n"
    "given, expected, got = (open(path).read() for path in sys.argv[1:])\n"
    "a, b = map(int, got.split())\n"
    "if a + b != int(given) or expected != 'any':\n    print('these do not sum to', given)\n    sys.exit(1)\n"
)
ANY = {"cases": [{"stdin": "7", "stdout": "any"}], "checker": "program", "program": CHECKER}


@pytest.mark.parametrize(
    ("program", "outcome", "why"),
    [
        ("print(3, 4)", "passed", ""),
        ("print(int(input()), 0)", "passed", ""),
        ("print(3, 5)", "wrong_answer", "case 1: the checker says: these do not sum to 7 (input '7')"),
        ("print('x')", "wrong_answer", "the checker says: ValueError: invalid literal"),
        ("1 / 0", "runtime_error", "ZeroDivisionError"),
    ],
)
def test_a_task_may_bring_a_program_that_checks(sandbox, program, outcome, why):
    test = run(sandbox, program, ANY).tests[0]
    assert test.outcome == outcome
    assert why in test.why


def test_a_checker_that_hangs_or_works_outside_its_limits_accepts_nothing(sandbox):
    for checker, outcome, wall_s in (
        ("while True: pass", "timeout", 0.5),
        ("import time\ntime.sleep(99)", "timeout", 0.5),
        ("x = bytearray(10**10)", "wrong_answer", 9.0),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "wrong_answer", 9.0),
    ):
        tests = {**ANY, "program": checker}
        execution = run(sandbox, "print(3, 4)", tests, wall_s=wall_s)
        assert outcomes(execution) == [outcome], checker
        assert "the checker" in execution.tests[0].why
        assert outcomes(run(sandbox, SUM)) == ["passed"] * 3


CPP = '#include <cstdio>\nint main() {\n    long a, b, c;\n    scanf("%%ld %%ld %%ld", &a, &b, &c);\n    %s\n}\n'
ANSWER = 'printf("%ld\\n", a + b + c);'
CPP_ROWS = {
    "right": (CPP % ANSWER, "passed", ""),
    "wrong": (CPP % 'printf("1");', "wrong_answer", "expected '3', got '1'"),
    "a type error": ("int main() { return x; }", "syntax_error", "‘x’ was not declared in this scope"),
    "no main": ("int f();", "syntax_error", "undefined reference to `main'"),
    "prose": ("Here is the solution:", "syntax_error", "‘Here’ does not name a type"),
    "an exit code": (CPP % (ANSWER + "return 2;"), "runtime_error", "exit code 2"),
    "segmentation fault": (CPP % "*(volatile int *)8 = 1;", "runtime_error", "ended by SIGSEGV"),
    "uncaught": ("#include <vector>\nint main() { std::vector<int>().at(5); }", "runtime_error", "SIGABRT: what():"),
    "a deep recursion": (
        "volatile long n = 1000000;\nlong f(long k) { return k ? 1 + f(k - 1) * n / n : 0; }\n"
        + CPP % ("f(n); " + ANSWER),
        "passed",
        "",
    ),
    "memory": (CPP % "for (;;) { volatile char *p = new char[1 << 26]; *p = 1; }", "memory_limit", "bad_alloc"),
    "for ever": (CPP % "for (volatile long i = 0;; i = i + 1);", "timeout", "CPU-s"),
    "printing for ever": (CPP % 'for (;;) puts("xxxxxxxxxxxx");', "output_limit", "1024 KiB"),
    "a template without end": (
        "template <int N> struct A { A<N - 1> x; };\nint main() { return sizeof(A<99999>); }",
        "syntax_error",
        "A<99999>",
    ),
}


@pytest.mark.parametrize("name", [rare(name) for name in CPP_ROWS])
def test_cpp(sandbox, name):
    program, outcome, why = CPP_ROWS[name]
    execution = run(sandbox, program, language=installed("cpp"), cpu_s=0.3 if name == "for ever" else 1.0)
    assert outcomes(execution) == [outcome] * 3, execution
    assert why in execution.tests[0].why
    assert "rlvr-judge" not in execution.tests[0].why + execution.stderr


JS = "const [a, b, c] = require('fs').readFileSync(0, 'utf8').split(/\\s+/).map(Number);\n"
JS_ROWS = {
    "right": (JS + "console.log(a + b + c);", "passed", ""),
    "a module": (
        "import { readFileSync } from 'fs';\nconst n = readFileSync(0, 'utf8').split(/\\s+/).map(Number);\n"
        "console.log(n[0] + n[1] + n[2]);",
        "passed",
        "",
    ),
    "events": (
        "let text = '';\nprocess.stdin.on('data', part => text += part);\nprocess.stdin.on('end', () =>"
        " console.log(text.split(/\\s+/).map(Number).slice(0, 3).reduce((x, y) => x + y)));",
        "passed",
        "",
    ),
    "lines": (
        "const lines = [];\nrequire('readline').createInterface({input: process.stdin}).on('line', l => lines.push(l))"
        ".on('close', () => console.log(eval(lines.join(' ').split(' ').join('+'))));",
        "passed",
        "",
    ),
    "wrong": (JS + "console.log(a);", "wrong_answer", "expected '3', got '1'"),
    "syntax": ("let x = (", "syntax_error", "SyntaxError: Unexpected end of input"),
    "an exception": (JS + "null.x;", "runtime_error", "exit code 1: TypeError: Cannot read properties of null"),
    "an exit code": (JS + "console.log(a + b + c); process.exit(2);", "runtime_error", "exit code 2"),
    "memory": ("const x = []; for (;;) x.push(Buffer.alloc(50 << 20, 1));", "memory_limit", "allocation failed"),
    "for ever": ("for (;;);", "timeout", "CPU-s"),
}


@pytest.mark.parametrize("name", [rare(name) for name in JS_ROWS])
def test_javascript(sandbox, name):
    program, outcome, why = JS_ROWS[name]
    execution = run(sandbox, program, language=installed("javascript"), cpu_s=0.3 if name == "for ever" else 1.0)
    assert outcomes(execution) == [outcome] * 3, execution
    assert why in execution.tests[0].why


def test_a_program_is_compiled_once():
    """The second time, for other cases, it costs a start only."""
    program = "#include <iostream>\n" + CPP % ANSWER
    with Local(workers=1).open() as alone:
        tests = [{"cases": SUMS["cases"][:n]} for n in (1, 2)]
        costs = [run(alone, program, cases, installed("cpp")).cpu_s for cases in tests]
    assert costs[0] > 5 * costs[1]


def test_a_missing_compiler_and_an_unknown_language_are_named_before_anything_runs(sandbox, monkeypatch):
    with pytest.raises(ValueError, match=r"no language named 'c\+\+'\. There are: cpp, javascript, python"):
        run(sandbox, "x", language="c++")
    monkeypatch.setattr(languages, "_PLACES", ("/nonexistent",))
    with pytest.raises(ValueError, match=r"in cpp cannot be run here: there is no g\+\+ in /nonexistent; install"):
        run(sandbox, "x", language="cpp")
