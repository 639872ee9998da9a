"""Which walls can be had on this machine, found out by building them once, and what to do about those that cannot.

python -m rlvr.judge.jail.levels     prints what there is
"""

import errno
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rlvr.judge.jail import syscalls
from rlvr.registry import unknown

LEVELS = ("full", "restricted", "process")
"""Best first."""
_PROBE_S = 60
_PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
from rlvr.judge.jail import trial
trial.main(sys.argv[2], sys.argv[3])
"""


def choose(wanted: str) -> str:
    """The level to use: the one that was named, or for `auto` the best there is.

    Raises `ValueError` where there is no such level, or says why it cannot be had here and what to do.
    """
    if wanted == "auto":
        return next(level for level in LEVELS if available()[level] is None)
    if wanted not in LEVELS:
        raise ValueError(unknown("isolation level", wanted, ("auto", *LEVELS)))
    reason = available()[wanted] if wanted != "process" else None
    if reason is not None:
        raise ValueError(f"isolation {wanted!r} cannot be had here: {reason}")
    return wanted


def available() -> dict[str, str | None]:
    """For each level None, or the reason why it cannot be had and the remedy. Probed once for each process."""
    return {level: _probe(level).get("reason") for level in LEVELS}


def facts(level: str) -> dict[str, str]:
    """What a level that can be had is made of here: Landlock's version, control groups, the programs' user."""
    return {key: value for key, value in _probe(level).items() if key != "reason"}


@functools.cache
def _probe(level: str) -> dict[str, str]:
    """Build the jail in a small process of its own, run something in it, see that it is cleaned."""
    if level == "process":
        return {} if hasattr(os, "fork") else {"reason": "this system has no fork; use Linux, macOS or WSL"}
    if not syscalls.supported():
        return {"reason": "it needs Linux on x86-64 or aarch64, with a 64-bit Python"}
    folder = tempfile.mkdtemp(prefix="rlvr-judge-")
    root = str(Path(__file__).resolve().parents[3])
    try:
        done = subprocess.run(
            [sys.executable, "-S", "-s", "-P", "-W", "ignore", "-c", _PROBE, root, level, folder],
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"reason": f"a trial of it did not end within {_PROBE_S} s"}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_groups(folder)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        text = done.stderr.decode(errors="replace").strip()
        return {"reason": f"a trial of it ended with code {done.returncode}" + (f": {text[-300:]}" if text else "")}
    if "step" in found:
        return {"reason": explain(level, found["step"], found["code"])}
    return found


def _remove_groups(folder: str) -> None:
    from rlvr.judge.jail import cgroups

    cgroups.remove(os.path.basename(folder))


def explain(level: str, step: str, code: int) -> str:
    """A sentence about a refused step, and what to do: from the switches by which systems turn these features off."""
    instead = "use --isolation restricted" if level == "full" else "use --isolation process, inside a container or a VM"
    if step.startswith("landlock"):
        return (
            f"this kernel has no Landlock ({step}); it needs Linux 5.13 or newer with 'landlock' among the names in "
            f"the boot option lsm=; or {'use --isolation process, inside a container or a VM'}"
        )
    if _setting("/proc/sys/user/max_user_namespaces") == "0":
        return f"user namespaces are off ({step}): sysctl user.max_user_namespaces=10000, or {instead}"
    if os.geteuid() and _setting("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return f"unprivileged user namespaces are off ({step}): sysctl kernel.unprivileged_userns_clone=1, or {instead}"
    if os.geteuid() and _setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            f"AppArmor keeps ordinary users from namespaces ({step}): "
            f"sysctl kernel.apparmor_restrict_unprivileged_userns=0, or {instead}"
        )
    if code in (errno.EPERM, errno.EACCES, errno.ENOSYS) and _filtered():
        return (
            f"the seccomp profile of this container blocks it ({step}): run it with --security-opt seccomp=unconfined "
            f"(and, where AppArmor is used, --security-opt apparmor=unconfined), or {instead}"
        )
    if code == errno.ENOSYS:
        return f"this kernel is too old ({step}); it needs Linux 5.13 or newer; or {instead}"
    return f"the system refused a step ({step}); {instead}"


def _setting(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _filtered() -> bool:
    return any(line.split() == ["Seccomp:", "2"] for line in _setting("/proc/self/status").splitlines())


def main() -> None:
    best = choose("auto")
    for level, reason in available().items():
        made_of = "; ".join(f"{name}: {value}" for name, value in facts(level).items())
        print(f"{level:<11}{reason or 'available' + (', the default' if level == best else '')}")
        if made_of:
            print(f"{'':<11}{made_of}")


if __name__ == "__main__":
    main()
