"""Right programs in unusual clothes: each must pass, in two processes, with no tell-tale."""

import pytest

from rlvr.records import Job, Limits
from rlvr.sandboxes.local import Local

# The program, then its tests, with `---` between; `--- setup` marks what runs before them.
HONEST = {
    "arguments changed in place": """
def fill(rows, seen, names, raw):
    rows[0].append(9)
    rows.append([7])
    seen.add(3)
    names['b'] = rows
    del names['a']
    raw[0] = 65
---
inner = [1]
rows, seen, names, raw = [inner], {1}, {'a': 0}, bytearray(b'x')
fill(rows, seen, names, raw)
assert rows == [[1, 9], [7]] and rows[0] is inner and inner == [1, 9]
assert seen == {1, 3} and names == {'b': rows} and names['b'] is rows and raw == b'A'
""",
    "changed before it raised": """
def f(x):
    x.append(1)
    raise KeyError('k')
---
x = []
try:
    f(x)
except KeyError as e:
    assert e.args == ('k',)
assert x == [1]
""",
    "the same object comes back": """
def f(x):
    return x
def g(x):
    return [x, x]
---
x = [1]
assert f(x) is x
---
x = {}
assert g(x)[0] is x and g(x)[1] is x
---
assert f(f) is f
""",
    "cycles": """
def f(x):
    return x[0] is x
---
x = []
x.append(x)
assert f(x)
""",
    "callables of the tests": """
def twice(f, x):
    return f(f(x))
def keep(p, xs):
    return [x for x in xs if p(x)]
---
assert twice(lambda x: x * 3, 2) == 18
---
calls = []
def note(x):
    calls.append(x)
    return x
assert twice(note, 5) == 5 and calls == [5, 5]
---
assert keep(str.isdigit, ['1', 'a']) == ['1'] and keep(callable, [len, 3]) == [len]
""",
    "a callback that raises": """
def guarded(f):
    try:
        return f()
    except ZeroDivisionError as e:
        return str(e)
---
assert guarded(lambda: 1 / 0) == 'division by zero'
""",
    "a callback that calls back": """
def down(n, go):
    return n if n == 0 else go(n - 1)
---
def go(n):
    return down(n, go)
assert down(20, go) == 0
""",
    "functions that return functions": """
def adder(n):
    return lambda x: x + n
def compose(*fs):
    def run(x):
        for f in reversed(fs):
            x = f(x)
        return x
    return run
---
assert adder(3)(4) == 7
---
assert compose(adder(1), lambda x: x * 2, abs)(-5) == 11
---
assert callable(adder(1))
""",
    "generators": """
def squares(n):
    for i in range(n):
        yield i * i
def forever():
    n = 0
    while True:
        yield n
        n += 1
---
assert list(squares(4)) == [0, 1, 4, 9]
---
import itertools
assert list(itertools.islice(forever(), 3)) == [0, 1, 2]
---
g = squares(2)
assert next(g) == 0 and next(g) == 1 and next(g, None) is None
---
assert sum(squares(3)) == 5 and 4 in squares(3) and 5 not in squares(3)
""",
    "lazy things": """
def f(xs):
    return map(str, xs)
def g(d):
    return d.keys(), list(d.items())
def h():
    return range(3), zip([1], [2])
---
assert list(f([1, 2])) == ['1', '2']
---
k, i = g({'a': 1})
assert list(k) == ['a'] and i == [('a', 1)]
---
r, z = h()
assert r == range(3) and list(z) == [(1, 2)]
""",
    "objects of its own class": """
class Stack:
    def __init__(self, *items):
        self.items = list(items)
    def push(self, x):
        self.items.append(x)
        return self
    def __len__(self):
        return len(self.items)
    def __iter__(self):
        return iter(self.items)
    def __getitem__(self, i):
        return self.items[i]
    def __eq__(self, o):
        return isinstance(o, Stack) and self.items == o.items
    def __lt__(self, o):
        return len(self) < len(o)
    def __add__(self, o):
        return Stack(*self.items, *o.items)
    def __contains__(self, x):
        return x in self.items
    def __repr__(self):
        return f'Stack{self.items}'
    def __enter__(self):
        return self
    def __exit__(self, *a):
        self.items.clear()
    @property
    def top(self):
        return self.items[-1]
    @classmethod
    def empty(cls):
        return cls()
---
s = Stack(1)
assert s.push(2) is s and len(s) == 2 and s.top == 2 and s[0] == 1 and list(s) == [1, 2] and 2 in s
---
assert Stack(1) == Stack(1) and Stack(1) != Stack(2) and Stack() < Stack(1) and not Stack.empty()
---
assert (Stack(1) + Stack(2)).items == [1, 2] and str(Stack(1)) == 'Stack[1]' and isinstance(Stack(), Stack)
---
s = Stack(1)
with s as t:
    t.extra = 5
assert s.extra == 5 and len(s) == 0 and not isinstance(3, Stack)
---
assert sorted([Stack(1, 2), Stack()])[0] == Stack() and type(Stack()) == type(Stack(1))
---
try:
    Stack().nothing
    assert False
except AttributeError:
    pass
""",
    "exceptions of its own class": """
class TooBig(ValueError):
    def __init__(self, n):
        super().__init__(f'{n} is too big')
        self.n = n
class MuchTooBig(TooBig): pass
def f(n):
    raise MuchTooBig(n)
---
try:
    f(5)
    assert False
except TooBig as e:
    assert str(e) == '5 is too big' and e.n == 5
---
try:
    f(5)
    assert False
except ValueError as e:
    assert isinstance(e, MuchTooBig)
---
try:
    f(5)
except MuchTooBig:
    pass
else:
    assert False
""",
    "builtin exceptions": """
def f(kind):
    if kind == 0: return 1 / 0
    if kind == 1: return {}['x']
    if kind == 2: raise ValueError('bad')
    raise StopIteration
---
for kind, error in enumerate([ZeroDivisionError, KeyError, ValueError, StopIteration]):
    try:
        f(kind)
        assert False
    except error as e:
        assert kind != 2 or str(e) == 'bad'
""",
    "values of the standard library": """
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from fractions import Fraction
from decimal import Decimal
import datetime, enum
Point = namedtuple('Point', 'x y')
class Color(enum.IntEnum):
    RED = 1
def f():
    d = defaultdict(list)
    d[1].append(2)
    return [Counter('aab'), OrderedDict(a=1), d, deque([1]), Fraction(1, 3), Decimal('1.5'), datetime.date(2020, 1, 2)]
def p():
    return Point(1, 2)
def c():
    return Color.RED
---
from collections import Counter, deque
from fractions import Fraction
from decimal import Decimal
import datetime
wanted = [Counter(a=2, b=1), {'a': 1}, {1: [2]}, deque([1]), Fraction(1, 3), Decimal('1.5'), datetime.date(2020, 1, 2)]
assert f() == wanted
---
assert p() == (1, 2) and p().x == 1 and p()._replace(x=5) == (5, 2) and isinstance(p(), tuple)
---
assert c() == 1 and c().name == 'RED'
""",
    "numbers": """
def f(n):
    return n * n
def special():
    return [float('inf'), -0.0, 1e308, 5e-324, complex(1, -2), True, None, ...]
---
assert f(10**3000) == 10**6000 and f(-(2**64)) == 2**128 and f(0.1) == 0.1 * 0.1
---
import math
v = special()
assert v == [math.inf, 0.0, 1e308, 5e-324, 1 - 2j, True, None, ...] and math.copysign(1, v[1]) == -1
---
assert f(float('nan')) != f(float('nan'))
""",
    "texts": r"""
def f(s):
    return s[::-1]
---
assert f('héllo\U0001f600\x00') == '\x00\U0001f600olléh'
---
assert f('\ud800x') == 'x\ud800'
---
assert f(b'\x00\xff') == b'\xff\x00'
""",
    "big and nested": """
def f(x):
    return x
def depth(x):
    return 1 + depth(x[0]) if x else 1
---
x = list(range(200000))
assert f(x) == x and f([1.5] * 100) == [1.5] * 100 and f(['a'] * 100) == ['a'] * 100
---
x = []
for _ in range(150):
    x = [x]
assert depth(x) == 151 and f(x) == x
---
assert f({(1, (2, 'x')): {frozenset([1]): {1, 2}}}) == {(1, (2, 'x')): {frozenset([1]): {1, 2}}}
""",
    "classes as values": """
def only(xs, kind):
    return [x for x in xs if isinstance(x, kind)]
def kinds(xs):
    return [type(x) for x in xs]
---
assert only([1, 'a', 2.0], (int, str)) == [1, 'a']
---
assert kinds([1, 'a', None]) == [int, str, type(None)]
""",
    "dataclasses and annotations": """
from __future__ import annotations
from dataclasses import dataclass, field
from typing import List, Optional
@dataclass(order=True)
class P:
    x: int
    rest: List[Optional[P]] = field(default_factory=list)
def f(n: int) -> P:
    return P(n, [P(n + 1)])
---
assert f(1).rest[0].x == 2 and f(1) == P(1, [P(2)]) and P(1) < P(2)
""",
    "it prints and shadows": """
print('hello')
len = 3
print(len)
import sys
print('x', file=sys.stderr)
def sum(*a):
    return 6
def f(x):
    print(x)
    return x
---
assert f(3) == 3 and sum([1, 2, 3]) == 6 and len([1]) == 1
""",
    "it has a main block": """
def f(x):
    return x
if __name__ == '__main__':
    print(f(int(input())))
    raise SystemExit(1)
---
assert f(3) == 3
""",
    "threads and subprocesses of its own": """
import threading, os
from concurrent.futures import ThreadPoolExecutor
def f(xs, g):
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(g, xs))
def child():
    pid = os.fork()
    if not pid: os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
threading.Thread(target=threading.Event().wait, daemon=True).start()
---
assert f(list(range(20)), lambda x: x + 1) == list(range(1, 21))
---
assert child() == 7
""",
    "recursion near the usual limit": """
def f(n):
    return 0 if n == 0 else 1 + f(n - 1)
---
assert f(900) == 900
""",
    "chance": """
import random
def f():
    return random.random()
---
assert 0 <= f() < 1
""",
    "a helper of the solution used by the tests": """
class Node:
    def __init__(self, v):
        self.v, self.left, self.right = v, None, None
def total(n):
    return n.v + total(n.left) + total(n.right) if n else 0
---
assert total(root) == 6 and root.left.v == 2 and root.left is left and root.right is not left
--- setup
root = Node(1)
left = Node(2)
root.left = left
root.right = Node(3)
""",
    "objects of the tests": """
def area(shape):
    shape.seen = True
    return shape.w * shape.h() + len(shape)
---
class Shape:
    w = 3
    def h(self):
        return 2
    def __len__(self):
        return 1
s = Shape()
assert area(s) == 7 and s.seen
""",
    "a function called like a builtin": """
def sum(a, b):
    return a + b
---
assert sum(2, 3) == 5
""",
    "modules that the tests forgot": """
import sys
def f(x):
    return sys.getsizeof(x)
---
assert f(()) == sys.getsizeof(())
""",
}


def parts(text: str) -> tuple[str, dict]:
    text, _, setup = text.partition("--- setup\n")
    program, *tests = text.strip("\n").split("\n---\n")
    return program, {"style": "asserts", "tests": tests, "setup": setup}


@pytest.fixture(scope="module")
def sandbox():
    with Local(workers=1).open() as pool:
        yield pool


@pytest.mark.parametrize("name", HONEST)
def test_right_programs_pass(sandbox, name):
    program, reference = parts(HONEST[name])
    execution = sandbox.run(Job(program, reference, limits=Limits(cpu_s=5.0)))
    assert (execution.ended, [test.why for test in execution.tests if test.outcome != "passed"]) == ("finished", [])
    assert (execution.trust, execution.isolation, execution.telltales) == ("split", sandbox.isolation, ())


def test_any_encoding_and_line_end_is_read_and_no_warning_is_seen(sandbox, capfd):
    program = "\ufeff# coding: utf-8\r\ndef f(x):\r\n\tif x is 1:\r\n\t\treturn '\\d'\r\n\treturn 'é'\r\n"
    reference = {"style": "asserts", "tests": [r"assert f(1) == '\\d' and f(2) == 'é'"]}
    assert sandbox.run(Job(program, reference)).tests[0].outcome == "passed"
    assert capfd.readouterr() == ("", "")


def test_the_same_program_draws_the_same_numbers_and_hashes(sandbox):
    reference = {"style": "asserts", "tests": ["assert f() == 0"]}
    program = "import random\ndef f():\n    return random.random(), hash('x'), list({'a', 'b', 'c'})"
    first, second = sandbox.run_many([Job(program, reference), Job(program + "\n", reference)])
    assert first.tests == second.tests


def test_output_is_kept_apart_and_cut(sandbox):
    reference = {"style": "asserts", "tests": ["assert f() is None"]}
    program = "import sys\ndef f():\n    print('to out')\n    print('to err', file=sys.stderr)"
    execution = sandbox.run(Job(program, reference))
    assert (execution.stdout, execution.stderr) == ("to out\n", "to err\n")


def test_a_failed_test_says_which_and_what_came(sandbox):
    reference = {"style": "asserts", "tests": ["assert f(1) == 1", "assert f(2) == 5", "assert f(None) == 1"]}
    execution = sandbox.run(Job("def f(x):\n    return x * 2 - x", reference))
    assert [test.outcome for test in execution.tests] == ["passed", "wrong_answer", "runtime_error"]
    assert execution.tests[1].why == "assert f(2) == 5: got 2"
    assert "TypeError" in execution.tests[2].why
    assert "(line 2)" in execution.tests[2].why


def test_tests_that_cannot_be_split_run_in_one_process_and_say_so(sandbox):
    reference = {
        "style": "asserts",
        "tests": [
            "class Mine(Base):\n    def part(self):\n        return 2\nassert Mine().whole() == 4",
            "assert Base",
        ],
    }
    execution = sandbox.run(Job("class Base:\n    def whole(self):\n        return self.part() * 2", reference))
    assert [test.outcome for test in execution.tests] == ["passed", "passed"]
    assert execution.trust == "shared"
    assert [test.outcome for test in sandbox.run(Job("Base = object", reference)).tests] == ["wrong_answer", "passed"]
