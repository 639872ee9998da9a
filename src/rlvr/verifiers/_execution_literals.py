"""Python literals as a model writes them, read without running anything: a parser of our own, with limits.

`ast.literal_eval` is not enough: it knows neither `nan` nor `frozenset()`, which `repr` writes, warns about odd
backslashes on standard error, and has no limit of depth of its own. This one reads each character once.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

LONGEST = 20_000
"""Characters of an answer."""
DEEPEST = 100
"""Containers inside each other."""
_DIGITS = 3000
"""Of one number; Python itself refuses to write more than 4,300."""

STRING = (
    r"(?:[rR]?[bB]|[bB][rR]|[uU]|[rR])?"
    r"(?:'''(?:[^\\]|\\.)*?'''|\"\"\"(?:[^\\]|\\.)*?\"\"\"|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")"
)
_TOKEN = re.compile(
    rf"(?P<string>{STRING})"
    r"|(?P<number>0[xXoObB][0-9A-Fa-f_]+(?!\w)|"
    r"(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9][0-9_]*)?[jJ]?(?!\w))"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<mark>[()\[\]{},:=+-])",
    re.DOTALL,
)
_BLANK = re.compile(r"(?:\s|\\\n|#[^\n]*)*")
_ESCAPE = re.compile(r"\\(\n|[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|.)", re.DOTALL)
_SIMPLE = {**{mark: mark for mark in "\\'\""}, **dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True)), "\n": ""}
_NAMES: dict[str, Any] = {
    "None": None, "True": True, "False": False, "nan": float("nan"), "inf": float("inf"),
    "nanj": complex(0, float("nan")), "infj": complex(0, float("inf")),
}  # fmt: skip


def literal(text: str) -> Any:
    """The value of a text that is one Python literal, as `repr` writes plain data.

    Besides literals: `nan`, `inf`, and calls of `set`, `frozenset`, `list`, `tuple`, `dict`, `bytearray`, `range`,
    `float` and `complex` with literals. Raises `ValueError` that says what it is not.
    """
    reader = Reader(text)
    value = reader.sequence()
    reader.finish()
    return value


def arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """The positional and keyword arguments of a call, written as literals without the call's parentheses."""
    reader = Reader(text)
    found = reader.arguments("")
    reader.finish()
    return found


class Reader:
    """Reads literals from a place in a text; `at` is where it has come to."""

    def __init__(self, text: str, at: int = 0) -> None:
        if len(text) - at > LONGEST:
            raise ValueError(f"has {len(text) - at:,} characters; at most {LONGEST:,} are read")
        self.text, self.at = text, at
        self._depth = 0

    def finish(self) -> None:
        if self._peek():
            raise self._error("the end")

    def sequence(self) -> Any:
        """A value, or several with commas between them, which are a tuple."""
        value = self.value()
        if self._peek() != ",":
            return value
        values = [value]
        while self._take(","):
            if self._peek() in ("", ")", "]", "}"):
                break
            values.append(self.value())
        return tuple(values)

    def arguments(self, closing: str) -> tuple[list[Any], dict[str, Any]]:
        """Up to the mark `closing`, which is taken; empty: up to what is no argument."""
        positional: list[Any] = []
        named: dict[str, Any] = {}
        while self._peek() != closing:
            before = self.at
            name = self._keyword()
            if name in named or (positional and not name and named):
                raise ValueError(f"argument {name or 'by position'} at character {before} comes after one by that name")
            if name:
                named[name] = self.value()
            else:
                positional.append(self.value())
            if not self._take(","):
                break
        if closing:
            self._need(closing)
        return positional, named

    def value(self) -> Any:
        """One value. Raises `ValueError` where there is none."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError(f"nested more than {DEEPEST} deep")
        value = self._signed()
        self._depth -= 1
        return value

    def _signed(self) -> Any:
        sign = self._sign()
        value = self._atom()
        if sign and (type(value) not in (int, float, complex)):
            raise ValueError(f"a sign before what is no number: {value!r:.40}")
        value = -value if sign == "-" else value
        # `1+2j`, as the parts of a complex number are written.
        if type(value) in (int, float) and self._peek() in ("+", "-"):
            before, join = self.at, self._sign()
            imaginary = self._atom()
            if type(imaginary) is not complex or imaginary.real:
                self.at = before
                raise self._error("no more of the number")
            return complex(value, -imaginary.imag if join == "-" else imaginary.imag)
        return value

    def _sign(self) -> str:
        return next((mark for mark in "+-" if self._take(mark)), "")

    def _atom(self) -> Any:
        match = self._next()
        kind = match.lastgroup if match else None
        if match is None or kind is None:
            raise self._error("a literal")
        token = match[0]
        if kind == "string":
            return self._strings(match)
        self.at = match.end()
        if kind == "number":
            return _number(token)
        if kind == "name":
            return self._named(token, match.start())
        if token == "(":
            value = () if self._peek() == ")" else self.sequence()
            self._need(")")
            return value
        if token == "[":
            return self._items("]")
        if token == "{":
            return self._braces()
        self.at = match.start()
        raise self._error("a literal")

    def _items(self, closing: str) -> list[Any]:
        items: list[Any] = []
        while self._peek() != closing:
            items.append(self.value())
            if not self._take(","):
                break
        self._need(closing)
        return items

    def _braces(self) -> dict[Any, Any] | set[Any]:
        if self._take("}"):
            return {}
        first = self.value()
        pairs = [(first, self.value())] if self._take(":") else []
        items: list[Any] = []
        while self._take(",") and self._peek() != "}":
            items.append(self.value())
            if pairs:
                self._need(":")
                pairs.append((items[-1], self.value()))
        self._need("}")
        try:
            return dict(pairs) if pairs else {first, *items}
        except TypeError as error:
            raise ValueError(str(error)) from error

    def _named(self, name: str, start: int) -> Any:
        if name in _NAMES:
            return _NAMES[name]
        if name not in _CALLS or not self._take("("):
            self.at = start
            raise self._error("a literal")
        positional, named = self.arguments(")")
        try:
            return _CALLS[name](*positional, **named)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{name}(...) at character {start} cannot be made: {error}") from error

    def _strings(self, match: re.Match[str] | None) -> str | bytes:
        parts: list[str | bytes] = []
        while match and match.lastgroup == "string":
            self.at = match.end()
            parts.append(_text(match[0]))
            match = self._next()
        if len({type(part) for part in parts}) > 1:
            raise ValueError("text and bytes side by side")
        return type(parts[0])().join(parts)  # pyright: ignore[reportArgumentType]

    def _keyword(self) -> str:
        """The name of an argument, taken with its `=`, else nothing."""
        match = self._next()
        before = self.at
        if match and match.lastgroup == "name":
            self.at = match.end()
            if self._take("="):
                return match[0]
        self.at = before
        return ""

    def _next(self) -> re.Match[str] | None:
        blank = _BLANK.match(self.text, self.at)
        assert blank
        return _TOKEN.match(self.text, blank.end())

    def _peek(self) -> str:
        """The next token, or what stands in its place; empty at the end."""
        match = self._next()
        if match:
            return match[0]
        blank = _BLANK.match(self.text, self.at)
        assert blank
        return self.text[blank.end() : blank.end() + 1]

    def _take(self, mark: str) -> bool:
        match = self._next()
        if match is None or match[0] != mark:
            return False
        self.at = match.end()
        return True

    def _need(self, mark: str) -> None:
        if not self._take(mark):
            raise self._error(repr(mark))

    def _error(self, expected: str) -> ValueError:
        blank = _BLANK.match(self.text, self.at)
        at = blank.end() if blank else self.at
        found = repr(self.text[at : at + 20]) if at < len(self.text) else "the end"
        return ValueError(f"expected {expected} at character {at}, found {found}")


def _number(token: str) -> int | float | complex:
    if len(token) > _DIGITS:
        raise ValueError(f"a number of {len(token):,} characters; at most {_DIGITS:,} are read")
    plain = token.lower()
    if plain[:2] in ("0x", "0o", "0b"):
        return int(plain, 0)
    if plain.endswith("j"):
        return complex(0, float(plain[:-1]))
    return float(plain) if set(plain) & set(".e") else int(plain, 0)


def _text(token: str) -> str | bytes:
    start = re.search("['\"]", token)
    assert start
    prefix, quoted = token[: start.start()].lower(), token[start.start() :]
    quotes = 3 if quoted[:3] in ("'''", '"""') else 1
    inner = quoted[quotes:-quotes]
    as_bytes = "b" in prefix
    if as_bytes and not inner.isascii():
        raise ValueError("bytes hold ASCII characters only")
    text = inner if "r" in prefix else _ESCAPE.sub(lambda match: _unescaped(match, as_bytes), inner)
    return text.encode("latin-1") if as_bytes else text


def _unescaped(match: re.Match[str], as_bytes: bool) -> str:
    code = match[1]
    if code in _SIMPLE:
        return _SIMPLE[code]
    if code[0] in "01234567":
        return chr(int(code, 8) & 0xFF if as_bytes else int(code, 8))
    if code[0] == "x" and len(code) > 1:
        return chr(int(code[1:], 16))
    if as_bytes or len(code) == 1:
        # As Python reads it: a backslash that begins nothing stands for itself.
        return match[0]
    if code[0] == "N":
        try:
            return unicodedata.lookup(code[2:-1])
        except KeyError as error:
            raise ValueError(f"no character named {code[2:-1]!r:.40}") from error
    if int(code[1:], 16) > 0x10FFFF:
        raise ValueError(f"no character \\{code}")
    return chr(int(code[1:], 16))


def _container(kind: Callable[..., Any], *sources: type) -> Callable[..., Any]:
    """A constructor that takes nothing, or one container: never a number or a range, which would take memory."""

    def make(*given: Any) -> Any:
        if len(given) > 1 or any(type(value) not in sources for value in given):
            raise TypeError("it takes one literal container")
        return kind(*given)

    return make


def _range(*given: Any) -> range:
    if any(type(value) is not int for value in given):
        raise TypeError("it takes whole numbers")
    return range(*given)


def _float(value: Any = 0) -> float:
    if type(value) not in (str, int, float):
        raise TypeError("it takes a number or a text")
    return float(value)


def _complex(real: Any = 0, imaginary: Any = 0) -> complex:
    return complex(_float(real), _float(imaginary))


_PLAIN = (list, tuple, set, frozenset, dict, str, bytes)
_CALLS: dict[str, Callable[..., Any]] = {
    "set": _container(set, *_PLAIN),
    "frozenset": _container(frozenset, *_PLAIN),
    "list": _container(list, *_PLAIN),
    "tuple": _container(tuple, *_PLAIN),
    "dict": lambda *given, **named: {**_container(dict, dict, list, tuple)(*given), **named},
    "bytearray": _container(bytearray, bytes),
    "range": _range,
    "float": _float,
    "complex": _complex,
}
