"""What one of the two processes has of the other's objects, and the other of its.

Plain data crosses by value (`codec`). Everything else stays where it is and crosses as a handle, for which the other
side gets a stand-in (`standins`). An instance of a subclass of a builtin type crosses as its builtin value (`views`).
"""

import builtins
import sys
import types
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NoReturn, Protocol

from rlvr.judge import decoding, exceptions, standins, views
from rlvr.judge.codec import MAX_DEPTH, MalformedError, TooLargeError
from rlvr.judge.decoding import Decoder
from rlvr.judge.encoding import Encoder
from rlvr.judge.guards import FUNCTIONS

SOURCE = "solution.py"
"""File name of the candidate's code in tracebacks."""

_PLAIN: dict[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    tuple: lambda value: tuple(tuple.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    complex: complex.__pos__,
}
_BASES = (*_PLAIN, *views.CHANGING)
_ATOMS = (int, float, str, bytes, complex)
# Numbers of classes that need no description, and of classes themselves.
_FUNCTION, _METHOD, _GENERATOR, _CLASS = -1, -2, -3, -4
_KNOWN = {_FUNCTION: standins.FUNCTION, _METHOD: standins.METHOD, _GENERATOR: standins.GENERATOR}
_OF_SYMPY = ("sympy.core.numbers", "sympy.logic.boolalg")
_LONGEST_TEXT = 20_000


class Asking(standins.Asks, Protocol):
    """As stand-ins need it, which can also be told that what came was forged."""

    def forged(self) -> NoReturn: ...


class Handles:
    """Numbers for this side's objects, and stand-ins for the other's.

    guarded: True in the tests' process, which must not let the candidate look around.
    """

    def __init__(self, peer: Asking, *, guarded: bool) -> None:
        self.mine: list[Any] = []
        """This side's objects that the other one knows, by number."""
        self._peer = peer
        self._guarded = guarded
        self._numbers: dict[int, int] = {}
        self._theirs: dict[int, Any] = {}
        self._classes: dict[int, type] = dict(_KNOWN)
        self._views: dict[tuple[int, type], type] = {}
        self._members: dict[int, Any] = {}

    def require(self, value: Any) -> None:
        """Raises `LookupError` for what was never handed over: a text of the other side's own has a `format`."""
        if id(value) not in self._numbers:
            raise LookupError("not an object that was handed over")

    def export(self, value: Any, encoder: Encoder, depth: int) -> None:
        """Write a handle: `h` the reader's own object (`u`: with the items that it is to have, `U`: with those that it
        has), `k` a builtin function, `E` an exception class, `v` an instance of a subclass of a builtin type with its
        plain value (`V`: one that can be changed in place, with its items), `X` an exception, `H` anything else. A
        traceback, which `__exit__` is handed, stays here."""
        base = next((base for base in _BASES if issubclass(type(value), base)), None)
        if isinstance(value, types.TracebackType):
            value = None
        elif type(value).__module__ in _OF_SYMPY and (plain := _of_sympy(value)) is not None:
            encoder.put(plain, depth)
            return
        if value is None:
            encoder.put(None)
        elif standins.is_remote(value):
            if not views.is_changing(value):
                encoder.out.append(b"h%x;" % standins.handle_of(value))
            elif not encoder.known(value):
                changed = self._is_changed(value, encoder)
                encoder.out.append((b"u%x;" if changed else b"U%x;") % standins.handle_of(value))
                if changed:
                    encoder.contents(value, depth + 1)
        elif self._guarded and isinstance(value, types.BuiltinFunctionType) and value.__module__ == "builtins":
            encoder.out.append(b"k")
            encoder.put(value.__name__)
        elif isinstance(value, type) and issubclass(value, BaseException):
            encoder.out.append(b"E%x;" % self._number(value))
            encoder.put(value.__name__, depth + 1)
            encoder.put(tuple(base for base in value.__bases__ if issubclass(base, BaseException)), depth + 1)
        elif isinstance(value, BaseException):
            self._export_error(value, encoder, depth)
        elif base and type(value) is not base:
            kind: Any = type(value)
            changing = views.is_changing(value)
            if changing and encoder.known(value):
                return
            equality = next(cls for cls in kind.__mro__ if "__eq__" in vars(cls))
            odd = equality.__module__ not in sys.stdlib_module_names
            facts = self._number(value), self._class_of(value), odd
            if changing:
                encoder.out.append(b"V%x;%x;%x;%x;" % (*facts, views.CHANGING.index(base)))
                encoder.contents(value, depth + 1)
            else:
                encoder.out.append(b"v%x;%x;%x;" % facts)
                encoder.put(_PLAIN[base](value), depth + 1)
        else:
            encoder.out.append(b"H%x;%x;" % (self._number(value), self._class_of(value)))

    def load(self, tag: int, decoder: Decoder, depth: int) -> Any:
        if tag == ord("h"):
            return decoder.hand(self.mine[decoder.number()])
        if tag == ord("E"):
            return self._exception_class(decoder.number(), decoder.get(depth + 1), decoder.get(depth + 1))
        if tag == ord("k") and not self._guarded:
            return getattr(builtins, decoder.get(depth + 1))
        if tag == ord("X"):
            return self._load_error(decoder.number(), decoder.get(depth + 1))
        if tag in b"uU":
            return self._load_own(self.mine[decoder.number()], decoder, depth, changed=tag == ord("u"))
        if tag not in b"HvV":
            raise MalformedError(f"unknown tag {tag}")
        handle, cls = decoder.number(), decoder.number()
        if tag == ord("H"):
            if cls == _CLASS:
                return self._class(handle)
            if handle in self._theirs:
                return standins.seen_again(self._theirs[handle])
            return self._theirs.setdefault(handle, standins.instance(self._class(cls), self._peer, handle))
        if decoder.number():
            self._peer.telltales.add("odd_return_type")
        load = self._load_changing_view if tag == ord("V") else self._load_view
        return load(handle, cls, decoder, depth)

    def _load_view(self, handle: int, cls: int, decoder: Decoder, depth: int) -> Any:
        plain = decoder.get(depth + 1)
        if type(plain) not in _PLAIN:
            raise MalformedError("a view of something that is not plain")
        view = self._members.get(handle)
        # One object is one stand-in, as members of an `IntEnum` are; a forged handle may come with other values.
        if isinstance(view, self._view_class(cls, type(plain))) and view == plain:
            return views.seen_again(view)
        view = self._view_class(cls, type(plain))(plain)
        standins.mark(view, self._peer, handle)
        if type(plain) in _ATOMS:
            self._members.setdefault(handle, view)
        return view

    def _load_changing_view(self, handle: int, cls: int, decoder: Decoder, depth: int) -> Any:
        base = views.CHANGING[decoder.number()]
        view = self._members.get(handle)
        if isinstance(view, self._view_class(cls, base)):
            views.seen_again(view)
        else:
            view = self._view_class(cls, base)()
            standins.mark(view, self._peer, handle)
            self._members.setdefault(handle, view)
        decoder.containers.append(view)  # before its items, which may hold it
        decoding.refill(view, decoder.get(depth + 1))
        self.came(view)
        return view

    def _view_class(self, cls: int, base: type) -> type:
        if (cls, base) not in self._views:
            self._views[cls, base] = views.view_class(self._class(cls).__name__, cls, base)
        return self._views[cls, base]

    def _load_own(self, value: Any, decoder: Decoder, depth: int, *, changed: bool) -> Any:
        """An object of this side's own, which the other side may have changed."""
        if not views.is_changing(value):
            raise MalformedError("items of something that has none")
        decoder.containers.append(value)
        if changed:
            decoding.refill(value, decoder.get(depth + 1))
        return decoder.hand(value)

    def came(self, container: Any) -> None:
        """Remember what is in a stand-in as what its object had last."""
        if standins.is_remote(container) and views.is_changing(container):
            vars(container)["_Remote__came"] = self._bytes_of(container, {id(container): False})

    def _is_changed(self, view: Any, encoder: Encoder) -> bool:
        """Whether its items, or those of what is in it, are not those that came. Such as came are not sent again: the
        object may have others by now."""
        found = encoder.compared
        if id(view) not in found:
            found[id(view)] = False  # where it is in itself
            found[id(view)] = vars(view).get("_Remote__came") != self._bytes_of(view, found)
        return found[id(view)]

    def _bytes_of(self, view: Any, compared: dict[int, bool]) -> bytes:
        encoder = Encoder(self.export, [view])
        encoder.compared = compared
        encoder.contents(view)
        return b"".join(encoder.out)

    def _export_error(self, error: BaseException, encoder: Encoder, depth: int) -> None:
        """Handle where the class is its own (else 0), class, arguments, text, the candidate's line, cause."""
        builtin = type(error).__module__ == "builtins" or isinstance(error, TooLargeError)
        encoder.out.append(b"X%x;" % (0 if builtin else self._number(error) + 1))
        if isinstance(error, TooLargeError):
            encoder.put((None, (), str(error), 0, False, None))
            return
        cause = error.__cause__ if depth < MAX_DEPTH else None
        encoder.put((type(error), error.args, *_describe_error(error), cause), depth + 1)

    def _load_error(self, handle: int, value: Any) -> BaseException:
        """The exception that stands here for one there, with `remote_text` and `remote_line` in its `__dict__`."""
        if type(value) is not tuple or len(value) != 6:
            raise MalformedError("not an exception")
        cls, args, text, line, suppressed, cause = value
        if handle and handle - 1 in self._theirs:
            return self._theirs[handle - 1]
        if cls is None:
            error: BaseException = TooLargeError(text)
        elif isinstance(cls, type) and issubclass(cls, BaseException) and type(args) is tuple:
            try:
                error = cls.__new__(cls, *args)
                error.__init__(*args)
            except (TypeError, ValueError):
                error = RuntimeError(text)
        else:
            raise MalformedError("not an exception")
        if isinstance(cause, BaseException):
            error.__cause__ = cause
        error.__suppress_context__ = bool(suppressed)
        error.__dict__.update(remote_text=str(text), remote_line=line if type(line) is int else 0)
        if handle:
            standins.mark(error, self._peer, handle - 1)
            self._theirs[handle - 1] = error
        return error

    def _exception_class(self, handle: int, name: Any, bases: Any) -> type:
        if handle not in self._theirs:
            # Their metaclass is ours or `type`: another could claim to be an exception class.
            if not (type(name) is str and type(bases) is tuple and all(map(exceptions.is_exception_class, bases))):
                raise MalformedError("not an exception class")
            self._theirs[handle] = exceptions.exception_class(name, bases or (Exception,), self._peer, handle)
        return self._theirs[handle]

    def _class(self, number: int) -> type:
        if number not in self._classes:
            described = self._peer.ask("describe", number)
            if type(described) is not tuple or len(described) != 3 or type(described[0]) is not str:
                self._peer.forged()
            name, specials, of_its_class = described
            made = standins.class_of_specials(name, specials, of_its_class, self._peer, number)
            self._classes[number] = made
        return self._classes[number]

    def _class_of(self, value: Any) -> int:
        if isinstance(value, FUNCTIONS):
            return _FUNCTION if isinstance(value, types.FunctionType) else _METHOD
        if isinstance(value, types.GeneratorType):
            return _GENERATOR
        return _CLASS if isinstance(value, type) else self._number(type(value))

    def _number(self, value: Any) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self.mine)
            self.mine.append(value)
        return number


def _of_sympy(value: Any) -> Any:
    """The plain number or truth that is equal to one of sympy; None for other formulas."""
    if value.is_Boolean:
        return bool(value) if value in (True, False) else None
    if value.is_Rational:
        return int(value) if value.is_Integer else Fraction(int(value.p), int(value.q))
    return float(value) if value.is_Float else None


def _describe_error(error: BaseException) -> tuple[str, int, bool]:
    """Text, the candidate's line (0: none), and whether its context is hidden."""
    line, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == SOURCE:
            line = step.tb_lineno
        step = step.tb_next
    try:
        text = str(error)[:_LONGEST_TEXT]
    except Exception:
        text = ""
    return text, line, error.__suppress_context__
