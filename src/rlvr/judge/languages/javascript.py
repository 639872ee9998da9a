"""JavaScript programs: node, from standard input to standard output; one that uses `import` is taken as a module."""

import os
import re
import resource
import sys
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


LANGUAGE = Language(
    build,
    start,
    tool="node",
    remedy="install it (Debian and Ubuntu: apt-get install nodejs)",
    reserves=True,
    threads=16,
    out_of_memory=("heap out of memory", "Array buffer allocation failed", "Cannot allocate memory"),
)
