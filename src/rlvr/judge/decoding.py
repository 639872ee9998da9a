"""Reads the bytes that `codec` describes, which another process wrote that may want to do harm."""

import json
import struct
from collections import deque
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from rlvr.judge import arrays
from rlvr.judge.codec import BY_NAME, CONTAINERS, DOUBLE, MAX_DEPTH, VALUES, VIEW_MAKERS, MalformedError, are_plain


class Decoder:
    """Reads what an `Encoder` wrote. Every error of the data is `MalformedError`.

    load: `(tag, decoder, depth)`, called for the tags of handles.
    containers: the writer's, by number, where both sides know some already; grows by each one read.
    hand: what is handed on of each class, function or object of this side's own that was named.
    """

    def __init__(
        self,
        data: bytes,
        load: Callable[[int, "Decoder", int], Any],
        containers: Sequence[Any] = (),
        start: int = 0,
        hand: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        self.data = data
        self.at = start
        self.load = load
        self.hand = hand
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
        return DOUBLE.unpack(self.take(8))[0]

    def _range(self, depth: int) -> range:
        return range(self.get(depth + 1), self.get(depth + 1), self.get(depth + 1))

    def _known(self, depth: int) -> Any:
        return self.containers[self.number()]

    def _named(self, depth: int) -> Any:
        name = self.take(self.number()).decode()
        return arrays.named(name) if name.startswith("numpy.") else self.hand(BY_NAME[name])

    def _slice(self, depth: int) -> slice:
        return slice(self.get(depth + 1), self.get(depth + 1), self.get(depth + 1))

    def _view(self, depth: int) -> Any:
        make = VIEW_MAKERS[self.take(1)[0]]
        items = self.get(depth + 1)
        if type(items) is not tuple:
            raise MalformedError("not the items of a dict")
        return make(list(items))

    def _library(self, depth: int) -> Any:
        name = self.take(self.number()).decode()
        arguments = self.get(depth + 1)
        if name not in VALUES or type(arguments) is not tuple or not are_plain(arguments):
            raise MalformedError(f"no value type {name!r}")
        module, _, cls = name.rpartition(".")
        try:
            return getattr(import_module(module), cls)(*arguments)
        except (ArithmeticError, ImportError, AttributeError) as error:
            raise MalformedError(f"not a {name}") from error

    def _made(self, depth: int) -> Any:
        name = self.take(self.number()).decode()
        head = self.get(depth + 1)
        container = CONTAINERS[name][1](*head)
        self.containers.append(container)
        refill(container, self.get(depth + 1))
        return container


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
    else:
        arrays.refill(container, contents)


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
    ord("y"): arrays.read_array,
    ord("Y"): arrays.read_scalar,
}
