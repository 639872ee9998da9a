"""What crosses between a program and its tests: right programs of every kind pass in two "
"processes, forged ones do not."""

import importlib.util

import pytest

from rlvr.judge import assembly
from rlvr.records import Completion, Execution, Job, Limits, Task
from rlvr.sandboxes.local import Local
from rlvr.verifiers.unit_tests import UnitTests

# The program, then its tests, with `---` between.
HONEST = {
    "containers of the standard library changed in place": """
from collections import deque
def turn(d, counts, lists, ordered):
    d.append(d.popleft())
    counts['a'] += 5
    lists['x'].append(1)
    ordered.move_to_end('a')
---
from collections import Counter, OrderedDict, defaultdict, deque
d, counts, lists, ordered = deque([1, 2, 3], 5), Counter('ab'), defaultdict(list), OrderedDict(a=1, b=2)
turn(d, counts, lists, ordered)
assert list(d) == [2, 3, 1] and d.maxlen == 5 and counts == {'a': 6, 'b': 1}
assert lists == {'x': [1]} and lists['new'] == [] and list(ordered) == ['b', 'a']
""",
    "values of the standard library": """
import datetime as dt, pathlib, uuid
from decimal import Decimal
def f(x):
    return x
def make():
    zone = dt.timezone(dt.timedelta(hours=2))
    return [dt.datetime(2020, 1, 2, 3, 4, 5, 6, zone), dt.time(1, 2), dt.timezone.utc, slice(1, None, 2),
            pathlib.Path('/a/b'), uuid.UUID(int=5), {'a': 1}.keys(), {'a': 1}.items(), Decimal('NaN')]
---
import datetime as dt, pathlib, uuid
zone = dt.timezone(dt.timedelta(hours=2))
when, time, utc, part, path, number, keys, items, nan = make()
assert when == dt.datetime(2020, 1, 2, 3, 4, 5, 6, zone) and when.tzinfo == zone and time == dt.time(1, 2)
assert utc == dt.timezone.utc and [1, 2, 3, 4][part] == [2, 4] and path == pathlib.Path('/a/b')
assert number.int == 5 and keys == {'a'} and items == {('a', 1)} and nan.is_nan()
---
assert f(frozenset([1, (2,)])) == {1, (2,)} and f(bytearray(b'x')) == b'x' and f(1 + 2j) == 1 + 2j
""",
    "generators that are sent to": """
def average():
    total = count = 0
    mean = None
    while True:
        try:
            mean = yield mean
        except ValueError:
            total = count = 0
            mean = None
            continue
        total, count = total + mean, count + 1
        mean = total / count
def inner():
    x = yield 1
    return x * 2
def closing(log):
    try:
        yield 1
    finally:
        log.append('closed')
---
g = average()
assert next(g) is None and g.send(4) == 4 and g.send(8) == 6 and g.throw(ValueError('reset')) is None and g.send(3) == 3
g.close()
assert next(g, 'over') == 'over'
---
def outer():
    result = yield from inner()
    yield result
g = outer()
assert next(g) == 1 and g.send(21) == 42
---
import types
from collections.abc import Generator, Iterator
g = inner()
assert isinstance(g, types.GeneratorType) and isinstance(g, Generator) and isinstance(g, Iterator)
next(g)
try:
    g.send(4)
except StopIteration as e:
    assert e.value == 8
""",
    "it is as lazy as it should be": """
def take(n, xs):
    for _, x in zip(range(n), xs):
        yield x
---
seen = []
def source():
    for i in range(100):
        seen.append(i)
        yield i
taken = take(3, source())
assert seen == []
assert next(taken) == 0 and seen == [0]
assert list(taken) == [1, 2] and len(seen) <= 4
""",
    "decorators": """
import functools
def twice(f):
    @functools.wraps(f)
    def run(*args, **kwargs):
        return f(*args, **kwargs) + f(*args, **kwargs)
    return run
class counted:
    def __init__(self, f):
        self.f, self.calls = f, 0
    def __call__(self, *args):
        self.calls += 1
        return self.f(*args)
def repeat(n):
    return lambda f: lambda *a: [f(*a) for _ in range(n)]
---
@twice
def g(x, *, y=1):
    "Adds."
    return x + y
assert g(1) == 4 and g(1, y=2) == 6 and g.__name__ == 'g' and g.__doc__ == 'Adds.'
---
@counted
def h(x):
    return -x
assert h(1) == -1 and h(2) == -2 and h.calls == 2
---
@repeat(3)
def r():
    return 'a'
assert r() == ['a', 'a', 'a']
---
import functools
assert functools.reduce(lambda a, f: f(a), [twice(lambda x: x)], 3) == 6
""",
    "classes themselves": """
class Shape:
    "A shape."
    count = 0
    def __init__(self, side=1):
        self.side = side
        Shape.count += 1
    def area(self):
        return self.side ** 2
    @staticmethod
    def unit():
        return Shape()
class Square(Shape):
    __match_args__ = ('side',)
---
assert type(Square(2)) is Square and type(Square(2)) != Shape
assert isinstance(Square(), Shape) and issubclass(Square, Shape)
assert not issubclass(Shape, Square) and not isinstance(3, Shape) and Square.__name__ == 'Square'
---
before = Shape.count
Shape.unit()
assert Shape.count == before + 1 and Shape.__doc__ == 'A shape.' and Shape.area(Square(3)) == 9
Shape.count = 0
assert Square().area() == 1 and Shape.count == 1
---
match Square(7):
    case Square(side):
        assert side == 7
    case _:
        assert False
---
Shape.area = lambda self: 5
assert Shape(3).area() == 5
""",
    "enums and dataclasses": """
import enum
from dataclasses import dataclass, field
class Color(enum.Enum):
    RED = 'r'
    BLUE = 'b'
    def other(self):
        return Color.BLUE if self is Color.RED else Color.RED
@dataclass(frozen=True, order=True)
class P:
    x: int
    tags: list = field(default_factory=list, compare=False)
def paint(c):
    return {Color.RED: 1, Color.BLUE: 2}[c]
---
assert Color('r') is Color.RED and Color['BLUE'].value == 'b' and Color.RED.other() == Color.BLUE and len(Color) == 2
assert [c.name for c in Color] == ['RED', 'BLUE'] and paint(Color.BLUE) == 2 and Color.RED in Color
assert {Color.RED: 5}[Color.RED] == 5 and isinstance(Color.RED, Color)
---
import dataclasses
p = P(1, ['a'])
assert dataclasses.asdict(p) == {'x': 1, 'tags': ['a']} and dataclasses.replace(p, x=5).x == 5
assert [f.name for f in dataclasses.fields(P)] == ['x', 'tags'] and dataclasses.is_dataclass(p)
assert hash(p) == hash(P(1))
assert len({P(1), P(1), P(2)}) == 2 and max(P(1), P(3), P(2)).x == 3
---
try:
    P(1).x = 2
    assert False
except dataclasses.FrozenInstanceError:
    assert False
except AttributeError:
    pass
""",
    "containers of its own": """
class Bag:
    def __init__(self):
        self._words = set()
    def add(self, w):
        self._words.add(w)
    def __contains__(self, w):
        return w.lower() in self._words
class Grid:
    def __init__(self, rows):
        self.rows = rows
    def __getitem__(self, at):
        if isinstance(at, tuple):
            return self.rows[at[0]][at[1]]
        return self.rows[at]
    def __setitem__(self, at, v):
        self.rows[at[0]][at[1]] = v
    def __delitem__(self, i):
        del self.rows[i]
    def __len__(self):
        return len(self.rows)
    def __bool__(self):
        return any(map(any, self.rows))
---
b = Bag()
b.add('x')
assert 'X' in b and 'y' not in b
---
g = Grid([[0, 0], [0, 0]])
assert not g and g[0:1] == [[0, 0]]
g[1, 1] = 5
assert g and g[1, 1] == 5 and len(g) == 2 and list(g) == [[0, 0], [0, 5]]
del g[0]
assert len(g) == 1
---
import copy
g = Grid([[1]])
h, shallow = copy.deepcopy(g), copy.copy(g)
h[0, 0] = 9
assert g[0, 0] == 1 and h[0, 0] == 9 and shallow.rows == g.rows
""",
    "exceptions, their causes and what they hold": """
class AppError(Exception):
    code = 7
class Missing(AppError, KeyError):
    def __init__(self, key, *, hint='none'):
        super().__init__(key)
        self.key, self.hint = key, hint
    def __str__(self):
        return f'no {self.key}'
def look(key):
    try:
        return {}[key]
    except KeyError as e:
        raise Missing(key, hint='try b') from e
def several():
    raise ExceptionGroup('all', [ValueError('a'), Missing('k')])
def collect():
    return [ValueError('x'), Missing('y')]
def run(f):
    try:
        f()
    except ValueError as e:
        return e
---
try:
    look('a')
    assert False
except AppError as e:
    assert isinstance(e, KeyError) and (e.key, e.hint, e.code) == ('a', 'try b', 7) and str(e) == 'no a'
    assert isinstance(e.__cause__, KeyError) and e.__cause__.args == ('a',)
---
try:
    several()
except* Missing as group:
    assert group.exceptions[0].key == 'k'
except* ValueError:
    pass
---
plain, own = collect()
assert isinstance(plain, ValueError) and plain.args == ('x',) and isinstance(own, Missing) and own.key == 'y'
assert Missing.code == 7 and issubclass(Missing, AppError) and Missing('z').hint == 'none'
---
mine = ValueError('mine')
def fail():
    raise mine
assert str(run(fail)) == 'mine'
---
try:
    int('x')
except ValueError as e:
    error = e
assert run(lambda: (_ for _ in ()).throw(error)).args == error.args
---
try:
    'é'.encode('ascii') if look else 0
except UnicodeEncodeError as e:
    assert e.start == 0
""",
    "unittest by hand": """
class TooBig(ValueError):
    pass
def f(x):
    if x > 9:
        raise TooBig('too big')
    return x
---
import unittest
class T(unittest.TestCase):
    def test(self):
        self.assertEqual(f(3), 3)
        with self.assertRaises(TooBig) as caught:
            f(10)
        self.assertIn('big', str(caught.exception))
        self.assertRaisesRegex(ValueError, 'too', f, 11)
        self.assertIsInstance(caught.exception, TooBig)
result = unittest.TestResult()
T('test').run(result)
assert result.wasSuccessful(), result.errors + result.failures
""",
    "printed output": """
import sys, os
def hello(name):
    print('hello', name)
    sys.stderr.write('warned\\n')
    return name
def talk(f):
    print('before')
    f()
    print('after')
---
import contextlib, io
out, err = io.StringIO(), io.StringIO()
with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    hello('you')
assert out.getvalue() == 'hello you\\n' and err.getvalue() == 'warned\\n'
---
import io, sys
before, sys.stdout = sys.stdout, io.StringIO()
try:
    talk(lambda: print('between'))
    seen = sys.stdout.getvalue()
finally:
    sys.stdout = before
assert seen == 'before\\nbetween\\nafter\\n'
---
import io
from unittest.mock import patch
with patch('sys.stdout', new_callable=io.StringIO) as fake:
    hello('x')
    hello('y')
assert fake.getvalue().splitlines() == ['hello x', 'hello y']
""",
    "input that the tests give": """
import sys
def add():
    return int(input('a? ')) + int(input())
def lines():
    return [line.strip() for line in sys.stdin]
def read():
    return sys.stdin.readline() + sys.stdin.read()
---
from unittest.mock import patch
with patch('builtins.input', side_effect=['3', '4']) as fake:
    assert add() == 7
fake.assert_any_call('a? ')
---
import io, sys
from unittest.mock import patch
with patch('sys.stdin', io.StringIO('5\\n6\\n')):
    assert add() == 11
with patch('sys.stdin', io.StringIO('a\\nb\\n')):
    assert lines() == ['a', 'b']
sys.stdin = io.StringIO('1\\n2\\n3')
assert read() == '1\\n2\\n3'
---
from unittest.mock import patch
with patch('builtins.input', lambda *a: (_ for _ in ()).throw(EOFError('over'))):
    try:
        add()
        assert False
    except EOFError:
        pass
""",
    "mocks of the tests": """
def notify(users, send):
    return sum(bool(send(user, subject='hi')) for user in users)
class Service:
    def __init__(self, client):
        self.client = client
    def total(self):
        return sum(item['price'] for item in self.client.fetch('items')['data'])
---
from unittest.mock import MagicMock, Mock, call
send = Mock(return_value=True)
assert notify(['a', 'b'], send) == 2 and send.call_args_list == [call('a', subject='hi'), call('b', subject='hi')]
---
from unittest.mock import MagicMock
client = MagicMock()
client.fetch.return_value = {'data': [{'price': 2}, {'price': 3}]}
assert Service(client).total() == 5
client.fetch.assert_called_once_with('items')
""",
    "numbers of its own": """
class Money:
    def __init__(self, n):
        self.n = n
    def __sub__(self, o):
        return self.n - o if isinstance(o, int) else Money(self.n - o.n)
    def __mul__(self, k):
        return Money(self.n * k)
    __rmul__ = __mul__
    def __truediv__(self, k):
        return Money(self.n / k)
    def __abs__(self):
        return abs(self.n)
    def __bool__(self):
        return bool(self.n)
    def __and__(self, o):
        return self.n & o
    def startswith(self, digits):
        return str(self.n).startswith(digits)
    def __enter__(self):
        return self
    def __exit__(self, *a):
        pass
def change(n):
    return Money(n)
---
assert Money(5) - 3 == 2 and abs(Money(5) - Money(7)) == 2 and not Money(5) - Money(5) and Money(6) & 3 == 2
assert (2 * Money(4)).n == (Money(4) * 2).n == 8 and abs(2 * change(4)) == 8 and Money(42).startswith('4')
with Money(5) as five:
    assert five - 2 == 3
---
assert abs(change(5) - change(2)) == 3 and (change(6) / change(2).n).n == 3 if Money else 0
""",
    "parameters of a callback": """
import inspect
def curry(f):
    count = f.__code__.co_argcount
    def go(*got):
        return f(*got) if len(got) >= count else lambda *more: go(*got, *more)
    return go
def names(f):
    return [(p.name, p.kind.name, p.default is p.empty) for p in inspect.signature(f).parameters.values()]
def needed(f):
    return f.__code__.co_argcount - len(f.__defaults__ or ())
---
assert curry(lambda a, b, c: a + b + c)(1)(2)(3) == 6 and needed(lambda a, b=1, *, c=2: 0) == 1
---
def g(a, /, b, c=3, *d, e, f=6, **h): pass
kinds = ['POSITIONAL_ONLY', *['POSITIONAL_OR_KEYWORD'] * 2, 'VAR_POSITIONAL', *['KEYWORD_ONLY'] * 2, 'VAR_KEYWORD']
assert names(g) == list(zip('abcdefh', kinds, [True, True, False, True, True, False, True]))
""",
    "members that are numbers and texts, too": """
import enum
class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2
class Kind(str, enum.Enum):
    A = 'a'
def best():
    return Level.HIGH
---
assert best() is Level.HIGH and Level(2) is best() and Kind('a') is Kind.A and Kind.A == 'a' and best() is not Level.LOW
""",
    "context managers that take errors": """
import contextlib
@contextlib.contextmanager
def suppress(*kinds):
    try:
        yield
    except kinds:
        pass
class Quiet:
    def __enter__(self):
        return self
    def __exit__(self, kind, error, traceback):
        self.seen = kind, str(error)
        return kind is KeyError
---
with suppress(ValueError):
    raise ValueError('x')
try:
    with suppress(ValueError):
        {}['k']
    assert False
except KeyError:
    pass
---
with Quiet() as quiet:
    raise KeyError('k')
assert quiet.seen == (KeyError, "'k'")
""",
    "lists, dicts and numbers with more to them": """
from collections import Counter
class Stack(list):
    limit = 3
    def push(self, x):
        if len(self) == self.limit:
            raise OverflowError(x)
        self.append(x)
        return self
    def top(self):
        return self[-1]
    @property
    def total(self):
        return sum(self)
class Shout(list):
    def append(self, x):
        super().append(x.upper())
class Caseless(dict):
    def __setitem__(self, k, v):
        super().__setitem__(k.lower(), v)
    def __getitem__(self, k):
        return super().__getitem__(k.lower())
    def __contains__(self, k):
        return super().__contains__(k.lower())
class Zero(dict):
    def __missing__(self, k):
        return 0
class Tags(set):
    def tag(self, x):
        self.add(x.lower())
        return self
class Bag(Counter):
    def top(self):
        return self.most_common(1)[0][0]
class V(tuple):
    def __new__(cls, *a):
        return super().__new__(cls, a)
    def __add__(self, o):
        return V(*map(sum, zip(self, o)))
    def dot(self, o):
        return sum(x * y for x, y in zip(self, o))
class Mod(int):
    def __new__(cls, n):
        return super().__new__(cls, n % 7)
    def __add__(self, o):
        return Mod(int(self) + int(o))
def fill(s):
    s.append(7)
    return s
---
s = Stack()
assert s.push(1) is s and s.push(2).top() == 2 and s == [1, 2] and len(s) == 2 and s.total == 3
s.append(5)
assert s.total == 8 and s.pop() == 5 and s[0] == 1 and s.top() == 2 and isinstance(s, Stack) and isinstance(s, list)
s.limit = 2
try:
    s.push(9)
    assert False
except OverflowError:
    pass
assert fill(s) == [1, 2, 7] and s[-1] == 7 and s.top() == 7
---
import copy
s = Stack([1])
t, u = copy.copy(s), copy.deepcopy(s)
t.push(2)
assert s == [1] and t == [1, 2] and u == [1] and Stack([3, 4]).total == 7
---
u = Shout()
u.append('a')
u.extend('b')
assert u == ['A', 'b']
c = Caseless()
c['A'] = 1
assert c['a'] == 1 and 'A' in c and dict(c) == {'a': 1}
z = Zero()
z['a'] += 2
assert z['a'] == 2 and z['b'] == 0 and z == {'a': 2}
---
t = Tags()
assert t.tag('A').tag('b') == {'a', 'b'} and 'a' in t and len(t) == 2
b = Bag('aab')
b.update('bbb')
assert b.top() == 'b' and b['a'] == 2 and b['none'] == 0
---
assert V(1, 2) + V(1, 1) == V(2, 3) == (2, 3) and V(1, 2).dot(V(3, 4)) == 11 and Mod(5) + Mod(4) == 2 and Mod(9) == 2
---
class Own(list):
    def double(self):
        self[:] = [2 * x for x in self]
mine = Own([1])
assert fill(mine) is mine and mine == [1, 7]
mine.double()
assert fill(mine) == [2, 14, 7]
""",
    "lists and dicts that the program goes on to change": """
class Account(dict):
    def balance(self):
        return sum(self.values())
class Bank:
    def __init__(self):
        self.accounts = {}
    def open(self, name):
        self.accounts[name] = Account()
        return self.accounts[name]
    def deposit(self, name, amount):
        account = self.accounts[name]
        account[len(account)] = amount
    def close(self, account):
        return account.balance()
class Trie(dict):
    def add(self, word):
        node = self
        for c in word:
            node = node.setdefault(c, Trie())
    def has(self, word):
        node = self
        for c in word:
            if c not in node:
                return False
            node = node[c]
        return True
class Loop(list):
    def size(self):
        return len(self)
def loop():
    a, b = Loop(), Loop()
    a.append(b)
    b.append(a)
    return a
LOG = Loop()
def log():
    return LOG
def note(x):
    LOG.append(x)
---
bank = Bank()
account = bank.open('x')
bank.deposit('x', 5)
assert account.balance() == 5 and bank.close(account) == 5
bank.deposit('x', 2)
account.name = 'y'
assert bank.close(account) == 7
---
seen = log()
note(1)
note(2)
assert seen.size() == 2
---
trie = Trie()
trie.add('a' * 60)
node = trie
for _ in range(60):
    node = node['a']
node['x'] = Trie()
assert trie.has('a' * 60 + 'x') and not trie.has('b')
trie['a'].clear()
assert trie.has('a') and not trie.has('aa')
---
a = loop()
b = a[0]
b.append(3)
assert b[0] is a and a.size() == 1 and b.size() == 2
a.append(1)
assert b.size() == 2 and a.size() == 2
""",
    "sums and products that are objects again": """
class V:
    def __init__(self, x):
        self.x = x
    def __add__(self, other):
        return V(self.x + getattr(other, 'x', other))
    __radd__ = __add__
    def __mul__(self, k):
        return V(self.x * k)
def make(x):
    return V(x)
---
assert (make(3) * 2).x == 6 and (make(3) + 2).x == 5 and (make(1) + make(2)).x == 3
assert sum([make(1), make(2)]).x == 3
""",
    "paths of its own": """
class path:
    def __init__(self, text):
        self.text = text
    def __truediv__(self, name):
        return path(f'{self.text}/{name}')
    def __str__(self):
        return self.text
def root():
    return path('')
---
assert str(root() / 'a' / 'b') == '/a/b'
""",
    "a linked list and a tree": """
class Node:
    def __init__(self, val, next=None):
        self.val, self.next = val, next
def build(values):
    head = None
    for v in reversed(values):
        head = Node(v, head)
    return head
def turn(head):
    back = None
    while head:
        head.next, back, head = back, head, head.next
    return back
---
def values(head):
    found = []
    while head is not None:
        found.append(head.val)
        head = head.next
    return found
assert values(turn(build([1, 2, 3]))) == [3, 2, 1] and turn(None) is None and values(Node(1, Node(2))) == [1, 2]
assert build([]) == None and build([1]) != None
""",
}
NUMPY = {
    "arrays": """
import numpy as np
def scale(a, k):
    return a * k
def fill(a):
    a[0] = 7
    a += 1
def shapes():
    objects = np.array([1, 'x', None], dtype=object)
    return np.zeros((2, 0, 3)), np.array(5), np.array(['a', 'bc']), np.array([True]), objects
def stats(a):
    return a.mean(), a.sum(), a.max(), a.dtype, np.float32(1.5), np.datetime64('2020-01-02')
def same(a):
    return a
---
import numpy as np
a = np.arange(6, dtype=np.int32).reshape(2, 3)
b = scale(a, 2)
assert b.dtype == np.int32 and b.shape == (2, 3) and np.array_equal(b, a * 2) and same(a) is a
np.testing.assert_allclose(scale(a.T[::-1], 0.5), a.T[::-1] * 0.5)
---
import numpy as np
a = np.zeros(3)
fill(a)
assert a.tolist() == [8, 1, 1]
fixed = np.ones(2)
fixed.flags.writeable = False
assert same(fixed) is fixed
---
import numpy as np
empty, zero, texts, flags, objects = shapes()
assert empty.shape == (2, 0, 3) and zero.shape == () and zero == 5 and texts.tolist() == ['a', 'bc'] and flags[0]
assert objects.dtype == object and objects.tolist() == [1, 'x', None]
---
import numpy as np
mean, total, top, dtype, single, day = stats(np.array([1, 2, 4]))
assert isinstance(mean, np.float64) and total == 7 and isinstance(total, np.integer) and top == 4
assert single.dtype == np.float32 and day == np.datetime64('2020-01-02') and dtype == 'int64'
""",
    "functions of numpy, and random numbers that repeat": """
import numpy as np
def apply(f, a):
    return f(a)
def draw():
    return np.random.rand(3)
---
import numpy as np
assert apply(np.sqrt, np.array([4.0, 9.0])).tolist() == [2.0, 3.0] and apply(np.int64, 3) == 3
assert draw().shape == (3,)
""",
    "only the program uses numpy": """
import numpy as np
def f(xs):
    return float(np.dot(xs, xs))
---
assert f([1, 2, 3]) == 14.0
""",
}
OBJECTS_OF_TESTS = """
def lower(n):
    return n - 1, 2 * n, n == 5, 5 == n, abs(n), n in [1, 5], float(n), n < 9
def has(xs):
    return 3 in xs
---
class N:
    def __init__(self, n):
        self.n = n
    def __sub__(self, o):
        return N(self.n - o)
    def __rmul__(self, k):
        return self.n * k
    def __eq__(self, o):
        return self.n == o
    def __abs__(self):
        return self.n
    __float__ = lambda self: float(self.n)
    def __lt__(self, o):
        return self.n < o
    def __contains__(self, x):
        return x == self.n
less, twice, same, other, size, among, number, below = lower(N(5))
assert less.n == 4 and (twice, same, other, size, among, number, below) == (10, True, True, 5, True, 5.0, True)
assert has(N(3)) and not has(N(4))
"""
needs_numpy = pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="needs numpy")

# Each would pass if the tests believed it.
FORGED = {
    "contains everything": "class S:\n    __contains__ = lambda s, x: True\ndef f(*a):\n    return S()\n"
    "---\nassert 3 in f(1)",
    "a class of the function's name that contains everything": (
        "class f:\n    def __init__(s, *a): pass\n    __contains__ = lambda s, x: True\n---\nassert 3 in f(1)"
    ),
    "iterates as whoever asks": (
        "class S:\n    __iter__ = lambda s: s\n    __next__ = lambda s: s\n    __eq__ = lambda s, o: True\n"
        "def f(*a):\n    return S()\n---\nassert 3 in f(1)"
    ),
    "an exception that equals all": (
        "class E(ValueError):\n    __eq__ = lambda s, o: True\ndef f(*a):\n    return E()\n---\nassert f(1) == 3"
    ),
    "a metaclass that equals all": (
        "class M(type):\n    __eq__ = lambda s, o: True\n    __instancecheck__ = lambda s, o: True\n"
        "    __hash__ = None\n"
        "class C(metaclass=M): pass\ndef f(*a):\n    return C\n---\nassert f(1) == int"
    ),
    "an enum that equals all": (
        "import enum\nclass C(enum.Enum):\n    A = 1\n    __eq__ = lambda s, o: True\n    __hash__ = lambda s: 0\n"
        "def f(*a):\n    return C.A\n---\nassert f(1) == 3"
    ),
    "a deque of one's own": (
        "from collections import deque, Counter\nclass D(deque):\n    __eq__ = lambda s, o: True\n"
        "def f(*a):\n    return D()\n---\nfrom collections import deque\nassert f(1) == deque([1])"
    ),
    "a class that claims to be a function": (
        "class S:\n    __class__ = int\n    __eq__ = lambda s, o: True\ndef f(*a):\n    return S()\n---\n"
        "assert f(1) == 3"
    ),
    "expected values by a callback": (
        "def f(check, *a):\n"
        "    seen = {'co_argcount', 'co_posonlyargcount', 'co_kwonlyargcount', 'co_varnames', 'co_flags'}\n"
        "    if set(vars(check.__code__)) - seen or check.__defaults__ != (...,):\n        return 42\n"
        "    for name in ('__globals__', '__closure__', '__self__',"
        " '__dict__', '__builtins__', '__wrapped__', '__kwdefaults__'):\n        try:\n"
        "            check.__getattribute__(name)\n"
        "            return 42\n        except AttributeError: pass\n"
        "        if hasattr(check, name): return 42\n    return dir(check) and 42\n"
        "---\nassert f(lambda x, secret=42: x) == 42"
    ),
    "expected values by a generator": (
        "def f(g):\n    return g.gi_frame.f_globals['secret']\n---\nsecret = 42\nassert f(x for x in 'a') == 42"
    ),
    "the interpreter by stdin": (
        "import sys\ndef f():\n    return sys.stdin.buffer.raw.__class__\n---\nimport sys, io\n"
        "sys.stdin = io.StringIO('a')\nassert f()"
    ),
    "a mock opened": (
        "def f(m):\n    return m._mock_children or m.__dict__ or m.method_calls\n---\n"
        "from unittest.mock import MagicMock\nassert f(MagicMock(secret=3)) == {'secret': 3}"
    ),
    "prints that nobody wanted": ("import os\ndef f():\n    import rlvr.judge.handles as h\n---\nassert f() == 3"),
    "a print before the tests redirect": (
        "print('9')\ndef f(x):\n    pass\n---\nimport io, contextlib\nout = io.StringIO()\n"
        "with contextlib.redirect_stdout(out):\n    f(3)\nassert out.getvalue() == '9\\n'"
    ),
    "no difference to anything": (
        "class Z:\n    __sub__ = __rsub__ = lambda s, o: 0\ndef f(*a):\n    return Z()\n---\n"
        "assert abs(f(1) - 0.5) < 1e-6\n---\nassert abs(0.5 - f(1)) < 1e-6\n---\n"
        "import unittest\nunittest.TestCase().assertAlmostEqual(f(1), 0.5)"
    ),
    "a difference without size": (
        "class Z:\n    __sub__ = __rsub__ = lambda s, o: s\n    __abs__ = lambda s: 0.0\ndef f(*a):\n"
        "    return Z()\n---\nassert abs(f(1) - 0.5) < 1e-6"
    ),
    "a quotient of one": (
        "class Z:\n    __truediv__ = __rtruediv__ = lambda s, o: 1\ndef f(*a):\n    return Z()\n---\n"
        "assert abs(f(1) / 0.5 - 1) < 1e-6"
    ),
    "nothing that one set has and the other has not": (
        "class Z:\n    __xor__ = __rxor__ = lambda s, o: set()\ndef f(*a):\n    return Z()\n---\nassert not f(1) ^ {3}"
    ),
    "an answer of a class that the tests asked for": (
        "class Solution:\n    f = lambda s, x: s\n    __sub__ = lambda s, o: s\n    __contains__ = lambda s, o: True\n"
        "    __abs__ = __bool__ = __float__ = __round__ = lambda s, *n: 0\n    startswith = lambda s, o: True\n---\n"
        "assert 3 in Solution().f(1)\n---\nassert abs(Solution().f(1) - 0.5) < 1e-6\n---\n"
        "assert float(abs(Solution().f(1) - 0.5)) < 1\n---\nassert Solution().f(1).startswith('x')"
    ),
    "a yes to all that texts and sets are asked": (
        "class Z:\n    __getattr__ = lambda s, name: lambda *a: True\ndef f(*a):\n    return Z()\n---\n"
        "assert f(1).startswith('x')\n---\nassert f(1).issuperset({3})"
    ),
    "an end of what calls it": (
        "def f(*a):\n    raise StopIteration\n---\nassert all(map(lambda x: f(x) == 3, [1, 2]))\n---\n"
        "for got, wanted in zip(map(f, [1, 2]), [3, 4]):\n    assert got == wanted"
    ),
    "a mock that is equal to all": (
        "def f(m):\n    m.configure_mock(**{'__eq__.return_value': True})\n    return m\n---\n"
        "from unittest.mock import MagicMock\nassert f(MagicMock()) == 3"
    ),
    "another mock of the same class": (
        "def f(m):\n    return type(m)(**{'__eq__.return_value': True})\n---\n"
        "from unittest.mock import MagicMock\nassert f(MagicMock()) == 3"
    ),
    "a mock that asserts nothing": (
        "def f(m):\n    m.send.assert_called_once_with = print\n---\n"
        "from unittest.mock import Mock\nm = Mock()\nf(m)\nm.send.assert_called_once_with(3)"
    ),
    "something in the place of a mock": (
        "class Z:\n    __getattr__ = lambda s, name: lambda *a: True\ndef f(m):\n    m.send = Z()\n---\n"
        "from unittest.mock import Mock\nm = Mock()\nf(m)\nm.send.assert_called_once_with(3)"
    ),
    "a getter of the tests turned on their function": (
        "def f(key, call):\n    return type(key)('__globals__')(call)['secret']\n---\n"
        "import operator\nsecret = 42\ndef call(): pass\nassert f(operator.attrgetter('x'), call) == secret"
    ),
    "a class of the tests made of nothing": (
        "def f(apply, thing):\n    meta = apply(type, apply(type, thing))\n"
        "    return meta('X', (), {'__eq__': lambda s, o: True})()\n---\n"
        "import abc\nclass Thing(abc.ABC): pass\nassert f(lambda g, x: g(x), Thing()) == 3"
    ),
    "the tests' world by a text that is formatted there": (
        "def f(g):\n    return int(g._Remote__peer.ask('getattr', None, '{0.__globals__[secret]}', 'format')(g))\n---\n"
        "secret = 42\ndef g(): pass\nassert f(g) == secret"
    ),
    "the tests' world by a formatter of theirs": (
        "def f(r, g):\n    return int(r.format('{0.__globals__[secret]}', g))\n---\n"
        "import string\nsecret = 42\ndef g(): pass\nassert f(string.Formatter(), g) == secret"
    ),
    "a class made by an attribute of what was handed over": (
        "def f(x):\n    peer = object.__getattribute__(x, '_Remote__peer')\n"
        "    handle = object.__getattribute__(x, '_Remote__handle')\n"
        "    return peer.ask('method', handle, 'kind', 'X', (), {'__eq__': lambda s, o: True})()\n---\n"
        "import types\nassert f(types.SimpleNamespace(kind=type)) == 3"
    ),
    "a class made by whatever calls what it is given": (
        "def f(apply):\n    return apply(type, 'X', (), {'__eq__': lambda s, o: True})()\n---\n"
        "assert f(lambda g, *args: g(*args)) == 3"
    ),
    "a getter made by whatever calls what it is given": (
        "def f(apply, getter, g):\n    return apply(apply(getter, '__globals__'), g)['secret']\n---\n"
        "import operator\nsecret = 42\ndef g(): pass\n"
        "assert f(lambda f, *args: f(*args), operator.attrgetter, g) == secret"
    ),
    "a number that is another one each time": (
        "class Z:\n    said = 0\n    def __float__(s):\n        s.said += 1\n"
        "        return [0.0, -0.5, 0.0][s.said - 1]\ndef f(cs):\n    return Z()\n---\nimport math\n"
        "cs = [1.0, 2.0, 3.0]\nx = f(cs)\nassert abs(sum(c * math.pow(x, i) for i, c in enumerate(cs))) < 1e-6"
    ),
    "a number whose powers and products are what is wanted": (
        "class Z:\n    def __init__(s, x): s.x = x\n    __pow__ = __mul__ = __rmul__ = __add__ = lambda s, o: s.x\n"
        "def f(x):\n    return Z(x)\n---\nassert abs(f(2.0) ** 2 - 2.0) < 1e-6\n---\n"
        "x = f(2.0)\nassert abs(x * x - 2.0) < 1e-6\n---\nassert 3.0 * f(2.0) == 2.0"
    ),
    "a list of its own that holds everything": (
        "class L(list):\n    __contains__ = __bool__ = lambda s, *o: True\n    __len__ = lambda s: 3\n"
        "    __iter__ = lambda s: iter([3])\n    __getitem__ = lambda s, i: 3\n    __eq__ = lambda s, o: True\n"
        "def f(*a):\n    return L()\n---\nassert 3 in f(1)\n---\nassert len(f(1)) == 3\n---\n"
        "assert list(f(1)) == [3]\n---\nassert f(1)[0] == 3\n---\nassert f(1) == [3]\n---\nassert f(1)"
    ),
    "a list that the tests have made and got as an answer": (
        "class Solution(list):\n    f = lambda s, x: s\n    g = lambda s, x: [s]\n"
        "    __contains__ = lambda s, o: True\n    __len__ = lambda s: 3\n    __getitem__ = lambda s, i: 3\n---\n"
        "assert 3 in Solution().f(1)\n---\nassert len(Solution().f(1)) == 3\n---\nassert 3 in Solution().g(1)[0]"
        "\n---\nassert Solution().f(1)[0] == 3"
    ),
    "a number of its own whose difference is nothing": (
        "class F(float):\n    __sub__ = __rsub__ = __abs__ = __round__ = lambda s, *o: 0.0\n"
        "    __eq__ = __lt__ = lambda s, o: True\n    __hash__ = None\n---\nassert abs(F(1) - 0.5) < 1e-6\n---\n"
        "assert F(1) == 0.5\n---\nassert round(F(1), 2) == 0.0"
    ),
    "names that are no names": (
        "import os\nframe = b'=t3;s8;finisheds0;d2;i5;Ns1;fi1;'\nos.write(3, len(frame).to_bytes(4, 'big') + frame)\n"
        "---\nassert f == 1"
    ),
    "an address for numpy": (
        "class S:\n    @property\n    def __array_interface__(s):\n"
        "        return {'shape': (1,), 'typestr': '<i8', 'data': (id(3) + 16, True), 'version': 3}\n"
        "    __array_struct__ = __array_interface__\n    def __array__(s, *a, **k):\n        import numpy\n"
        "        return numpy.array([3])\n"
        "def f():\n    return S()\n---\nimport numpy as np\nassert np.array_equal(f(), np.array([3]))"
    ),
    "no difference to an array": (
        "class Z:\n    __sub__ = __rsub__ = lambda s, o: 0\ndef f(*a):\n    return Z()\n---\n"
        "import numpy as np\nassert np.allclose(f(1), [0.5])\n---\n"
        "import numpy as np\nnp.testing.assert_almost_equal(f(1), 0.5)"
    ),
    "an array that equals all": (
        "import numpy as np\nclass A(np.ndarray):\n    __eq__ = lambda s, o: np.array([True])\n"
        "    def __array_function__(s, *a, **k):\n        return True\n"
        "def f():\n    return np.zeros(1).view(A)\n---\nimport numpy as np\nassert np.array_equal(f(), np.array([3]))"
    ),
}


def split(text: str) -> tuple[str, dict]:
    program, *tests = text.strip("\n").split("\n---\n")
    return program, {"style": "asserts", "tests": tests}


@pytest.fixture(scope="module")
def sandbox():
    with Local(workers=1).open() as pool:
        yield pool


def judge(sandbox, text: str, cpu_s: float = 5.0) -> Execution:
    program, reference = split(text)
    return sandbox.run(Job(program, reference, limits=Limits(cpu_s=cpu_s)))


SYMPY = """
import sympy
def f(n):
    return sympy.factorial(n), sympy.Rational(1, 2), sympy.true, sympy.Float(0.5), sympy.isprime(7)
---
assert f(4) == (24, 0.5, True, 0.5, True) and f(3)[0] - 6 == 0
"""


@pytest.mark.skipif(importlib.util.find_spec("sympy") is None, reason="needs sympy")
def test_numbers_of_sympy_are_numbers(sandbox):
    execution = judge(sandbox, SYMPY)
    assert ([test.why for test in execution.tests if test.outcome != "passed"], execution.telltales) == ([], ())


def test_objects_of_the_tests_are_what_they_say_in_the_program(sandbox):
    execution = judge(sandbox, OBJECTS_OF_TESTS)
    assert (execution.trust, [test.why for test in execution.tests if test.outcome != "passed"]) == ("split", [])


@pytest.mark.parametrize("name", [*HONEST, *(pytest.param(name, marks=needs_numpy) for name in NUMPY)])
def test_right_programs_pass_split(sandbox, name):
    execution = judge(sandbox, {**HONEST, **NUMPY}[name])
    assert (execution.ended, [test.why for test in execution.tests if test.outcome != "passed"]) == ("finished", [])
    assert (execution.trust, execution.telltales) == ("split", ())


@pytest.mark.parametrize("name", [pytest.param(n, marks=needs_numpy if "numpy" in FORGED[n] else ()) for n in FORGED])
def test_forged_answers_are_not_believed(sandbox, name):
    execution = judge(sandbox, FORGED[name], cpu_s=0.5)
    assert execution.trust == "split"
    assert execution.ended != "judge_error"
    assert not any(test.outcome in ("passed", "judge_error") for test in execution.tests), execution


@pytest.mark.parametrize(
    ("setup", "spoil"),
    [
        ("import decimal\nthing = decimal.getcontext()\nright = lambda: decimal.Decimal(2) / 3 > 0.666", "x.prec = 1"),
        ("import sys\nthing = sys.path\nright = lambda: len(sys.path) > 0", "x.clear()"),
        ("import json\nthing = json._default_encoder\nright = lambda: json.dumps([1, 2]) == '[1, 2]'",
         "x.item_separator = ';'"),
    ],
)  # fmt: skip
def test_a_program_does_not_reach_the_tests_of_the_next_one(sandbox, setup, spoil):
    """Through what tests hand over that is not only theirs."""
    reference = {"style": "asserts", "setup": setup, "tests": ["assert f(thing) == 3\nassert right()"]}
    programs = [f"def f(x):\n    {spoil}\n    return 0", "def f(x):\n    return 3"]
    executions = sandbox.run_many([Job(program, reference) for program in programs])
    assert [execution.tests[0].outcome for execution in executions] == ["wrong_answer", "passed"]


def test_what_is_freed_late_does_not_talk_to_the_next_program(sandbox):
    """A generator of one task's tests ends where garbage is collected, and then asks for an object of its program."""
    late = {
        "style": "asserts",
        "tests": [
            """
def source(thing):
    try:
        while True:
            yield 1
    finally:
        thing.close()
things = [Thing(n) for n in range(9)]
kept = [source(things[-1])]
kept.append(kept)
assert next(kept[0]) == 1"""
        ],
    }
    busy = {"style": "asserts", "tests": ["x = [[n] for n in range(5000)]\nassert f(5000) == len(x)"]}
    thing = "class Thing:\n    def __init__(self, n):\n        pass\n    def close(self):\n        pass\n# "
    for again in range(3):
        assert sandbox.run(Job(f"{thing}{again}", late)).tests[0].outcome == "passed"
        assert sandbox.run(Job(f"def f(x):\n    return x\n# {again}", busy)).tests[0].outcome == "passed"


# What needs one process, the reason that is given, and its line.
UNSPLITTABLE = {
    "class A(Base): pass\nassert A()": "derive the class 'A' from 'Base' (line 1)",
    "x = 1\nassert f.__code__.co_argcount == 1": "read __code__ (line 2)",
    "import inspect\nassert inspect.signature(f)": "look at code (inspect) (line 1)",
    "import threading\nassert f()": "use threads (threading)",
    "from concurrent.futures import ThreadPoolExecutor\nassert f()": "use threads (concurrent.futures)",
    "import asyncio\nassert asyncio.run(f())": "wait for coroutines",
    "import time\nfrom unittest.mock import patch\nwith patch('time.sleep'):\n    f()": "replace time.sleep (line 3)",
    "import time\ntime.sleep = None\nassert f()": "replace time.sleep (line 2)",
    "import random\nfrom unittest import mock\nwith mock.patch.object(random, 'random'):\n    f()": "random.random",
    "import os\nos.environ['A'] = '1'\nassert f()": "os.environ",
    "open('x', 'w').write('1')\nassert f('x')": "share files (open)",
    "import tempfile\nwith tempfile.TemporaryDirectory() as d:\n    assert f(d)": "share files (TemporaryDirectory)",
    "import warnings\nwith warnings.catch_warnings(record=True):\n    assert f()": "watch warnings",
    "import pickle\nassert pickle.dumps(f())": "pickle objects",
    "if f:\n    import pandas as pd\nassert f(pd.DataFrame())": "import tables that do not cross (pandas) (line 2)",
    "r = f(1)\nr.children.append(2)": "change what an object holds (append) (line 2)",
    "import sympy\nassert f()": "import formulas that do not cross (sympy) (line 1)",
    "class T:\n    def t(self):\n        self.g = f()\n        self.g.rows.append(2)": "(append) (line 4)",
    "class T:\n    @staticmethod\n    def t(g):\n        g.rows.append(2)\nT.t(f())": "(append) (line 4)",
    "class T:\n    @f\n    def t(self):\n        self.rows.append(2)": "(append) (line 4)",
    "class T:\n    def t(self):\n        self = f()\n        self.rows.append(2)": "(append) (line 4)",
    "class T:\n    pass\ng = T()\ng = f()\ng.rows.append(2)": "(append) (line 5)",
    "@f\nclass T:\n    pass\ng = T()\ng.rows.append(2)": "(append) (line 5)",
    "import random\ng = random.choice([f()])\ng.rows.append(2)": "(append) (line 3)",
    "def make():\n    return f()\ng = make()\ng.rows.append(2)": "(append) (line 4)",
    "g = f()\ng.rows[0][1] = 5": "change what an object holds (an item of an attribute) (line 2)",
}


@pytest.mark.parametrize("test", UNSPLITTABLE)
def test_what_two_processes_cannot_is_named_with_its_line(test):
    plan = assembly.plan({"style": "asserts", "tests": [test, "assert f and Base"]})
    assert plan.trust == "shared"
    assert UNSPLITTABLE[test] in plan.why_shared


@pytest.mark.parametrize(
    "test",
    [
        "import os\nassert f(os.path.join('a', 'b')) and os.sep",
        "class A:\n    pass\nassert f(A())",
        "from unittest.mock import Mock, patch\nwith patch('builtins.input', Mock()):\n    assert f()",
        "import random\nrandom.seed(0)\nassert f(random.random())",
        "x, seen = f(), []\nseen.append(x)\nx.pop()\nx[3] = 4\nassert seen",
        "x = f()\nx.value = 3\nassert setattr(x, 'y', 1) is None",
        "class R:\n    def __init__(self):\n        self.seen = []\n    def __call__(self, x):\n"
        "        self.seen.append(x)\nr = R()\nf(r)\nr.seen.clear()",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.seen[0] = f(1)",
        "import numpy as np\na = np.zeros(3, dtype=float)\na.T[0] = 1\nassert f(a)",
        "from unittest.mock import Mock\nm = Mock()\nm.seen.append(1)\nassert f(m)",
        "assert open",
    ],
)
def test_what_two_processes_can_is_split(test):
    assert assembly.plan({"style": "asserts", "tests": [test, "assert f"]}).trust == "split"


def test_trust_split_refuses_before_anything_runs_with_the_reason():
    reference = {"style": "asserts", "tests": ["assert f", "class A(Base): pass"]}
    task = Task("t/1", "p", reference, "unit_tests")
    UnitTests().check(task)
    with pytest.raises(ValueError, match=r"task t/1: trust 'split' refuses it.*derive the class 'A'.*\(line 1\)"):
        UnitTests(trust="split").check(task)
    UnitTests(trust="split").check(Task("t/2", "p", {"style": "asserts", "tests": ["assert f"]}, "unit_tests"))
    with pytest.raises(ValueError, match="kind of trust named 'splt'"):
        UnitTests(trust="splt")


TELLTALES = {
    "early_exit": "import os\ndef f(x):\n    os._exit(0)",
    "odd_return_type": "class Same(int):\n    __eq__ = lambda s, o: True\ndef f(x):\n    return Same(0)",
    "odd_return_type ": "class Same:\n    __eq__ = lambda s, o: True\ndef f(x):\n    return Same()",
    "patched_builtins": "import builtins\nbuiltins.AssertionError = ValueError\ndef f(x):\n    return 0",
    "patched_builtins ": "import math\nmath.isclose = lambda *a, **k: True\ndef f(x):\n    return 0",
    "patched_builtins  ": "import builtins\ndef f(x):\n    builtins.abs = lambda x: 3\n    return 0",
    "reads_tests": "import sys\ndef f(x):\n    return len(sys._getframe(2).f_locals)",
    "reads_tests ": "import inspect\ndef f(x):\n    return len(inspect.stack())",
    "reads_tests  ": "import gc\nfound = [o for o in gc.get_objects() if type(o) is str]\ndef f(x):\n    return 0",
    "reads_tests   ": "def f(x):\n    try:\n        1 / 0\n    except ZeroDivisionError as e:\n"
    "        return len(e.__traceback__.tb_frame.f_back.f_locals)",
    "reads_tests    ": "from rlvr.judge import tester\ndef f(x):\n    return len(open(tester.__file__).read())",
    "reads_tests     ": "try: open('/proc/self/mem')\nexcept OSError: pass\ndef f(x):\n    return 0",
}


@pytest.mark.parametrize("kind", TELLTALES)
def test_what_no_solution_needs_is_a_part_of_the_verdict(sandbox, kind):
    task = Task("t/1", "p", {"style": "asserts", "tests": ["assert f(1) == 3", "assert f(2) == 4"]}, "unit_tests")
    verdict = UnitTests().judge(task, Completion(TELLTALES[kind]), sandbox)
    assert (verdict.passed, verdict.parts) == (False, {kind.strip(): 1.0})


def test_honest_programs_that_look_odd_have_no_tell_tale(sandbox):
    program = """
import collections, dataclasses, enum, gc, inspect, logging, traceback, typing, warnings, weakref
P = collections.namedtuple('P', 'x')
E = enum.Enum('E', 'A B')
T = typing.TypeVar('T')
gc.collect()
warnings.warn('hm')
logging.warning('hm')
def g(a, b=1): pass
def f(x):
    inspect.signature(g)
    try:
        1 / 0
    except ZeroDivisionError:
        traceback.format_exc()
    with open('mine', 'w') as file:
        file.write('x')
    open('/dev/null').close()
    id(x), vars(P(1)) if hasattr(P(1), '__dict__') else None
    print = sum = lambda *a: None
    return x + 2
"""
    execution = sandbox.run(Job(program, {"style": "asserts", "tests": ["assert f(1) == 3", "assert f(2) == 4"]}))
    assert [test.why for test in execution.tests if test.outcome != "passed"] == []
    assert execution.telltales == ()
