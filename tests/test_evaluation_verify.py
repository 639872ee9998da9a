"""Verdicts for a file of completions: every completion is accounted for, whatever else is in the files."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from rlvr import storage
from rlvr.evaluation import inputs
from rlvr.evaluation import verify as module
from rlvr.evaluation.verify import Summary, verify
from rlvr.progress import Display
from rlvr.records import Limits, Task

FIELDS = [
    "task_id",
    "index",
    "passed",
    "outcome",
    "tests_passed",
    "tests_total",
    "answer",
    "extraction",
    "why",
    "parts",
    "cpu_s",
    "wall_s",
    "isolation",
    "trust",
]
RIGHT = "def add(a, b):\n    return a + b\n"
WRONG = "def add(a, b):\n    return a - b\n"


def task(name: str = "add", **fields) -> Task:
    tests = ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]
    reference = {"style": "asserts", "tests": tests, "setup": "", "entry_point": "add"}
    return Task(**{"id": name, "prompt": "Add.", "reference": reference, "verifier": "unit_tests", **fields})


class Files:
    """A tasks file, a completions file and the verdicts, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.tasks, self.completions, self.out = (folder / name for name in ("T.jsonl", "C.jsonl", "V.jsonl"))
        self.errors = folder / "V.errors.jsonl"
        self.partial = folder / "V.jsonl.partial"

    def write(self, tasks: list, completions: list) -> None:
        """Rows as records, JSON values, or lines as they stand."""
        for path, rows in ((self.tasks, tasks), (self.completions, completions)):
            lines = [row.to_json() if isinstance(row, Task) else row for row in rows]
            path.write_bytes(
                b"".join(row if isinstance(row, bytes) else storage.dump_line(row).encode() for row in lines)
            )

    def verify(self, **options) -> Summary:
        return verify(self.tasks, self.completions, self.out, **{"workers": 1, "isolation": "process", **options})

    def verdicts(self) -> list[dict]:
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def complaints(self) -> list[tuple[str, int, str]]:
        rows = [json.loads(line) for line in self.errors.read_text().splitlines()]
        return [(Path(row["file"]).name, row["line"], row["error"]) for row in rows]


@pytest.fixture
def files(tmp_path) -> Files:
    return Files(tmp_path)


def answer(text: object, task_id: object = "add") -> dict:
    return {"task_id": task_id, "text": text}


def test_each_completion_of_a_known_task_is_one_row_in_order_with_the_fields_of_the_contract(files):
    files.write([task(), task("again")], [answer(WRONG), b"\n", answer(f"Sure:\n```python\n{RIGHT}```\n", "again")])
    summary = files.verify()
    rows = files.verdicts()
    assert [list(row) for row in rows] == [FIELDS, FIELDS]
    assert [(row["task_id"], row["index"], row["passed"], row["outcome"]) for row in rows] == [
        ("add", 0, False, "wrong_answer"),
        ("again", 2, True, "passed"),
    ]
    assert (rows[1]["tests_passed"], rows[1]["tests_total"], rows[1]["isolation"]) == (2, 2, "process")
    assert rows[1]["answer"].strip() == RIGHT.strip()
    assert rows[1]["cpu_s"] > 0
    assert (summary.tasks, summary.judged, summary.kept, summary.errors) == (2, 2, 0, 0)
    assert summary.outcomes == {"wrong_answer": 1, "passed": 1}
    assert summary.isolation == ("process",)
    assert summary.errors_file is None
    assert not files.errors.exists()
    assert not files.partial.exists()


def test_wrong_completions_are_listed_with_their_line_and_the_rest_is_judged(files):
    files.write(
        [task(), task("HumanEval/12")],
        [
            b'{"task_id": "add", "text": \n',
            answer(RIGHT),
            b"[1]\n",
            {"task_id": "add", "completion": RIGHT},
            answer(None),
            answer(RIGHT, 12),
            answer(RIGHT, "HumanEval/21"),
            answer("#" * (inputs.LONGEST_TEXT + 1)),
            b'{"task_id": "add", "text": "\xff"}\n',
            {**answer(WRONG), "seed": 3},
            b'{"task_id": "add"',
        ],
    )
    summary = files.verify()
    assert [(row["index"], row["outcome"]) for row in files.verdicts()] == [(1, "passed"), (9, "wrong_answer")]
    complaints = files.complaints()
    assert summary.errors == len(complaints) == 9
    assert summary.errors_file == files.errors
    expected = {
        1: "not JSON",
        3: "should be an object with the fields task_id and text",
        4: "the field 'text' is missing; the row has: task_id, completion",
        5: "field text should be a text, not None",
        6: "field task_id should be a text, not 12",
        7: f"no task 'HumanEval/21' in {files.tasks}; did you mean 'HumanEval/12'?",
        8: "field text has 1,000,001 characters",
        9: "not UTF-8: byte 0xff",
        11: "not JSON",
    }
    assert {line for _, line, _ in complaints} == expected.keys()
    for file, line, error in complaints:
        assert file == "C.jsonl"
        assert error.startswith(expected[line])


def test_wrong_tasks_are_listed_with_their_line_and_their_completions_too(files):
    def reference(**change):
        return {**task().reference, **change}

    files.write(
        [
            task(),
            {"id": "short"},
            task("judge", verifier="unit_test"),
            task("style", reference=reference(style="assert")),
            task("tests", reference=reference(tests=["assert add(1 =="])),
            task("add", prompt="Another one."),
            {**task("limits").to_json(), "limits": {"cpu_s": -1}},
            b"{\n",
        ],
        [answer(RIGHT), answer(RIGHT, "judge"), answer(RIGHT, "short"), answer(WRONG)],
    )
    summary = files.verify()
    assert [(row["index"], row["outcome"]) for row in files.verdicts()] == [(0, "passed"), (3, "wrong_answer")]
    complaints = {(file, line): error for file, line, error in files.complaints()}
    assert summary.errors == len(complaints) == 9
    assert summary.tasks == 1
    assert complaints["T.jsonl", 2] == "Task needs the field 'prompt'"
    assert "Did you mean 'unit_tests'?" in complaints["T.jsonl", 3]
    assert "assert" in complaints["T.jsonl", 4]
    assert ("T.jsonl", 5) in complaints
    assert complaints["T.jsonl", 6] == "the id 'add' is already used on line 1, which counts"
    assert complaints["T.jsonl", 7] == "field limits.cpu_s should be a number above 0, not -1.0"
    assert complaints["T.jsonl", 8].startswith("not JSON")
    for line, listed in ((2, 3), (3, 2)):
        assert complaints["C.jsonl", line].endswith(
            f"cannot be judged; the reason is listed under {files.tasks}:{listed}"
        )


def test_the_list_of_errors_goes_when_there_are_none_left(files):
    files.write([task()], [b"{\n", answer(RIGHT)])
    assert files.verify().errors == 1
    files.write([task()], [answer(RIGHT)])
    assert files.verify().errors == 0
    assert not files.errors.exists()


def test_limits_of_the_call_replace_those_of_the_tasks(files):
    files.write(
        [task(limits=Limits(cpu_s=60, memory_mb=4096))],
        [
            answer("def add(a, b):\n    while True: pass\n"),
            answer("def add(a, b):\n    return len(bytes(3 * 10**8))\n"),
        ],
    )
    files.verify(cpu_limit=0.5, memory_limit=128)
    assert [row["outcome"] for row in files.verdicts()] == ["timeout", "memory_limit"]
    with pytest.raises(ValueError, match=r"limits.cpu_s should be a number above 0, not -1"):
        files.verify(cpu_limit=-1)


def test_tasks_may_be_records_or_a_list_in_one_json_file(files, tmp_path):
    files.write([], [answer(RIGHT)])
    assert verify([task()], files.completions, files.out, workers=1, isolation="process").outcomes == {"passed": 1}
    (tmp_path / "T.json").write_text(json.dumps([task().to_json(), 5], indent=1))
    summary = verify(tmp_path / "T.json", files.completions, files.out, workers=1, isolation="process")
    assert (summary.outcomes, summary.errors) == ({"passed": 1}, 1)


def test_no_completions_are_no_rows(files):
    files.write([task()], [])
    assert files.verify().judged == 0
    assert files.out.read_bytes() == b""


def test_what_cannot_work_is_said_before_anything_is_judged(files, tmp_path):
    files.write([task()], [answer(RIGHT)])
    with pytest.raises(FileNotFoundError, match=r"absent\.jsonl"):
        verify(tmp_path / "absent.jsonl", files.completions, files.out)
    with pytest.raises(FileNotFoundError, match=r"absent\.jsonl"):
        verify(files.tasks, tmp_path / "absent.jsonl", files.out)
    with pytest.raises(LookupError, match=r"no tasks plug-in named 'humanevel'. Did you mean 'humaneval'"):
        verify("humanevel", files.completions, files.out)
    with pytest.raises(ValueError, match="is the file of completions"):
        verify(files.tasks, files.completions, files.completions)
    with pytest.raises(ValueError, match="cannot be appended to"):
        verify(files.tasks, files.completions, "s3://bucket/V.jsonl")
    with pytest.raises(ValueError, match="cannot be appended to"):
        verify(files.tasks, files.completions, "/dev/null")
    with pytest.raises(ValueError, match="/dev/null is not a file; completions"):
        verify(files.tasks, "/dev/null", files.out)
    assert not files.out.exists()


def test_progress_counts_the_lines_of_the_completions_to_the_last(files):
    files.write([task()], [b"{\n", answer(RIGHT), b"{"])
    printed = StringIO()
    files.verify(progress=Display(Console(file=printed), None))
    assert "3/3" in printed.getvalue()


@pytest.mark.parametrize("ending", ["whole rows", "half a row"])
def test_an_interrupted_file_is_completed_and_not_judged_twice(files, interrupt, ending):
    files.write([task()], [answer(RIGHT), b"{\n", answer(WRONG), answer(RIGHT)])
    files.verify()
    whole = files.verdicts()
    interrupt([{**whole[0], "why": "kept"}], torn=ending == "half a row")
    summary = files.verify()
    assert (summary.kept, summary.judged, summary.errors) == (1, 3, 1)
    assert summary.outcomes == {"passed": 2, "wrong_answer": 1}
    rows = files.verdicts()
    assert [row["index"] for row in rows] == [0, 2, 3]
    assert rows[0]["why"] == "kept"
    assert not files.partial.exists()


def test_other_inputs_or_other_limits_start_over(files, interrupt):
    files.write([task()], [answer(RIGHT), answer(WRONG)])
    files.verify()
    kept = [{**files.verdicts()[0], "why": "kept"}]
    interrupt(kept)
    assert files.verify(cpu_limit=5).kept == 0
    interrupt(kept)
    files.write([task()], [answer(RIGHT), answer(RIGHT)])
    assert files.verify().kept == 0
    assert [row["why"] for row in files.verdicts()] == ["", ""]


@pytest.fixture
def interrupt(files, monkeypatch):
    """Leaves what a kill during the second batch leaves: the first rows, and perhaps a part of another."""

    def leave(rows: list[dict], torn: bool = False) -> None:
        def stop(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(module, "judge", stop)
            with pytest.raises(KeyboardInterrupt):
                files.verify()
        assert files.partial.exists()
        storage.write_lines(files.out, rows)
        if torn:
            with open(files.out, "a") as file:
                file.write('{"task_id": "add", "ind')

    return leave


def test_ctrl_c_leaves_whole_rows_no_process_and_a_file_that_a_second_call_completes(files):
    sleeper = "def add(a, b):\n    import time\n    time.sleep(0.1)\n    return a + b + {0} - {0}\n"
    files.write([task()], [answer(sleeper.format(n)) for n in range(16)])
    script = (
        "import sys; from rlvr.evaluation import verify as v\n"
        "v.BATCH, v.AHEAD = 2, 2\n"
        "v.verify(*sys.argv[1:], workers=2, isolation='process')\n"
    )
    paths = [str(path) for path in (files.tasks, files.completions, files.out)]
    child = subprocess.Popen([sys.executable, "-c", script, *paths], stderr=subprocess.PIPE, start_new_session=True)
    while child.poll() is None and not (files.out.exists() and files.out.stat().st_size):
        time.sleep(0.02)
    family = descendants(child.pid)
    # A terminal sends Ctrl-C to everything in the foreground.
    os.killpg(child.pid, signal.SIGINT)
    _, stderr = child.communicate(timeout=30)
    assert b"KeyboardInterrupt" in stderr
    assert family
    patience = time.monotonic() + 10
    while family & processes().keys() and time.monotonic() < patience:
        time.sleep(0.02)
    assert not family & processes().keys()
    done = len(files.verdicts())
    assert 0 < done < 16
    summary = files.verify(workers=2)
    assert (summary.kept, summary.judged, summary.outcomes) == (done, 16, {"passed": 16})


def processes() -> dict[int, int]:
    """Every living process with its parent; the dead wait for whoever adopted them."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent, *_ = stat.read_text().rpartition(")")[2].split()
            if state != "Z":
                parents[int(stat.parent.name)] = int(parent)
    return parents


def descendants(pid: int) -> set[int]:
    parents, found = processes(), {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def test_judging_needs_no_torch(files):
    files.write([task()], [answer(RIGHT)])
    script = (
        "import sys; from rlvr.evaluation.verify import verify\n"
        "verify(*sys.argv[1:], workers=1, isolation='process')\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)\n"
    )
    paths = [str(path) for path in (files.tasks, files.completions, files.out)]
    subprocess.run([sys.executable, "-c", script, *paths], check=True)
    assert [row["outcome"] for row in files.verdicts()] == ["passed"]


def test_trust_split_lists_tasks_that_need_one_process_and_judges_the_rest(files):
    sharing = {"style": "asserts", "tests": ["assert add", "import inspect\nassert inspect.signature(add)"]}
    files.write([task(), task("other", reference=sharing)], [answer(RIGHT), {"task_id": "other", "text": RIGHT}])
    assert files.verify().outcomes == {"passed": 2}
    assert [row["trust"] for row in files.verdicts()] == ["split", "shared"]
    summary = files.verify(trust="split")
    assert (summary.judged, summary.errors) == (1, 2)
    assert "look at code (inspect) (line 1)" in files.errors.read_text()
    with pytest.raises(ValueError, match="kind of trust"):
        files.verify(trust="none")
