"""Programs judged by what they print: contest problems, in Python, C++ and JavaScript.

    stdio = Stdio()
    stdio.check(task)                                   # ValueError where the reference cannot be used here
    with Local().open() as sandbox:
        verdict = stdio.judge(task, completion, sandbox)
        verdicts = stdio.judge_many([(task, completion), ...], sandbox)   # cheaper than one by one

References: `{"cases": [{"stdin": str, "stdout": str}], "checker": "tokens", "tolerance": 1e-6, "program": "",
"language": "python"}`, where all but `cases` may be left out.

* `language`, of the solution: `python`, `cpp` (g++, C++20), `javascript` (node). A missing compiler is an error of
  `check`, before anything runs.
* An input that does not end in a line feed is given one, unless it is empty. There is nothing to read beyond its end.
* `checker`: `tokens` (equal word by word), `exact` (equal line by line, but for blanks at line ends, empty lines at the
  end, and CRLF), `float` (words; numbers may differ by `tolerance`, absolutely or relative to the expected one), or
  `program`: Python source, run as `checker.py input expected got` with three files in its folder; exit code 0 accepts,
  anything else does not, and what it prints is the reason. It works in the jail of the tests, under the task's limits.
* Each case is a fresh process. An exit code other than 0, or an end by a signal, is a `runtime_error`, whatever was
  printed; an exit code of 0 means nothing: what was printed decides.
* Limits: `cpu_s`, `wall_s`, `memory_mb` and `output_kb` of the task hold for each case, as in contests; building has
  20 CPU-s of its own. All cases together may use the CPU time of 10 cases at their limit (of more than 20 cases, of
  half of them) and be idle for one wall limit. After 3 cases over their limit, or beyond these sums, the others are not
  run and count as `timeout`. All other failures stop nothing, so that the share of passed cases is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rlvr.judge import cases
from rlvr.judge.extraction import extract
from rlvr.records import Completion, Job, Task, Verdict
from rlvr.sandboxes import Sandbox
from rlvr.verifiers._programs import checking, no_answer, verdict_of


@dataclass(frozen=True)
class Stdio:
    """Passed where the checker accepts what every case printed; `tests_passed` of `tests_total` otherwise."""

    def check(self, task: Task) -> None:
        """Raises `ValueError` that names the task where its reference cannot be used, or not on this machine."""
        with checking(task):
            cases.plan(task.reference)

    def judge(self, task: Task, completion: Completion, sandbox: Sandbox) -> Verdict:
        return self.judge_many([(task, completion)], sandbox)[0]

    def judge_many(self, pairs: Sequence[tuple[Task, Completion]], sandbox: Sandbox) -> list[Verdict]:
        """One verdict per pair, in order. Raises `ValueError` for references that cannot be used."""
        languages = [cases.language(task.reference) for task, _ in pairs]
        found = [
            extract(completion.text, task.extraction, language)
            for (task, completion), language in zip(pairs, languages, strict=True)
        ]
        jobs = [
            Job(extraction.code, task.reference, language, task.limits)
            for (task, _), extraction, language in zip(pairs, found, languages, strict=True)
            if extraction.code is not None
        ]
        executions = iter(sandbox.run_many(jobs))
        return [
            no_answer(len(task.reference["cases"]), extraction.rule)
            if extraction.code is None
            else verdict_of(next(executions), extraction.code, extraction.rule)
            for (task, _), extraction in zip(pairs, found, strict=True)
        ]
