"""Writes the bytes that `codec` describes."""

import json
from collections import deque
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from rlvr.judge import arrays
from rlvr.judge.codec import (
    CONTAINERS,
    DOUBLE,
    MAX_DEPTH,
    MAX_FRAME,
    NAMES,
    VALUES,
    VIEWS,
    TooLargeError,
    are_plain,
    items_of,
)

_FLAT = 16
_MACHINE = 1 << 62
_to_json = json.JSONEncoder().encode
"""Not the module's own encoder, which tests and programs can change."""


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
        self.compared: dict[int, bool] = {}
        """For `export`: what it found out about objects, by their `id`."""

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
            self.out.append(b"f" + DOUBLE.pack(value))
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
        if isinstance(value, bytearray):
            self.put(bytes(memoryview(value)))
        elif isinstance(value, dict):
            self.items(b"t", [part for item in items_of(value) for part in item], depth)
        elif not isinstance(value, list | set | deque):
            self.put(value.tobytes() if value.dtype.kind != "O" else tuple(value.ravel().tolist()), depth)
        else:
            base: Any = next(base for base in (list, set, deque) if isinstance(value, base))
            self.items(b"t", list(base.__iter__(value)), depth)

    def frame(self) -> bytes:
        data = b"".join(self.out)
        if len(data) > MAX_FRAME:
            raise TooLargeError(f"the value needs {len(data) >> 20} MiB, more than {MAX_FRAME >> 20}")
        return data

    def known(self, value: Any) -> bool:
        """Whether a reference was enough; else the container is numbered, and what it is has to follow."""
        number = self.numbers.get(id(value))
        if number is not None:
            self.out.append(b"R%x;" % number)
            return True
        self.numbers[id(value)] = len(self.containers)
        self.containers.append(value)
        return False

    def _container(self, kind: type, value: Any, depth: int) -> None:
        if self.known(value):
            return
        if kind is list:
            if len(value) >= _FLAT and _is_flat(value):
                data = _to_json(value).encode()
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
            self.out.append(b"c" + DOUBLE.pack(value.real) + DOUBLE.pack(value.imag))
        elif kind is range:
            self.out.append(b"r")
            for part in (value.start, value.stop, value.step):
                self.put(part)
        elif kind is slice:
            self.out.append(b"q")
            for part in (value.start, value.stop, value.step):
                self.put(part, depth + 1)
        elif kind in VIEWS:
            self.out.append(b"w" + VIEWS[kind][0])
            self.items(b"t", value, depth)
        elif (name := NAMES.get(id(value))) is not None:
            self.out.append(b"n%x;" % len(name) + name)
        elif kind is FunctionType or not (self._library(kind, value, depth) or arrays.write(self, kind, value, depth)):
            self.export(value, self, depth)

    def _library(self, kind: type, value: Any, depth: int) -> bool:
        path = f"{kind.__module__}.{kind.__qualname__}"
        if path in CONTAINERS:
            if not self.known(value):
                self.out.append(b"m%x;" % len(path) + path.encode())
                self.put(CONTAINERS[path][0](value), depth + 1)
                self.contents(value, depth + 1)
            return True
        if path not in VALUES:
            return False
        arguments = VALUES[path](value)
        if not are_plain(arguments):
            return False
        self.out.append(b"x%x;" % len(path) + path.encode())
        self.put(arguments, depth + 1)
        return True


def _is_flat(values: list[Any]) -> bool:
    """Whether the standard library's fast JSON writer gives these numbers back exactly."""
    kinds = set(map(type, values))
    return kinds == {float} or (kinds == {int} and max(values) < _MACHINE and min(values) > -_MACHINE)
