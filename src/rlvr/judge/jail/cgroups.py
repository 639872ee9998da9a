"""Memory and number of processes of a whole worker, where a control group can be made (cgroup v1 or v2, or none)."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator

_PREFIX = "rlvr-judge-"
"""Of a worker's folder, whose name its groups have."""
_PATIENCE_S, _STALE_S = 2.0, 60.0
_FILES = {
    "cgroup": ("memory.limit_in_bytes", "memory.oom_control", "memory.memsw.limit_in_bytes"),
    "cgroup2": ("memory.max", "memory.events", "memory.swap.max"),
}


class Group:
    """The control groups of one worker. Descriptors stay usable where their paths can no longer be seen."""

    def __init__(self, folders: dict[str, tuple[str, str]]) -> None:
        """folders: by controller, the group's folder and its kind of file system."""
        self._above = [
            (os.open(os.path.dirname(folder), os.O_RDONLY | os.O_DIRECTORY), os.path.basename(folder))
            for folder, _ in folders.values()
        ]
        self.kind = " and ".join(f"{name} (v{1 + (kind == 'cgroup2')})" for name, (_, kind) in folders.items())
        self._memory = self._events = self._pids = -1
        self._set: tuple[int, int] | None = None
        if "memory" in folders:
            folder, kind = folders["memory"]
            limit, events, _ = _FILES[kind]
            self._memory = os.open(f"{folder}/{limit}", os.O_WRONLY | os.O_CLOEXEC)
            self._events = os.open(f"{folder}/{events}", os.O_RDONLY | os.O_CLOEXEC)
        if "pids" in folders:
            self._pids = os.open(f"{folders['pids'][0]}/pids.max", os.O_WRONLY | os.O_CLOEXEC)

    def limit(self, memory: int, processes: int) -> None:
        """Bytes and processes of everything in the group, the zygote included."""
        if self._set == (memory, processes):
            return
        for descriptor, value in ((self._memory, memory), (self._pids, processes)):
            if descriptor >= 0:
                os.pwrite(descriptor, b"%d" % value, 0)
        self._set = memory, processes

    def descriptors(self) -> list[int]:
        """What `leave` needs."""
        return [above for above, _ in self._above]

    def leave(self) -> None:
        """Remove the groups with this process as their last one, as far as the system lets it out."""
        for above, name in self._above:
            with contextlib.suppress(OSError):
                _write("cgroup.procs", "0", above)
                os.rmdir(name, dir_fd=above)

    def killed(self) -> int:
        """How many processes the kernel has killed for want of memory."""
        if self._events < 0:
            return 0
        words = os.pread(self._events, 4096, 0).split()
        return int(words[words.index(b"oom_kill") + 1]) if b"oom_kill" in words else 0


def join(name: str) -> Group | None:
    """Move this process into new groups for memory and processes; None where none can be made."""
    joined: dict[str, tuple[str, str]] = {}
    for controller in ("memory", "pids"):
        for parent, kind in _parents(controller):
            limit, _, swap = _FILES[kind]
            if _enter(parent, name, limit if controller == "memory" else "pids.max"):
                joined[controller] = f"{parent}/{name}", kind
                if controller == "memory":
                    with contextlib.suppress(OSError):
                        _write(f"{parent}/{name}/{swap}", "0")
                break
    return Group(joined) if joined else None


def remove(name: str) -> None:
    """Remove the groups of a worker that has ended, and kill what is still in them."""
    for controller in ("memory", "pids"):
        for parent, _ in _parents(controller):
            made = f"{parent}/{name}"
            deadline = time.monotonic() + _PATIENCE_S
            while os.path.isdir(made) and not _try_remove(made) and time.monotonic() < deadline:
                _kill(f"{made}/cgroup.procs")
                time.sleep(0.005)


def _enter(parent: str, name: str, needed: str) -> bool:
    made = f"{parent}/{name}"
    try:
        for stale in os.listdir(parent):
            path = f"{parent}/{stale}"
            # Left by a caller that was killed; one with processes in it cannot be removed.
            if stale.startswith(_PREFIX) and time.time() - os.stat(path).st_mtime > _STALE_S:
                _try_remove(path)
        os.makedirs(made, exist_ok=True)
    except OSError:
        return False
    try:
        if os.access(f"{made}/{needed}", os.W_OK):
            _write(f"{made}/cgroup.procs", "0")
            return True
    except OSError:
        pass
    _try_remove(made)
    return False


def _kill(listed: str) -> None:
    with contextlib.suppress(OSError), open(listed) as file:
        for pid in map(int, file.read().split()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _try_remove(folder: str) -> bool:
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


def _write(path: str, text: str, folder: int | None = None) -> None:
    descriptor = os.open(path, os.O_WRONLY, dir_fd=folder)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _parents(controller: str) -> Iterator[tuple[str, str]]:
    """Folders below which a group for a controller may be made, with their kind: where this process is now, and for v2,
    in which a group with processes has no groups with controllers below it, the groups above."""
    try:
        with open("/proc/self/cgroup") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
        with open("/proc/self/mountinfo") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return
    own = {name: path for _, names, path in lines for name in names.split(",")}
    for fields in mounts:
        root, place, kind, options = fields[3], fields[4], fields[fields.index("-") + 1], fields[-1].split(",")
        path = own.get("" if kind == "cgroup2" else controller)
        if kind not in _FILES or (kind == "cgroup" and controller not in options) or path is None:
            continue
        below = os.path.relpath(path, root)
        if below.startswith(".."):
            continue
        yield os.path.normpath(f"{place}/{below}"), kind
        while kind == "cgroup2" and below not in (".", ""):
            below = os.path.dirname(below)
            yield os.path.normpath(f"{place}/{below}"), kind
