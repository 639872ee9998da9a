"""The parts of a task that are compared with other tasks: its statement, its code, its tests."""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rlvr.judge import assembly
from rlvr.prepare.fingerprints import parse, shingles, words
from rlvr.records import Json, Task
from rlvr.tasks import asserts_question

ROLES = ("test_only", "validation", "train")
"""Of tasks; where two are the same, the earlier role keeps its row."""


@dataclass(frozen=True, slots=True)
class Document:
    """What of a row is compared. Everything but the id may be empty."""

    id: str
    text: str
    source: str = ""
    """Where it comes from; rows of one source share a form."""
    role: str = "train"
    code: str = ""
    """A Python program that solves it."""
    tests: tuple[str, ...] = ()
    """One text for each test, with the tested function's name erased, so that equal tests are equal texts."""
    name: str = ""
    """Of the tested function."""


def document(task: Task) -> Document:
    """What of a task is compared."""
    reference = task.reference if isinstance(task.reference, dict) else {}
    name = reference.get("entry_point") or task.meta.get("entry_point") or ""
    return Document(
        id=task.id,
        text=statement(task),
        source=str(task.meta.get("dataset") or task.id.rpartition("/")[0]),
        role=role(task),
        code=_code(task, reference),
        tests=tuple(dict.fromkeys(_tests(reference, name))),
        name=name if isinstance(name, str) else "",
    )


def statement(task: Task) -> str:
    """The problem in the words of its source, as far as they can be told from the form in which it is asked."""
    asked = task.prompt if isinstance(task.prompt, str) else "\n\n".join(m.content for m in task.prompt)
    if task.verifier != "unit_tests":
        return asked
    if isinstance(given := task.reference.get("prompt"), str) and given.strip() in asked:
        return given
    if task.reference.get("style") == "asserts":
        # Showing the tests to a base model, naming the function to a user, is the form in which MBPP is asked.
        try:
            form = asserts_question("\0", task.reference["tests"], task.reference.get("setup") or "")[0]
        except (SyntaxError, ValueError):
            return asked
        before, _, after = form.text.partition("\0")
        if asked.endswith(after) and before in asked:
            return asked.removesuffix(after).rpartition(before)[2]
        return asked.removesuffix(form.chat.removeprefix("\0"))
    return asked


def role(task: Task) -> str:
    """`train`, `validation` or `test_only`. Raises `ValueError` for anything else; a task without one is `train`."""
    found = task.meta.get("role", "train")
    if found not in ROLES:
        raise ValueError(f"task {task.id}: meta.role should be one of {', '.join(ROLES)}, not {found!r:.60}")
    return found


def _code(task: Task, reference: dict[str, Json]) -> str:
    """The solution as a program that stands alone, else the code that the task is about or shows."""
    shown = "\n\n".join(filter(parse, _FENCED.findall(statement(task))))
    solution = task.meta.get("solution", task.meta.get("demonstration"))
    if isinstance(solution, str) and reference.get("language", "python") == "python":
        programs = [
            *_FENCED.findall(solution),
            solution,
            task.prompt + solution if isinstance(task.prompt, str) else "",
        ]
        if task.verifier == "unit_tests":
            programs.insert(0, assembly.program(reference, solution))
        if found := next((program for program in programs if program and parse(program)), ""):
            return found
    code = reference.get("code")
    return code if isinstance(code, str) else shown


_FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL)


def _tests(reference: dict[str, Json], name: str) -> Iterator[str]:
    tests = reference.get("tests")
    for source in [tests] if isinstance(tests, str) else tests if isinstance(tests, list) else []:
        if isinstance(source, str):
            yield from asserts(source, name)
    for case in reference.get("cases") or []:
        yield f"{' '.join(case['stdin'].split())} -> {' '.join(case['stdout'].split())}"
    if isinstance(reference.get("input"), str) and isinstance(reference.get("output"), str):
        yield f"{reference['input']} -> {reference['output']}"
    if isinstance(reference.get("answer"), str):
        yield f"= {reference['answer'].strip()}"


def asserts(source: str, name: str) -> Iterator[str]:
    """Each assert of a program in one layout, the function under test called `_`."""
    tree = parse(source)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Assert):
            for part in ast.walk(node):
                if isinstance(part, ast.Name) and part.id in (name, "candidate"):
                    part.id = "_"
            node.msg = None
            yield ast.unparse(node)


FORM_SHARE = 0.5
FORM_LEAST = 20
FORM_SAMPLE = 2000
FORM_RUN = 8


class Forms:
    """What most rows of a source share is its form: the instruction around each problem. It is not compared.

    A run of 8 words belongs to the form where more than half of the first 2,000 rows have it. Sources of less than 20
    rows have none.
    """

    def __init__(self, documents: Iterable[Document]) -> None:
        by_source: dict[str, list[Document]] = {}
        for each in documents:
            rows = by_source.setdefault(each.source, [])
            if len(rows) < FORM_SAMPLE:
                rows.append(each)
        self._forms = {source: self._form(rows) for source, rows in by_source.items()}

    def _form(self, rows: Sequence[Document]) -> frozenset[str]:
        if len(rows) < FORM_LEAST:
            return frozenset()
        counts = Counter(run for row in rows for run in set(shingles(words(row.text), FORM_RUN)))
        return frozenset(run for run, count in counts.items() if count > FORM_SHARE * len(rows))

    def shingles(self, document: Document, size: int) -> list[str]:
        """Every run of `size` words that are the row's own."""
        found = words(document.text)
        form = self._forms.get(document.source)
        if not form:
            return shingles(found, size)
        return [part for own in _beside(found, form) for part in shingles(own, size)]


def _beside(found: Sequence[str], form: frozenset[str]) -> Iterator[list[str]]:
    """The stretches of words that no run of the form covers."""
    covered = 0
    own: list[str] = []
    for n, word in enumerate(found):
        if " ".join(found[n : n + FORM_RUN]) in form:
            covered = n + FORM_RUN
        if n >= covered:
            own.append(word)
        elif own:
            yield own
            own = []
    if own:
        yield own
