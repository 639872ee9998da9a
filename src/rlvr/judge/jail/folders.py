"""The folders in which programs and tests work, and which other places they may read."""

import os
import stat
import sys

SIDES = ("program", "tests")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/alternatives", "/etc/ld.so.cache")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def readable() -> list[str]:
    """The system's programs and libraries, and the interpreter with its standard library; none inside another."""
    executable = os.path.realpath(sys.executable)
    prefixes = {sys.base_prefix, sys.base_exec_prefix, os.path.dirname(os.path.dirname(executable))}
    wanted = [*SYSTEM, *(f"{prefix}/{part}" for prefix in sorted(prefixes) for part in ("bin", "lib", "lib64"))]
    wanted += [os.path.dirname(os.__file__), *(path for path in sys.path if os.path.isdir(path))]
    found: list[str] = []
    for path in map(os.path.abspath, wanted):
        if os.path.exists(path) and path != "/" and not any(f"{path}/".startswith(f"{each}/") for each in found):
            found.append(path)
    return found


def devices() -> list[str]:
    return [path for path in DEVICES if os.path.exists(path)]


def mark(folder: str) -> tuple[int, ...]:
    """Changes whenever anything was made or removed directly in the folder, or the folder itself was changed."""
    found = os.lstat(folder)
    return found.st_mode, found.st_ino, found.st_nlink, found.st_mtime_ns, found.st_ctime_ns


def empty(folder: str) -> None:
    """Remove what is in a folder, whatever it is: what nests is first moved up, since a path can be too long to name.

    Only for folders in which nothing runs any more.
    """
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        os.unlink(folder)
        os.mkdir(folder)
    os.chmod(folder, 0o700)
    while names := os.listdir(folder):
        for name in names:
            _remove(folder, os.path.join(folder, name))


def _remove(folder: str, path: str) -> None:
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        os.unlink(path)
        return
    os.chmod(path, 0o700)
    for name in os.listdir(path):
        inner = os.path.join(path, name)
        if stat.S_ISDIR(os.lstat(inner).st_mode):
            os.chmod(inner, 0o700)
            os.rename(inner, os.path.join(folder, os.urandom(8).hex()))
        else:
            os.unlink(inner)
    os.rmdir(path)
