"""Two processes that use each other's objects without ever seeing each other's memory.

Plain data crosses by value (`codec`). Everything else stays where it is and crosses as a handle: the other side gets a
stand-in that has the special methods of the real class and forwards every use. The same `Peer` runs in both processes, so
a function of the tests can be handed to the candidate and be called back.

What keeps this honest on the test side:
* a stand-in is never equal to, ordered against, or found to contain plain data, whatever its class claims: an `__eq__` of
  the candidate decides only between two objects of the candidate;
* an instance of a subclass of a builtin type crosses as its builtin value, so methods it overrides do not matter;
* the candidate may use what it was handed in few ways (`Peer.guarded`): call a function, never open it for its globals.
"""

import builtins
import os
import types
from collections.abc import Callable
from threading import RLock
from typing import Any

from rlvr.judge.codec import MAX_FRAME, Decoder, Encoder, Malformed, TooLarge

SOURCE = "solution.py"
"""File name of the candidate's code in tracebacks."""

_ASK, _ANSWER, _FAILURE = b"?=!"
_COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_ARITHMETIC = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()
_SPECIALS = (
    *_COMPARISONS,
    *"__call__ __len__ __iter__ __next__ __getitem__ __setitem__ __delitem__ __contains__ __reversed__ __hash__".split(),
    *"__bool__ __int__ __float__ __complex__ __index__ __str__ __repr__ __format__ __enter__ __exit__".split(),
    *"__abs__ __neg__ __pos__ __invert__ __round__ __instancecheck__ __subclasscheck__ __divmod__".split(),
    *(f"__{side}{name}__" for name in _ARITHMETIC for side in ("", "r", "i")),
)
_BASES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__int__),
    (float, float.__float__),
    (str, str.__str__),
    (tuple, lambda value: tuple(tuple.__iter__(value))),
    (list, lambda value: list(list.__iter__(value))),
    (dict, lambda value: dict(dict.items(value))),
    (set, lambda value: set(set.__iter__(value))),
    (frozenset, lambda value: frozenset(frozenset.__iter__(value))),
    (bytes, lambda value: bytes.__getitem__(value, slice(None))),
    (bytearray, lambda value: bytearray(bytearray.__iter__(value))),
    (complex, complex.__pos__),
)
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_SEALED = (
    *_FUNCTIONS, type, types.ModuleType, types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType,
    types.FrameType, types.TracebackType, types.CodeType,
)  # fmt: skip
# Numbers of classes that need no description.
_FUNCTION, _GENERATOR, _CLASS = -1, -2, -3
_KNOWN = {
    _FUNCTION: ("function", ("__call__",)),
    _GENERATOR: ("generator", ("__iter__", "__next__")),
    _CLASS: ("type", ("__call__", "__instancecheck__", "__subclasscheck__")),
}


class Gone(BaseException):
    """The other process left or spoke nonsense. Not an `Exception`: few tests swallow it by accident."""


class Remote:
    """Stand-in for an object of the other process; subclasses, one per remote class, carry its special methods."""

    __slots__ = ("__handle", "__peer", "__weakref__")

    def __init__(self, peer: "Peer", handle: int) -> None:
        object.__setattr__(self, "_Remote__peer", peer)
        object.__setattr__(self, "_Remote__handle", handle)

    def __getattr__(self, name: str) -> Any:
        return _ask(self, "getattr", name)

    def __setattr__(self, name: str, value: Any) -> None:
        _ask(self, "setattr", name, value)

    def __delattr__(self, name: str) -> None:
        _ask(self, "delattr", name)


def _ask(stand_in: Any, operation: str, *args: Any, **kwargs: Any) -> Any:
    return stand_in._Remote__peer.ask(operation, stand_in._Remote__handle, *args, **kwargs)


def is_remote(value: Any) -> bool:
    return isinstance(value, Remote) or "_Remote__handle" in getattr(value, "__dict__", ())


def _special(name: str) -> Callable[..., Any]:
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _ask(self, "special", name, *args, **kwargs)

    def compare(self: Any, other: Any) -> Any:
        if isinstance(other, Remote):
            return _ask(self, "special", name, other)
        self._Remote__peer.telltales.add("odd_equality")
        return NotImplemented

    def contains(self: Any, item: Any) -> bool:
        if isinstance(item, Remote):
            return bool(_ask(self, "special", name, item))
        return any(other is item or other == item for other in self)

    def check(self: Any, other: Any) -> bool:
        return is_remote(other) and bool(_ask(self, "special", name, other))

    if name in _COMPARISONS:
        return compare
    if name in ("__instancecheck__", "__subclasscheck__"):
        return check
    return contains if name == "__contains__" else forward


_METHODS = {name: _special(name) for name in _SPECIALS}
_VIEW = {"__getattr__": Remote.__getattr__}


def _specials(cls: type) -> list[str]:
    """The special methods that a class has beyond those of every object."""
    own = [vars(base) for base in cls.__mro__ if base is not object]
    return [name for name in _SPECIALS if next((space[name] for space in own if name in space), None) is not None]


class Peer:
    """One end of the channel.

    descriptor: of a stream socket.
    guarded: True in the tests' process, which must not let the candidate look around.
    before_reply: called before each answer leaves.
    """

    def __init__(self, descriptor: int, *, guarded: bool, before_reply: Callable[[], None] | None = None) -> None:
        self.descriptor = descriptor
        self.guarded = guarded
        self.before_reply = before_reply
        self.gone = False
        self.telltales: set[str] = set()
        self.results: list[Any] = []
        """What the first two calls since the last `clear` returned, for messages."""
        self.operations: dict[str, Callable[..., Any]] = {
            "special": self._use_special,
            "getattr": self._use_attribute(getattr),
            "setattr": self._use_attribute(setattr),
            "delattr": self._use_attribute(delattr),
            "describe": lambda cls: (cls.__name__, *_specials(cls)),
        }
        self._mine: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._theirs: dict[int, Any] = {}
        self._classes: dict[int, type] = {number: self._make(*known) for number, known in _KNOWN.items()}
        self._views: dict[tuple[int, type], type] = {}
        self._lock = RLock()

    def ask(self, operation: str, target: int | None, *args: Any, **kwargs: Any) -> Any:
        """Have the other side do something and wait, answering its own requests meanwhile."""
        with self._lock:
            request = Encoder(self._export)
            request.put((operation, target, args, kwargs))
            self._send(_ASK, request.frame())
            while (frame := self._receive())[0] == _ASK:
                self.answer(frame)
            try:
                value = self._result(frame, request.containers)
            except Malformed:
                self.telltales.add("forged_record")
                return self._leave()
            if args and args[0] == "__call__" and len(self.results) < 2:
                self.results.append(value)
            return value

    def answer_all(self) -> None:
        """Answer requests until the other side hangs up, which raises `Gone`."""
        while True:
            self.answer(self._receive())

    def answer(self, frame: bytes) -> None:
        decoder = Decoder(frame, self._load, start=1)
        try:
            operation, target, args, kwargs = decoder.value()
            known = list(decoder.containers)
            subject = () if target is None else (self._mine[target],)
            use = self.operations[operation]
        except (Malformed, ValueError, LookupError, TypeError):
            self.telltales.add("forged_record")
            self._leave()
        try:
            kind, value = _ANSWER, use(*subject, *args, **kwargs)
        except Gone:
            raise
        except BaseException as error:
            kind, value = _FAILURE, _describe_error(error)
        try:
            reply = self._reply(value, known, frame, (operation, target, args, kwargs))
        except TooLarge as error:
            kind, reply = _FAILURE, self._reply((None, (), str(error), 0, None), [], b"", None)
        except (MemoryError, RecursionError) as error:
            kind, reply = _FAILURE, self._reply((type(error), (), str(error), 0, None), [], b"", None)
        if self.before_reply:
            self.before_reply()
        self._send(kind, reply)

    def _reply(self, value: Any, known: list[Any], frame: bytes, request: Any) -> bytes:
        """The value, then the contents of what was handed over where anything in it has changed."""
        reply = Encoder(self._export, known)
        reply.put(value)
        if known:
            again = Encoder(self._export)
            again.put(request)
            if b"".join(again.out) != frame[1:]:
                for number, container in enumerate(known):
                    reply.put(number)
                    reply.contents(container)
        return reply.frame()

    def _result(self, frame: bytes, containers: list[Any]) -> Any:
        decoder = Decoder(frame, self._load, containers, start=1)
        value = decoder.value()
        while not decoder.ended():
            number, contents = decoder.value(), decoder.value()
            if type(number) is not int or not 0 <= number < len(containers):
                raise Malformed("contents of an unknown container")
            _refill(containers[number], contents)
        if frame[0] == _ANSWER:
            return value
        raise self._error(value)

    def _error(self, value: Any) -> BaseException:
        """The exception to raise here for one that was raised there, marked with `remote_text` and `remote_line`."""
        try:
            cls, args, text, line, origin = value
            if cls is None:
                error: Any = TooLarge(text)
            elif not (isinstance(cls, type) and issubclass(cls, BaseException) and type(args) is tuple):
                raise Malformed("not an exception")
            else:
                try:
                    error = cls.__new__(cls, *args)
                except (TypeError, ValueError):
                    error = RuntimeError(text)
        except (TypeError, ValueError) as odd:
            raise Malformed("not an exception") from odd
        error.__dict__.update(remote_text=str(text), remote_line=line, _Remote__peer=self)
        if isinstance(origin, Remote):
            error.__dict__["_Remote__handle"] = origin._Remote__handle  # pyright: ignore[reportAttributeAccessIssue]
        return error

    def _use_special(self, target: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        if name not in _METHODS:
            raise AttributeError(name)
        if name == "__call__" and isinstance(target, _FUNCTIONS):
            return target(*args, **kwargs)
        return getattr(type(target), name)(target, *args, **kwargs)

    def _use_attribute(self, use: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(target: Any, name: str, *args: Any) -> Any:
            if self.guarded and (name.startswith("_") or isinstance(target, _SEALED)):
                raise AttributeError(f"{name!r} of the tests' objects is closed")
            return use(target, name, *args)

        return guarded

    def _export(self, value: Any, encoder: Encoder, depth: int) -> None:
        """Write a handle: `h` the reader's own object, `k` a builtin function, `E` an exception class, `v` a subclass of
        a builtin type with its plain value, `H` anything else."""
        if is_remote(value):
            encoder.out.append(b"h%x;" % value._Remote__handle)
        elif self.guarded and isinstance(value, types.BuiltinFunctionType) and value.__module__ == "builtins":
            encoder.out.append(b"k")
            encoder.put(value.__name__)
        elif isinstance(value, type) and issubclass(value, BaseException):
            encoder.out.append(b"E")
            own = [cls for cls in value.__mro__ if cls.__module__ != "builtins"]
            encoder.put(tuple((self._number(cls), cls.__name__) for cls in own))
            encoder.put(next(cls for cls in value.__mro__ if cls.__module__ == "builtins"))
        else:
            base = next(((base, plain) for base, plain in _BASES if isinstance(value, base)), None)
            if base and type(value) is not base[0]:
                odd = type(value).__eq__ is not base[0].__eq__
                encoder.out.append(b"v%x;%x;%x;" % (self._number(value), self._class_of(value), odd))
                encoder.put(base[1](value), depth + 1)
            else:
                encoder.out.append(b"H%x;%x;" % (self._number(value), self._class_of(value)))

    def _load(self, tag: int, decoder: Decoder, depth: int) -> Any:
        if tag == ord("h"):
            return self._mine[decoder.number()]
        if tag == ord("E"):
            return self._exception_class(decoder.get(depth + 1), decoder.get(depth + 1))
        if tag == ord("k") and not self.guarded:
            return getattr(builtins, decoder.get(depth + 1))
        if tag not in b"Hv":
            raise Malformed(f"unknown tag {tag}")
        handle, cls = decoder.number(), decoder.number()
        if tag == ord("H"):
            if handle not in self._theirs:
                self._theirs[handle] = self._class(cls)(self, handle)
            return self._theirs[handle]
        if decoder.number():
            self.telltales.add("odd_type")
        plain = decoder.get(depth + 1)
        if type(plain) not in dict(_BASES):
            raise Malformed("a view of something that is not plain")
        if (cls, type(plain)) not in self._views:
            self._views[cls, type(plain)] = type(self._class(cls).__name__, (type(plain),), dict(_VIEW))
        view = self._views[cls, type(plain)](plain)
        view.__dict__.update(_Remote__peer=self, _Remote__handle=handle)
        return view

    def _exception_class(self, own: Any, base: Any) -> type:
        """A real class, since `except` takes nothing else, with the names and nesting of the remote one."""
        if not (isinstance(base, type) and issubclass(base, BaseException)):
            raise Malformed("not an exception class")
        for handle, name in reversed(own):
            if handle not in self._theirs:
                namespace = {"__getattr__": Remote.__getattr__, "_Remote__handle": handle}
                self._theirs[handle] = type(name, (base,), namespace)
            base = self._theirs[handle]
        return base

    def _class(self, number: int) -> type:
        if number not in self._classes:
            name, *specials = self.ask("describe", number)
            self._classes[number] = self._make(str(name), specials)
        return self._classes[number]

    def _make(self, name: str, specials: Any) -> type:
        methods: dict[str, Any] = {special: _METHODS[special] for special in specials if special in _METHODS}
        if "__eq__" in methods and "__hash__" not in methods:
            methods["__hash__"] = None
        return type(name, (Remote,), {"__slots__": (), **methods})

    def _class_of(self, value: Any) -> int:
        if isinstance(value, _FUNCTIONS):
            return _FUNCTION
        if isinstance(value, types.GeneratorType):
            return _GENERATOR
        return _CLASS if type(value) is type else self._number(type(value))

    def _number(self, value: Any) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._mine)
            self._mine.append(value)
        return number

    def _send(self, kind: int, data: bytes) -> None:
        rest = memoryview((len(data) + 1).to_bytes(4, "big") + bytes((kind,)) + data)
        try:
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]
        except OSError:
            self._leave()

    def _receive(self) -> bytes:
        data = self._chunk()
        while len(data) < 4:
            data += self._chunk()
        size = int.from_bytes(data[:4], "big")
        if not 0 < size <= MAX_FRAME + 1:
            self.telltales.add("forged_record")
            self._leave()
        parts, missing = [data[4:]], size + 4 - len(data)
        while missing > 0:
            parts.append(self._chunk(missing))
            missing -= len(parts[-1])
        frame = b"".join(parts)
        if missing < 0:
            self.telltales.add("forged_record")
            self._leave()
        return frame

    def _chunk(self, size: int = 65536) -> bytes:
        try:
            data = os.read(self.descriptor, min(size, 1 << 20))
        except OSError:
            data = b""
        return data or self._leave()

    def _leave(self) -> Any:
        self.gone = True
        raise Gone


def _refill(container: Any, contents: Any) -> None:
    """Make a container hold what it holds on the other side."""
    if type(container) is bytearray and type(contents) is bytes:
        container[:] = contents
    elif type(contents) is not tuple:
        raise Malformed("not the contents of a container")
    elif type(container) is list:
        container[:] = contents
    else:
        container.clear()
        try:
            container.update(zip(contents[::2], contents[1::2], strict=True) if type(container) is dict else contents)
        except (TypeError, ValueError) as error:
            raise Malformed("contents that do not fit") from error


def _describe_error(error: BaseException) -> tuple[Any, ...]:
    """Class, arguments, text, the candidate's line (0: not in its code) and the exception itself."""
    line, frame = 0, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == SOURCE:
            line = frame.tb_lineno
        frame = frame.tb_next
    try:
        text = str(error)[:500]
    except Exception:
        text = ""
    plain_class = type(error).__module__ == "builtins"
    return type(error), error.args, text, line, None if plain_class else error
