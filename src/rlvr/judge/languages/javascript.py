"""JavaScript programs: node, from standard input to standard output; one that uses `import` is taken as a module."""

import os
import re
import resource
import sys
from collections.abc import Sequence
from typing import NoReturn

from rlvr.judge.languages import Language, read_all, run_tool, write_all

_MODULE = re.compile(rb"^[ \t]*(?:import[ \t]*[\w{*\"']|export[ \t]+[\w{*])", re.MULTILINE)
_OWN_MEMORY_MB = 256
"""What node itself writes to, its threads' stacks included."""


def build(artifact: int) -> int:
    """Only looks whether the source can be parsed; node has no form that would start faster."""
    source = sys.stdin.buffer.read()
    code = run_tool("node", "--check", _save(source))
    write_all(artifact, source)
    return code


def start(artifact: int, memory_mb: int) -> NoReturn:
    # Counts what can be written to, unlike the limit on address space, of which node reserves gigabytes.
    most = (memory_mb + _OWN_MEMORY_MB) << 20
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    script = _save(read_all(artifact))
    os._exit(run_tool("node", f"--max-old-space-size={memory_mb}", script))


def _save(source: bytes) -> str:
    # Behind walls the system's own file cannot be read, which ends node.
    os.environ["OPENSSL_CONF"] = os.devnull
    name = "program.mjs" if _MODULE.search(source) else "program.cjs"
    with open(name, "wb") as file:
        file.write(source)
    return name


_BEFORE = """
Object.freeze(rlvrAssert.strict);
Object.freeze(rlvrAssert);
const rlvrNumber = parseInt(rlvrFs.readFileSync(0, "utf8"));
process.stdout.write = () => true;
"""
_AFTER = """
;(async (assert) => {
  switch (rlvrNumber) {
CASES
  }
})(rlvrAssert).then(
  (word) => rlvrFs.writeSync(1, word),
  (error) => {
    if (!error || error.code !== "ERR_ASSERTION") throw error;
    rlvrFs.writeSync(1, "not true: " + String(error.message).split("\\n").join(" "));
  },
);
"""


def asserts(program: str, setup: str, tests: Sequence[str], words: Sequence[str]) -> str:
    modules = {"rlvrFs": "node:fs", "rlvrAssert": "node:assert"}
    if _MODULE.search(program.encode("utf-8", "surrogatepass")):
        imports = [f'import {name} from "{module}";' for name, module in modules.items()]
    else:
        imports = [f'const {name} = require("{module}");' for name, module in modules.items()]
    cases = [
        f'    case {n}: {{\n{test}\n;return "{word}"; }}'
        for n, (test, word) in enumerate(zip(tests, words, strict=True))
    ]
    return "\n".join([*imports, _BEFORE, program, ";", setup, _AFTER.replace("CASES", "\n".join(cases))])


LANGUAGE = Language(
    build,
    start,
    asserts=asserts,
    tool="node",
    remedy="install it (Debian and Ubuntu: apt-get install nodejs)",
    reserves=True,
    threads=16,
    out_of_memory=("heap out of memory", "Array buffer allocation failed", "Cannot allocate memory"),
)
