"""C++ programs: g++, optimised, with the standard of the big contest sites; a deep recursion has a big stack."""

import os
import resource
from typing import NoReturn

from rlvr.judge.languages import Language, in_child, read_all, run_tool, write_all

FLAGS = ("-O2", "-std=gnu++20", "-pipe", "-w", "-fdiagnostics-color=never", "-fmax-errors=5")
_STACK = 256 << 20
_OUTPUT = "program"


def build(artifact: int) -> int:
    code = run_tool("g++", *FLAGS, "-x", "c++", "-", "-o", _OUTPUT)
    if code == 0:
        with open(_OUTPUT, "rb") as file:
            write_all(artifact, file.read())
    return code


def start(artifact: int, memory_mb: int) -> NoReturn:
    os._exit(in_child(lambda: _become(artifact)))


def _become(artifact: int) -> NoReturn:
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    stack = _STACK if hard == resource.RLIM_INFINITY else min(_STACK, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (stack, hard))
    if os.execve in os.supports_fd:
        os.execve(artifact, [_OUTPUT], os.environ)
    with open(_OUTPUT, "wb") as file:
        file.write(read_all(artifact))
    os.chmod(_OUTPUT, 0o700)
    os.execve(_OUTPUT, [_OUTPUT], os.environ)


LANGUAGE = Language(
    build,
    start,
    tool="g++",
    remedy="install it (Debian and Ubuntu: apt-get install g++)",
    threads=1,
    out_of_memory=("std::bad_alloc", "std::bad_array_new_length"),
)
