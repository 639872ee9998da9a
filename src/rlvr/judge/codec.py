"""Plain data as bytes, for the channel between the candidate's process and the tests' process.

Only exact builtin types have a tag; nothing that is read can run code or name what is not listed below.
Whatever can be changed in place (lists, dicts, sets, bytearrays, deques, arrays ...) is numbered in the order in which
it is written, and a second sight of it is a reference to its number, so shared and cyclic structures keep their shape
and the reader can tell "the list you gave me" from a copy. What is not plain data is left to `export` and `load`, which
turn it into handles (see `handles`).

Numbers are hexadecimal and end with `;`. Tags: N T F none and booleans · i int · f float · c complex · s str ·
b bytes · a bytearray · l list · t tuple · e set · z frozenset · d dict · r range · q slice · w view of a dict ·
j list of machine numbers · R reference · x a standard-library value · m a standard-library container · y Y an array and
a scalar of numpy · n a class, function or singleton by name · H h E X v k handles.
"""

import builtins
import dataclasses
import json
import re
import struct
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

MAX_DEPTH = 200
MAX_FRAME = 32 << 20
"""Bytes of one frame; a larger value cannot cross."""

_FLAT = 16
_MACHINE = 1 << 62
_DOUBLE = struct.Struct("<d")


class MalformedError(Exception):
    """Bytes that no encoder of ours writes, or that nest too deep."""


class TooLargeError(Exception):
    """A value that would need a frame of more than `MAX_FRAME` bytes."""


# What crosses by name: classes, singletons, and functions that only look at what they are given.
_PURE = (
    "abs", "all", "any", "ascii", "bin", "callable", "chr", "divmod", "format", "hash", "hex", "isinstance",
    "issubclass", "iter", "len", "max", "min", "next", "oct", "ord", "pow", "repr", "round", "sorted", "sum",
)  # fmt: skip
_BY_NAME: dict[str, Any] = {
    "NoneType": type(None),
    **{name: getattr(builtins, name) for name in ("Ellipsis", "NotImplemented", *_PURE)},
    **{name: value for name, value in vars(builtins).items() if isinstance(value, type)},
    # By which `dataclasses.fields` and all that is built on it know a field.
    **{f"dataclasses.{name}": getattr(dataclasses, name) for name in ("MISSING", "_FIELD", "_FIELD_CLASSVAR")},
}
_NAMES = {id(value): name.encode() for name, value in _BY_NAME.items()}

# Values of the standard library: how each becomes plain arguments of its class.
_VALUES: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "fractions.Fraction": lambda value: (value.numerator, value.denominator),
    "decimal.Decimal": lambda value: (str(value),),
    "datetime.date": lambda value: (value.year, value.month, value.day),
    "datetime.time": lambda value: (value.hour, value.minute, value.second, value.microsecond, value.tzinfo),
    "datetime.datetime": lambda value: (*value.timetuple()[:6], value.microsecond, value.tzinfo),
    "datetime.timedelta": lambda value: (value.days, value.seconds, value.microseconds),
    "datetime.timezone": lambda value: (value.utcoffset(None),),
    "uuid.UUID": lambda value: (value.hex,),
    **{
        f"{module}.{name}": lambda value: (str(value),)
        for module in ("pathlib", "pathlib._local")
        for name in ("PosixPath", "PurePosixPath")
    },
}
_ARGUMENTS = {"builtins.int", "builtins.str", "builtins.NoneType", "datetime.timedelta", "datetime.timezone"}

# Containers of the standard library: what an empty one is made of, and how.
_CONTAINERS: dict[str, tuple[Callable[[Any], tuple[Any, ...]], Callable[..., Any]]] = {
    "collections.Counter": (lambda value: (), Counter),
    "collections.OrderedDict": (lambda value: (), OrderedDict),
    "collections.defaultdict": (lambda value: (value.default_factory,), defaultdict),
    "collections.deque": (lambda value: (value.maxlen,), lambda longest: deque(maxlen=longest)),
}
_VIEWS: dict[type, tuple[bytes, Callable[[list[Any]], Any]]] = {
    type({}.keys()): (b"k", lambda items: dict.fromkeys(items).keys()),
    type({}.values()): (b"v", lambda items: dict(enumerate(items)).values()),
    type({}.items()): (b"i", lambda items: dict(items).items()),
}
_VIEW_MAKERS = {tag[0]: make for tag, make in _VIEWS.values()}
_ELEMENTS = re.compile(r"[<>|=]?[?biufcSUMm][0-9]*(\[\w+\])?")
"""Types of numpy arrays whose elements are bytes, nothing else."""


class Encoder:
    """Writes values one after another into one frame.

    export: `(value, encoder, depth)`, called for everything that has no tag of its own; writes to `encoder.out`.
    containers: those that the reader knows already, by number; grows by each one written.
    """

    def __init__(self, export: Callable[[Any, "Encoder", int], None], containers: Sequence[Any] = ()) -> None:
        self.out: list[bytes] = []
        self.export = export
        self.containers = list(containers)
        self.numbers = {id(value): number for number, value in enumerate(self.containers)}

    def put(self, value: Any, depth: int = 0) -> None:
        kind = type(value)
        if kind is int:
            self.out.append(b"i%x;" % value)
        elif kind is str:
            data = value.encode("utf-8", "surrogatepass")
            self.out.append(b"s%x;" % len(data))
            self.out.append(data)
        elif value is None:
            self.out.append(b"N")
        elif kind is bool:
            self.out.append(b"T" if value else b"F")
        elif kind is float:
            self.out.append(b"f" + _DOUBLE.pack(value))
        elif depth > MAX_DEPTH:
            self.export(value, self, depth)
        elif kind is tuple:
            self.items(b"t", value, depth)
        elif kind is list or kind is dict or kind is set or kind is bytearray:
            self._container(kind, value, depth)
        else:
            self._rare(kind, value, depth)

    def items(self, tag: bytes, values: Any, depth: int) -> None:
        self.out.append(b"%c%x;" % (tag, len(values)))
        for item in values:
            self.put(item, depth + 1)

    def contents(self, value: Any, depth: int = 0) -> None:
        """What is in a container now, as a tuple (bytes for a bytearray or an array), whether or not it is known."""
        if type(value) is bytearray:
            self.put(bytes(value))
        elif isinstance(value, dict):
            self.items(b"t", [part for item in value.items() for part in item], depth)
        elif not isinstance(value, list | set | deque):
            self.put(value.tobytes() if value.dtype.kind != "O" else tuple(value.ravel().tolist()), depth)
        else:
            self.items(b"t", value, depth)

    def frame(self) -> bytes:
        data = b"".join(self.out)
        if len(data) > MAX_FRAME:
            raise TooLargeError(f"the value needs {len(data) >> 20} MiB, more than {MAX_FRAME >> 20}")
        return data

    def _known(self, value: Any) -> bool:
        """Whether a reference was enough; else the container is numbered, and what it is has to follow."""
        number = self.numbers.get(id(value))
        if number is not None:
            self.out.append(b"R%x;" % number)
            return True
        self.numbers[id(value)] = len(self.containers)
        self.containers.append(value)
        return False

    def _container(self, kind: type, value: Any, depth: int) -> None:
        if self._known(value):
            return
        if kind is list:
            if len(value) >= _FLAT and _is_flat(value):
                data = json.dumps(value).encode()
                self.out.append(b"j%x;" % len(data))
                self.out.append(data)
            else:
                self.items(b"l", value, depth)
        elif kind is dict:
            self.out.append(b"d%x;" % len(value))
            for key, item in value.items():
                self.put(key, depth + 1)
                self.put(item, depth + 1)
        elif kind is set:
            self.items(b"e", value, depth)
        else:
            self.out.append(b"a%x;" % len(value))
            self.out.append(bytes(value))

    def _rare(self, kind: type, value: Any, depth: int) -> None:
        if kind is bytes:
            self.out.append(b"b%x;" % len(value))
            self.out.append(value)
        elif kind is frozenset:
            self.items(b"z", value, depth)
        elif kind is complex:
            self.out.append(b"c" + _DOUBLE.pack(value.real) + _DOUBLE.pack(value.imag))
        elif kind is range:
            self.out.append(b"r")
            for part in (value.start, value.stop, value.step):
                self.put(part)
        elif kind is slice:
            self.out.append(b"q")
            for part in (value.start, value.stop, value.step):
                self.put(part, depth + 1)
        elif kind in _VIEWS:
            self.out.append(b"w" + _VIEWS[kind][0])
            self.items(b"t", value, depth)
        elif (name := _NAMES.get(id(value))) is not None:
            self.out.append(b"n%x;" % len(name) + name)
        elif not self._library(kind, value, depth) and not self._numpy(kind, value, depth):
            self.export(value, self, depth)

    def _library(self, kind: type, value: Any, depth: int) -> bool:
        path = f"{kind.__module__}.{kind.__qualname__}"
        if path in _CONTAINERS:
            if not self._known(value):
                self.out.append(b"m%x;" % len(path) + path.encode())
                self.put(_CONTAINERS[path][0](value), depth + 1)
                self.contents(value, depth + 1)
            return True
        if path not in _VALUES:
            return False
        arguments = _VALUES[path](value)
        if not _are_plain(arguments):
            return False
        self.out.append(b"x%x;" % len(path) + path.encode())
        self.put(arguments, depth + 1)
        return True

    def _numpy(self, kind: type, value: Any, depth: int) -> bool:
        numpy = sys.modules.get("numpy")
        if numpy is None:
            return False
        if kind is type and value.__module__ == "numpy" and issubclass(value, numpy.generic):
            name = f"numpy.{value.__name__}".encode()
            self.out.append(b"n%x;" % len(name) + name)
        elif issubclass(kind, numpy.dtype) and _elements(value):
            name = f"numpy.dtype {value.str}".encode()
            self.out.append(b"n%x;" % len(name) + name)
        elif issubclass(kind, numpy.ndarray) and _elements(value.dtype):
            # An instance of a subclass crosses as the array that it holds.
            if not self._known(value):
                self.out.append(b"y")
                self.put((value.dtype.str, value.shape))
                self.contents(numpy.asarray(value), depth + 1)
        elif issubclass(kind, numpy.generic) and kind.__module__ == "numpy" and _ELEMENTS.fullmatch(value.dtype.str):
            self.out.append(b"Y")
            self.put((value.dtype.str, value.tobytes()))
        else:
            return False
        return True


def _are_plain(arguments: tuple[Any, ...]) -> bool:
    kinds = {f"{type(argument).__module__}.{type(argument).__name__}" for argument in arguments}
    return kinds <= _ARGUMENTS


def _elements(dtype: Any) -> bool:
    return dtype.str == "|O" or _ELEMENTS.fullmatch(dtype.str) is not None


def _is_flat(values: list[Any]) -> bool:
    """Whether the standard library's fast JSON writer gives these numbers back exactly."""
    kinds = set(map(type, values))
    return kinds == {float} or (kinds == {int} and max(values) < _MACHINE and min(values) > -_MACHINE)


class Decoder:
    """Reads what an `Encoder` wrote. Every error of the data is `MalformedError`.

    load: `(tag, decoder, depth)`, called for the tags of handles.
    containers: the writer's, by number, where both sides know some already; grows by each one read.
    """

    def __init__(
        self, data: bytes, load: Callable[[int, "Decoder", int], Any], containers: Sequence[Any] = (), start: int = 0
    ) -> None:
        self.data = data
        self.at = start
        self.load = load
        self.containers = list(containers)

    def value(self) -> Any:
        try:
            return self.get()
        except (ValueError, LookupError, TypeError, RecursionError, OverflowError, struct.error) as error:
            raise MalformedError(f"{type(error).__name__} at byte {self.at}") from error

    def ended(self) -> bool:
        return self.at >= len(self.data)

    def number(self) -> int:
        end = self.data.index(b";", self.at)
        value = int(self.data[self.at : end], 16)
        self.at = end + 1
        return value

    def take(self, count: int) -> bytes:
        end = self.at + count
        if count < 0 or end > len(self.data):
            raise MalformedError(f"{count} bytes announced at byte {self.at}, {len(self.data) - self.at} left")
        data = self.data[self.at : end]
        self.at = end
        return data

    def get(self, depth: int = 0) -> Any:
        tag = self.data[self.at]
        self.at += 1
        if tag == 105:  # i
            return self.number()
        if tag == 115:  # s
            return self.take(self.number()).decode("utf-8", "surrogatepass")
        if depth > MAX_DEPTH + 8:
            raise MalformedError("nested too deep")
        read = _READERS.get(tag)
        return read(self, depth) if read else self.load(tag, self, depth)

    def items(self, depth: int) -> list[Any]:
        return [self.get(depth + 1) for _ in range(self._count())]

    def _count(self) -> int:
        count = self.number()
        if not 0 <= count <= len(self.data) - self.at:
            raise MalformedError(f"{count} items announced in {len(self.data) - self.at} bytes")
        return count

    def _list(self, depth: int) -> list[Any]:
        value: list[Any] = []
        self.containers.append(value)
        for _ in range(self._count()):
            value.append(self.get(depth + 1))
        return value

    def _dict(self, depth: int) -> dict[Any, Any]:
        value: dict[Any, Any] = {}
        self.containers.append(value)
        for _ in range(self._count()):
            key = self.get(depth + 1)
            value[key] = self.get(depth + 1)
        return value

    def _set(self, depth: int) -> set[Any]:
        value: set[Any] = set()
        self.containers.append(value)
        for _ in range(self._count()):
            value.add(self.get(depth + 1))
        return value

    def _flat(self, depth: int) -> list[Any]:
        value = json.loads(self.take(self.number()))
        if type(value) is not list:
            raise MalformedError("not a list of numbers")
        self.containers.append(value)
        return value

    def _bytearray(self, depth: int) -> bytearray:
        value = bytearray(self.take(self.number()))
        self.containers.append(value)
        return value

    def _double(self, depth: int) -> float:
        return _DOUBLE.unpack(self.take(8))[0]

    def _range(self, depth: int) -> range:
        return range(self.get(depth + 1), self.get(depth + 1), self.get(depth + 1))

    def _known(self, depth: int) -> Any:
        return self.containers[self.number()]

    def _named(self, depth: int) -> Any:
        name = self.take(self.number()).decode()
        if not name.startswith("numpy."):
            return _BY_NAME[name]
        if name.startswith("numpy.dtype "):
            elements = name.removeprefix("numpy.dtype ")
            if elements != "|O" and not _ELEMENTS.fullmatch(elements):
                raise MalformedError(f"no elements of type {elements!r:.20}")
            return _loaded_numpy().dtype(elements)
        found = getattr(_loaded_numpy(), name.removeprefix("numpy."), None)
        if not (isinstance(found, type) and issubclass(found, _loaded_numpy().generic)):
            raise MalformedError(f"no type {name!r}")
        return found

    def _slice(self, depth: int) -> slice:
        return slice(self.get(depth + 1), self.get(depth + 1), self.get(depth + 1))

    def _view(self, depth: int) -> Any:
        make = _VIEW_MAKERS[self.take(1)[0]]
        items = self.get(depth + 1)
        if type(items) is not tuple:
            raise MalformedError("not the items of a dict")
        return make(list(items))

    def _library(self, depth: int) -> Any:
        name = self.take(self.number()).decode()
        arguments = self.get(depth + 1)
        if name not in _VALUES or type(arguments) is not tuple or not _are_plain(arguments):
            raise MalformedError(f"no value type {name!r}")
        module, _, cls = name.rpartition(".")
        try:
            return getattr(import_module(module), cls)(*arguments)
        except (ArithmeticError, ImportError, AttributeError) as error:
            raise MalformedError(f"not a {name}") from error

    def _made(self, depth: int) -> Any:
        name = self.take(self.number()).decode()
        head = self.get(depth + 1)
        container = _CONTAINERS[name][1](*head)
        self.containers.append(container)
        refill(container, self.get(depth + 1))
        return container

    def _array(self, depth: int) -> Any:
        numpy = _loaded_numpy()
        elements, shape = self.get(depth + 1)
        if not (type(elements) is str and type(shape) is tuple and all(type(size) is int for size in shape)):
            raise MalformedError("not an array")
        if elements != "|O" and not _ELEMENTS.fullmatch(elements):
            raise MalformedError(f"no elements of type {elements!r:.20}")
        number = len(self.containers)
        self.containers.append(None)
        contents = self.get(depth + 1)
        if type(contents) is not (tuple if elements == "|O" else bytes):
            raise MalformedError("not the contents of an array")
        if elements == "|O":
            value = numpy.empty(len(contents), dtype=object)
            _fill_objects(value, contents)
        else:
            value = numpy.frombuffer(contents, elements).copy() if contents else numpy.empty(0, elements)
        value = self.containers[number] = value.reshape(shape)
        return value

    def _scalar(self, depth: int) -> Any:
        elements, data = self.get(depth + 1)
        if not (type(elements) is str and _ELEMENTS.fullmatch(elements) and type(data) is bytes):
            raise MalformedError("not a scalar")
        numpy = _loaded_numpy()
        return numpy.frombuffer(data, elements)[0] if data else numpy.zeros(1, elements)[0]


def _loaded_numpy() -> Any:
    if "numpy" not in sys.modules:
        raise MalformedError("a value of numpy, which is not used here")
    return sys.modules["numpy"]


def refill(container: Any, contents: Any) -> None:
    """Make a container hold what it holds on the other side. Raises `TypeError`, `ValueError` for what does not fit."""
    as_bytes = type(container) is bytearray or getattr(getattr(container, "dtype", None), "kind", "O") != "O"
    if type(contents) is not (bytes if as_bytes else tuple):
        raise TypeError("not the contents of this container")
    if isinstance(container, list | bytearray):
        container[:] = contents
    elif isinstance(container, dict):
        items = list(zip(contents[::2], contents[1::2], strict=True))
        container.clear()
        for key, item in items:
            container[key] = item
    elif isinstance(container, set | deque):
        container.clear()
        container.extend(contents) if isinstance(container, deque) else container.update(contents)
    elif as_bytes:
        values = _loaded_numpy().frombuffer(contents, container.dtype).reshape(container.shape)
        # Writing would fail where the array is read-only, which nothing has changed.
        if values.tobytes() != container.tobytes():
            container[...] = values
    else:
        _fill_objects(container, contents)


def _fill_objects(array: Any, contents: Any) -> None:
    # One by one: as a whole, lists among them would be taken for rows.
    for number, item in enumerate(contents):
        array.flat[number] = item


_READERS: dict[int, Callable[[Decoder, int], Any]] = {
    ord("N"): lambda decoder, depth: None,
    ord("T"): lambda decoder, depth: True,
    ord("F"): lambda decoder, depth: False,
    ord("f"): Decoder._double,
    ord("c"): lambda decoder, depth: complex(decoder._double(depth), decoder._double(depth)),
    ord("b"): lambda decoder, depth: decoder.take(decoder.number()),
    ord("t"): lambda decoder, depth: tuple(decoder.items(depth)),
    ord("z"): lambda decoder, depth: frozenset(decoder.items(depth)),
    ord("l"): Decoder._list,
    ord("d"): Decoder._dict,
    ord("e"): Decoder._set,
    ord("a"): Decoder._bytearray,
    ord("r"): Decoder._range,
    ord("j"): Decoder._flat,
    ord("R"): Decoder._known,
    ord("n"): Decoder._named,
    ord("x"): Decoder._library,
    ord("q"): Decoder._slice,
    ord("w"): Decoder._view,
    ord("m"): Decoder._made,
    ord("y"): Decoder._array,
    ord("Y"): Decoder._scalar,
}
