"""The two audits from the command line: files, tables and exit codes."""

import json

import pytest
from typer.testing import CliRunner

from rlvr.cli import app

REFERENCE = {"style": "asserts", "tests": ["assert add(2, 3) == 5"], "setup": ""}
SOLUTION = "def add(a, b):\n    if a < 0:\n        return b + a\n    return a + b\n"


@pytest.fixture
def tasks(tmp_path):
    path = tmp_path / "T.jsonl"
    row = {"id": "add", "prompt": "", "reference": REFERENCE, "verifier": "unit_tests", "meta": {"solution": SOLUTION}}
    path.write_text(json.dumps(row))
    return path


def rlvr(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_tests_that_let_mutants_pass_are_shown_and_written(tasks, tmp_path):
    done = rlvr("audit-tests", tasks, "--out", tmp_path / "A.jsonl", "--workers", 1)
    assert done.exit_code == 0, done.output
    (row,) = map(json.loads, (tmp_path / "A.jsonl").read_text().splitlines())
    assert 0 < row["killed"] < row["mutants"] <= 12
    assert row["survivors"][0]["change"] in done.output
    assert "equivalent" in done.output


@pytest.mark.parametrize(("program", "code"), [("x = 5\n", 0), ("import os\nx = 5 + os.urandom(1)[0] % 2\n", 1)])
def test_verify_with_an_audit_fails_where_verdicts_move(tasks, tmp_path, program, code):
    texts = [f"{program}def add(a, b):\n    return x\n# {number}\n" for number in range(16)]
    completions = tmp_path / "C.jsonl"
    completions.write_text("\n".join(json.dumps({"task_id": "add", "text": text}) for text in texts))
    files = ("--tasks", tasks, "--completions", completions, "--out", tmp_path / "V.jsonl")
    done = rlvr("verify", *files, "--audit", 2, "--workers", 1)
    assert done.exit_code == code, done.output
    assert (tmp_path / "V.moved.jsonl").exists() == bool(code)
    assert len((tmp_path / "V.jsonl").read_text().splitlines()) == 16
    assert ("\n0 of 16 verdicts moved" in done.output) == (code == 0)
