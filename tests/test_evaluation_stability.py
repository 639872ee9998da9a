"""A verdict must not depend on the machine; where one does, the audit of `rlvr verify` says so."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlvr.evaluation.stability import conditions, stability

REFERENCE = {"style": "asserts", "tests": ["assert f(2) == 4", "assert f(3) == 9"], "setup": ""}
RIGHT = "def f(x):\n    return x * x\n"
WRONG = "def f(x):\n    return 4\n"
DRAW = "import os\ndef f(x):\n    return x * x + os.urandom(1)[0] % 2\n"
BUSY = """
import time
def f(x):
    end = time.process_time() + 0.75
    while time.process_time() < end:
        pass
    return x * x
"""


def inputs(tmp_path, programs, cpu_s=10.0):
    tasks, completions = tmp_path / "T.jsonl", tmp_path / "C.jsonl"
    limits = {"cpu_s": cpu_s}
    row = {"id": "f", "prompt": "", "reference": REFERENCE, "verifier": "unit_tests", "limits": limits}
    tasks.write_text(json.dumps(row))
    # A comment makes each a program of its own: the same program is judged once in a batch.
    texts = [f"{program}# {number}\n" for number, program in enumerate(programs)]
    completions.write_text("\n".join(json.dumps({"task_id": "f", "text": text}) for text in texts))
    return tasks, completions


def test_programs_that_draw_lots_are_listed_and_no_others(tmp_path):
    files = inputs(tmp_path, [RIGHT, WRONG] + [DRAW] * 12)
    found = stability(*files, tmp_path / "V.jsonl", repetitions=2, workers=1)
    moved = [row.index for row in found.moved]
    assert moved
    assert min(moved) >= 2
    assert all(len(set(zip(row.outcomes, row.tests_passed, strict=True))) > 1 for row in found.moved)
    assert found.file == tmp_path / "V.moved.jsonl"
    assert [json.loads(line)["index"] for line in found.file.read_text().splitlines()] == moved
    assert found.summary.judged == len((tmp_path / "V.jsonl").read_text().splitlines()) == 14


def test_verdicts_of_deterministic_programs_do_not_move(tmp_path):
    (tmp_path / "V.moved.jsonl").write_text("of an earlier audit")
    found = stability(*inputs(tmp_path, [RIGHT, WRONG]), tmp_path / "V.jsonl", repetitions=2, workers=1)
    assert found.moved == ()
    assert found.file is None
    assert not (tmp_path / "V.moved.jsonl").exists()


@pytest.mark.slow
def test_twelve_busy_programs_pass_under_twice_their_cpu_time_on_a_busy_machine(tmp_path):
    found = stability(*inputs(tmp_path, [BUSY] * 12, cpu_s=3.0), tmp_path / "V.jsonl", repetitions=2, workers=6)
    assert found.moved == ()
    assert found.summary.outcomes == {"passed": 12}


def test_the_first_repetition_is_as_asked_for_and_another_is_on_a_busy_machine():
    first, second = conditions(2, 3)
    assert (first.workers, first.burners) == (3, 0)
    assert second.workers > 3
    assert second.burners > 0
    assert len(set(conditions(5, 3))) == 5


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_load_ends_with_its_parent_however_that_ended():
    code = (
        "import os, time\n"
        "from rlvr.evaluation.stability import load\n"
        "with load(1):\n"
        "    print(open(f'/proc/{os.getpid()}/task/{os.getpid()}/children').read(), flush=True)\n"
        "    time.sleep(0.2)\n"
        "    os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (pid,) = done.stdout.split()
    assert ends(int(pid))


def ends(pid: int) -> bool:
    """Within seconds; that nobody has buried it yet is the business of process 1."""
    for _ in range(400):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_one_repetition_is_refused(tmp_path):
    with pytest.raises(ValueError, match="two repetitions"):
        stability(*inputs(tmp_path, [RIGHT]), tmp_path / "V.jsonl", repetitions=1)
