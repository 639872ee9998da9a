"""The one place that cuts a program out of what a model wrote; the rule that fired is part of every verdict."""

import ast
import re
import warnings
from dataclasses import dataclass

from rlvr.registry import unknown

RULES = ("auto", "continuation", "thinking")
_LONGEST = 4_000_000
_NEAR = 1000
_CONTRACTION = re.compile(r"(?<=\w)'(?=(?:s|t|m|d|re|ve|ll)\b(?!'))")
_FENCE = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^`\n]*$|(?<=[^\s`])[ \t]*(`{3,})(python|py)?[ \t]*$", re.MULTILINE
)
_PYTHON = {"python", "py", "python3", "py3", "ipython", "python-repl", "sage"}
_DEFINES = re.compile(
    r"^[ \t]*(?:(?:async[ \t]+)?def[ \t]+(?!test_)|class[ \t]+(?!Test[A-Z_]))\w|^\w+[ \t]*=[ \t]*lambda\b", re.MULTILINE
)
_DEFINES_ANY = re.compile(r"^[ \t]*(?:(?:async[ \t]+)?def|class)[ \t]+\w", re.MULTILINE)
_STARTS = re.compile(
    r"(?:(?:async[ \t]+def|def|class)[ \t]+\w+|import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import\b|@\w|try:|return\b|"
    r"print\(|#!|(?:for|while|with|if)\b.*:[ \t]*(?:#.*)?$|"
    r"[A-Za-z_][\w.]*(?:\[[^\]\n]*\])?[ \t]*[-+*/%|&^]?=[^=])",
    re.MULTILINE,
)
# Inside prose only what no sentence starts with: "for example:" is no loop.
_STARTS_IN_PROSE = re.compile(
    r"^(?:(?:async[ \t]+)?def[ \t]+\w+[ \t]*[(\[]|class[ \t]+\w+[ \t]*[(:\[]|"
    r"import[ \t]+[\w.]+(?:[ \t]+as\b.*|,.*)?[ \t]*$|from[ \t]+[\w.]+[ \t]+import\b)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is looked for in a text."""

    tags: frozenset[str]
    """Of fenced blocks."""
    best: tuple[re.Pattern[str], ...]
    """The first of these that any block has is found in the blocks that are preferred."""
    starts: re.Pattern[str]
    starts_in_prose: re.Pattern[str]


_FUNCTION = _Wanted(frozenset(_PYTHON), (_DEFINES, _DEFINES_ANY), _STARTS, _STARTS_IN_PROSE)
_PROGRAMS = {
    "python": _Wanted(
        frozenset(_PYTHON),
        (re.compile(r"\binput\b|\bstdin\b|\bopen\(0|\bos\.read\(0"),),
        re.compile(rf"{_STARTS.pattern}|[A-Za-z_]\w*(?:[ \t]*,[ \t]*\*?[A-Za-z_]\w*)+[ \t]*=[^=]", re.MULTILINE),
        _STARTS_IN_PROSE,
    ),
    "cpp": _Wanted(
        frozenset({"cpp", "c++", "cc", "cxx", "c", "cpp14", "cpp17", "cpp20", "cpp23"}),
        (re.compile(r"\bmain[ \t]*\("),),
        re.compile(
            r"#[ \t]*(?:include|define|pragma|ifdef|ifndef|if)\b|using[ \t]|import[ \t<]|int[ \t]|//|/\*|template\b"
        ),
        re.compile(r"^#[ \t]*include[ \t]*[<\"]", re.MULTILINE),
    ),
    "javascript": _Wanted(
        frozenset({"javascript", "js", "node", "nodejs", "node.js", "mjs", "cjs", "es6"}),
        (re.compile(r"\bstdin\b|\breadline\b|\breadFileSync\b"),),
        re.compile(
            r"(?:const|let|var)[ \t\[{]|(?:async[ \t]+)?function\b|import[ \t{*\"']|class[ \t]|['\"]use strict|//|/\*|"
            r"process\.|require\(|console\.|\("
        ),
        re.compile(r"^(?:const|let|var)[ \t]+[\w{\[][^\n]*=|^(?:async[ \t]+)?function[ \t]+\w+[ \t]*\(", re.MULTILINE),
    ),
}
"""By language, for programs that read an input."""
_BLANK_LINES = re.compile(r"\A(?:[ \t]*\n)+")


@dataclass(frozen=True, slots=True)
class Extraction:
    """`code` is None where there is no program to judge (`no_answer`); `rule` says how it was found, or why not."""

    code: str | None
    rule: str


@dataclass(frozen=True, slots=True)
class _Block:
    language: str
    code: str
    closed: bool


def extract(text: str, rule: str = "auto", program: str = "") -> Extraction:
    """The program in a completion. Never raises for any text; raises `LookupError` for a rule that does not exist.

    program: empty where functions in Python are expected, else the language in which a whole program is: then blocks
    marked as that language are meant below, and preferred are those that read an input (C++: have a `main`).

    `continuation`: the text as it is; it continues the task's prompt.

    `thinking`: the prompt has opened `<think>`; as `auto` after the last `</think>`, and nothing without one.

    `auto`, in this order, with line ends made `\\n` and a byte-order mark dropped:
    1. `thinking`: all up to the last `</think>` is dropped; after a `<think>` that never ends there is no answer.
    2. `begin_done`: between `[BEGIN]` and `[DONE]` where there are such marks; either may be missing.
    3. `fence`: of the fenced blocks marked as Python (of all unmarked ones where none is), the last that defines a
       function or class other than tests, since models repeat and correct themselves, and put tests and examples of
       use after the program; else the last that defines any, since programs may be named as tests are; else the last.
       `unclosed_fence`: the block ran to the end of the text. `closing_fence`: text that starts as code before a lone
       fence, as when the prompt had opened it.
    4. `bare`: the whole text where it is a program, starts as one, or has the margin of a function's body;
       `bare_after_prose`: from the first line that defines or imports something.
    The rules that fired are joined by `+`, as in `thinking+fence`. A tag or mark in quotes is a text of the program.
    """
    if rule not in RULES:
        raise LookupError(unknown("extraction rule", rule, RULES))
    if len(text) > _LONGEST:
        return Extraction(None, "too_long")
    if rule == "continuation":
        return Extraction(text if text.strip() else None, rule)
    if rule == "thinking" and not _cut_last(text, "</think>")[1]:
        return Extraction(None, "thinking+none")
    fired: list[str] = []
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    text = _after_thinking(text, fired)
    text = _marked(text, fired)
    wanted = _PROGRAMS[program] if program else _FUNCTION
    code = _fenced(text, wanted, fired)
    if code is None:
        code = _bare(text, wanted, fired)
    if code is None or not code.strip():
        return Extraction(None, "+".join([*fired, "none"]))
    return Extraction(code, "+".join(fired))


def _after_thinking(text: str, fired: list[str]) -> str:
    _, end, after = _cut_last(text, "</think>")
    kept, start, _ = _cut(after, "<think>")
    if end or start:
        fired.append("thinking")
    return kept


def _marked(text: str, fired: list[str]) -> str:
    before, begin, after = _cut(text, "[BEGIN]")
    # A [DONE] before any [BEGIN] closes what the prompt had opened.
    inside, done, _ = _cut(after if begin and not _cut(before, "[DONE]")[1] else text, "[DONE]")
    if begin or done:
        fired.append("begin_done")
    return inside


def _cut(text: str, mark: str) -> tuple[str, str, str]:
    """As `partition`, at the first mark that is not in quotes."""
    at = text.find(mark)
    while at >= 0 and _is_quoted(text, at, at + len(mark)):
        at = text.find(mark, at + 1)
    return (text[:at], mark, text[at + len(mark) :]) if at >= 0 else (text, "", "")


def _cut_last(text: str, mark: str) -> tuple[str, str, str]:
    """As `rpartition`, at the last mark that is not in quotes."""
    at = text.rfind(mark)
    while at >= 0 and _is_quoted(text, at, at + len(mark)):
        at = text.rfind(mark, 0, at)
    return (text[:at], mark, text[at + len(mark) :]) if at >= 0 else ("", "", text)


def _is_quoted(text: str, start: int, end: int) -> bool:
    """Whether this stands inside one pair of quotes that touches it, on one line and not far away."""
    before = text[max(0, start - _NEAR) : start].rpartition("\n")[2]
    after = text[end : end + _NEAR].partition("\n")[0]
    return any(_is_between(quote, before, after) for quote in "'\"")


def _is_between(quote: str, before: str, after: str) -> bool:
    opens, closes = len(before) - len(before.rstrip(quote)), len(after) - len(after.lstrip(quote))
    if opens and opens == closes:
        return True
    # A quote that touches it may be another's end or start, as in `'x'</think>'''doc'''`.
    inside = _CONTRACTION.sub("", before).count(quote) % 2 == 1
    return inside and bool((opens and quote in after) or closes)


def _fenced(text: str, wanted: _Wanted, fired: list[str]) -> str | None:
    blocks, before = _blocks(text, wanted)
    if before is not None:
        fired.append("closing_fence")
        return before
    marked = [block for block in blocks if block.language in wanted.tags]
    usable = marked or [block for block in blocks if not block.language]
    if not usable:
        return None
    better = ([block for block in usable if pattern.search(block.code)] for pattern in wanted.best)
    chosen = next(filter(None, better), usable)[-1]
    fired.append("fence" if chosen.closed else "unclosed_fence")
    return chosen.code


def _blocks(text: str, wanted: _Wanted) -> tuple[list[_Block], str | None]:
    """All fenced blocks; and, where the first fence only closes one, the code before it."""
    blocks: list[_Block] = []
    opened: tuple[str, str, int, int] | None = None
    for match in _FENCE.finditer(text):
        mark, language = match[1] or match[3], (match[2] or match[4] or "").lower()
        column = match.start(1 if match[1] else 3) - text.rfind("\n", 0, match.start() + 1) - 1
        if opened is None:
            if not blocks and not language and wanted.starts.match(text[: match.start()].lstrip("\n")):
                return [], text[: match.start()]
            opened = (mark, language, match.end() + 1, column)
        elif not language and mark.startswith(opened[0]) and (match[3] or column <= opened[3]):
            blocks.append(_Block(opened[1], _dedented(text[opened[2] : match.start()], opened[3]), closed=True))
            opened = None
    if opened is not None:
        blocks.append(_Block(opened[1], _dedented(text[opened[2] :], opened[3]), closed=False))
    return blocks, None


def _dedented(code: str, column: int) -> str:
    """Without the margin of a fence that stands inside a list item; a body keeps its own margin."""
    lines = code.split("\n")
    if not column or not all(line[:column].isspace() for line in lines if line.strip()):
        return code
    return "\n".join(line[column:] for line in lines)


def _is_python(text: str, wanted: _Wanted) -> bool:
    """Whether the whole text is a program: what stands before its functions may end or hang it, and belongs to it."""
    if "python" not in wanted.tags:
        return False
    try:
        with warnings.catch_warnings(action="ignore"):
            statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    # A word or two of prose are expressions too.
    return any(not isinstance(statement, ast.Expr) for statement in statements)


def _bare(text: str, wanted: _Wanted, fired: list[str]) -> str | None:
    stripped = _BLANK_LINES.sub("", text)
    # Prose may begin with a space; two or a tab are the margin of a function's body.
    if stripped.startswith(("  ", "\t")) or wanted.starts.match(stripped.lstrip(" \t")) or _is_python(text, wanted):
        fired.append("bare")
        return text
    match = wanted.starts_in_prose.search(text)
    if match is None:
        return None
    fired.append("bare_after_prose")
    return text[match.start() :]
