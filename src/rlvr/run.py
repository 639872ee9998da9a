"""One folder for each run: what was asked, what happened, what came out.

config.yaml      the resolved recipe
run.json         command, versions, hardware, git, seed, status, best checkpoint, timings
patches/         what the working copy had besides its commit, if the command was run in one
RESULTS.md       what was trained, before and after, how to do it again
log.txt          sentences for people; only ever longer
metrics.jsonl    one row a step; everything that a clock touches stands under `seconds`
tasks.jsonl      the tasks that were trained on
traces/          rollouts.jsonl  every sample of a batch with its verdict and reward
                 samples.jsonl   what became of every sample, those that reached no batch included
                 trace.jsonl     name, version of the weights, start and end (Unix seconds) of each piece of work
checkpoints/     step_N or cycle_N folders, each complete or absent
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import rlvr
from rlvr.records import Json
from rlvr.storage import dump_line, read_lines, write_text

APPENDED = ("metrics.jsonl", "traces/rollouts.jsonl", "traces/samples.jsonl", "traces/trace.jsonl")
"""The files that grow with the steps, and go back to a checkpoint's length on resume."""

SMALL = 2**20
"""Bytes of untracked files, in all, that are copied into a run."""

_ENDING_S = 5.0
"""How long what a killed process has left behind may take to end."""
_PACKAGES = ("torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "pydantic", "tensorboard", "wandb")


class RunStoppedError(Exception):
    """A run ended itself by a rule of its recipe; its checkpoints are kept."""


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep a run's folder for this process: two that write into one would ruin it, as a queue that starts a job again
    too early can. Raises `FileExistsError` where another one has it."""
    import fcntl

    folder, deadline = os.open(path, os.O_RDONLY), time.monotonic() + _ENDING_S
    try:
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise FileExistsError(
                        f"another process is training in {path}: wait for its end, or end it"
                    ) from error
                time.sleep(0.1)
                continue
            except OSError:
                pass  # a file system without locks
            break
        yield
    finally:
        os.close(folder)


class Run:
    """A run's folder. Make one with `create` or `reopen`."""

    def __init__(self, path: Path, facts: dict[str, Json]) -> None:
        self.path, self._facts = path, facts
        self._started, self._cpu = time.monotonic(), cpu_seconds()
        self._before: dict[str, float] = {}

    @classmethod
    def create(cls, path: Path, config: str, seed: int, gpus: Sequence[Json] = ()) -> "Run":
        """A new folder. config: the resolved recipe as YAML. gpus: what to say of them.

        Raises `FileExistsError` if anything is there already.
        """
        path = path.resolve()
        if (path / "run.json").exists():
            raise FileExistsError(f"{path} already holds a run; continue it with --resume, or choose another --out")
        if path.is_file() or (path.exists() and any(path.iterdir())):
            what = "is a file" if path.is_file() else "already holds files, and no run"
            raise FileExistsError(f"{path} {what}; choose another --out")
        # Moved into place whole, so that what a killed process left can always be resumed.
        aside = path.with_name(f".{path.name}.tmp")
        shutil.rmtree(aside, ignore_errors=True)
        facts = _facts(seed, gpus)
        try:
            (aside / "traces").mkdir(parents=True)
            (aside / "checkpoints").mkdir()
            write_text(aside / "config.yaml", config)
            if facts["git"] is not None:
                _write_patches(aside / "patches", facts["git"]["root"])
            cls(aside, facts)._save("running")
            os.replace(aside, path)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        return cls(path, facts)

    @classmethod
    def reopen(cls, path: Path, config: str) -> "Run":
        """The run to resume. Raises `FileNotFoundError` without one and `ValueError` if it had another recipe."""
        if not (path / "run.json").exists():
            raise FileNotFoundError(f"{path} holds no run to resume: it has no run.json")
        before = (path / "config.yaml").read_text(encoding="utf-8")
        if before != config:
            raise ValueError(
                f"{path} was made by another recipe and cannot be resumed with this one:\n{_difference(before, config)}"
            )
        run = cls(path, json.loads((path / "run.json").read_text(encoding="utf-8")))
        run._facts["resumed"] = [*run._facts.get("resumed", []), _now()]
        run._before = run._facts.get("spent", {})
        run._save("running")
        return run

    def metrics(self, row: Mapping[str, Json]) -> None:
        self._append("metrics.jsonl", [row])

    def rollouts(self, rows: Iterable[Json]) -> None:
        self._append("traces/rollouts.jsonl", rows)

    def samples(self, rows: Iterable[Json]) -> None:
        self._append("traces/samples.jsonl", rows)

    def spans(self, rows: Iterable[Json]) -> None:
        self._append("traces/trace.jsonl", rows)

    def measured(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl` so far."""
        path = self.path / "metrics.jsonl"
        return [row for _, row in read_lines(path) if isinstance(row, dict)] if path.exists() else []

    @property
    def facts(self) -> Mapping[str, Any]:
        """What `run.json` says."""
        return self._facts

    def note(self, **facts: Json) -> None:
        """Write more into `run.json`."""
        self._facts.update(facts)
        self._save(self._facts["status"])

    def log(self, sentence: str) -> None:
        with open(self.path / "log.txt", "a", encoding="utf-8") as file:
            file.write(f"{_now()} {sentence}\n")

    def finish(self, status: str, **facts: Json) -> None:
        """status: finished, interrupted or failed."""
        self._facts.update(facts)
        self._save(status)

    def discard_if_empty(self) -> None:
        """Remove the folder of a run that made nothing, so that a corrected recipe can have it."""
        made = [self.path / name for name in ("warmup", *APPENDED)]
        if not self.checkpoints() and not any(path.exists() for path in made):
            shutil.rmtree(self.path)

    def lengths(self) -> dict[str, int]:
        """Bytes of the files that grow, for a checkpoint."""
        return {name: (self.path / name).stat().st_size for name in APPENDED if (self.path / name).exists()}

    def rewind(self, lengths: Mapping[str, int]) -> None:
        """Cut the growing files back to a checkpoint, so that no step stands there twice.

        Raises `ValueError` where rows are gone that the checkpoint has seen.
        """
        found = self.lengths()
        for name in APPENDED:
            if found.get(name, 0) < lengths.get(name, 0):
                raise ValueError(
                    f"{self.path / name} is shorter than at the checkpoint ({found.get(name, 0):,} bytes, and it had "
                    f"{lengths[name]:,}): it was changed since, so this run cannot be resumed"
                )
            if name in found:
                os.truncate(self.path / name, lengths.get(name, 0))

    def checkpoints(self) -> list[Path]:
        """Complete checkpoints, oldest first."""
        return checkpoints(self.path)

    def forget_checkpoints(self, keep: int, stays: Callable[[int], bool] = lambda number: False) -> None:
        """Remove all but the newest `keep` and those whose number stays, and what was left half written."""
        for path in self.checkpoints()[:-keep]:
            if not stays(_number(path)):
                # Under another name first: a folder called step_N is complete at every moment.
                os.replace(path, path.with_name(f".{path.name}.tmp"))
        for path in (self.path / "checkpoints").glob(".*.tmp"):
            shutil.rmtree(path)

    def _append(self, name: str, rows: Iterable[Json]) -> None:
        with open(self.path / name, "a", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.writelines(dump_line(row) for row in rows)

    def _save(self, status: str) -> None:
        """Seconds, CPU of children included, are those until now, so that a killed run has them, too."""
        spent = {"seconds": time.monotonic() - self._started, "cpu_seconds": cpu_seconds() - self._cpu}
        self._facts["spent"] = {name: round(self._before.get(name, 0.0) + s, 3) for name, s in spent.items()}
        self._facts["status"] = status
        write_text(self.path / "run.json", json.dumps(self._facts, indent=2, ensure_ascii=False) + "\n")


def checkpoints(run: Path) -> list[Path]:
    """The complete checkpoints in a run's folder (`step_N` or `cycle_N`), oldest first."""
    found = [path for kind in ("step", "cycle") for path in (run / "checkpoints").glob(f"{kind}_*") if path.is_dir()]
    return sorted(found, key=_number)


def _number(checkpoint: Path) -> int:
    return int(checkpoint.name.partition("_")[2])


def cpu_seconds() -> float:
    """CPU seconds of this process and of all below it, those under way (a shared judge's) where the system tells."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system + _of_living_children(os.getpid())


def _of_living_children(pid: int) -> float:
    spent = 0.0
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        # Any of them may end while it is looked at.
        with suppress(OSError):
            for child in map(int, listed.read_text().split()):
                with suppress(OSError):
                    fields = Path(f"/proc/{child}/stat").read_text(errors="replace").rpartition(")")[2].split()
                    # User and system time, its own and that of children it has waited for.
                    spent += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") + _of_living_children(child)
    return spent


def default_path(name: str) -> Path:
    """`results/<name>_<YYYYMMDD-HHMMSS>`, under `$SM_MODEL_DIR` where SageMaker sets it."""
    root = Path(os.environ.get("SM_MODEL_DIR", "results"))
    return root / f"{name}_{datetime.now().strftime('%Y%m%d-%H%M%S')}"


def _facts(seed: int, gpus: Sequence[Json]) -> dict[str, Any]:
    return {
        "rlvr": rlvr.__version__,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "folder": os.getcwd(),
        "seed": seed,
        "started": _now(),
        "host": platform.node(),
        "hardware": {"machine": platform.machine(), "cores": os.cpu_count(), "gpus": list(gpus)},
        "python": platform.python_version(),
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
        "git": _git(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git() -> dict[str, Json] | None:
    """Root, commit, branch, and whether the tree differs from it, of the folder the command was run in."""
    found = _ask_git(".", "rev-parse", "--show-toplevel", "HEAD", "--abbrev-ref", "HEAD").split("\n")
    if len(found) < 3:
        return None
    root, commit, branch = found[:3]
    return {"root": root, "commit": commit, "branch": branch, "changed": bool(_ask_git(root, "status", "--porcelain"))}


def _write_patches(folder: Path, root: str) -> None:
    """What has to be added to the commit to have the working copy again: changes, staged ones, untracked files.

    Untracked files are copied where they are small together; their names stand there in any case.
    """
    folder.mkdir()
    status = _ask_git(root, "status", "--porcelain")
    changed = any(not line.startswith("??") for line in status.split("\n") if line)
    untracked = _ask_git(root, "ls-files", "--others", "--exclude-standard") if "??" in status else ""
    texts = {
        "git_status.txt": status,
        "git_diff.patch": _ask_git(root, "diff") if changed else "",
        "git_diff_cached.patch": _ask_git(root, "diff", "--cached") if changed else "",
        "git_untracked.txt": untracked,
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    files = [path for name in untracked.split("\n") if name and (path := Path(root) / name).is_file()]
    if files and sum(path.stat().st_size for path in files) <= SMALL:
        with tarfile.open(folder / "untracked.tar.gz", "w:gz") as archive:
            for path in files:
                archive.add(path, path.relative_to(root))


def _ask_git(root: str, *arguments: str) -> str:
    """What git says, empty where there is none."""
    command = ["git", "-c", "core.quotepath=off", *arguments]
    try:
        return subprocess.run(
            command, cwd=root, capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _difference(before: str, after: str) -> str:
    import difflib

    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "the run's recipe", "this recipe", n=0, lineterm=""
    )
    return "\n".join(lines)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
