"""What a program reaches from inside each level of isolation: one attack for each wall, and what may not remain."""

import contextlib
import glob
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from rlvr.judge.jail import levels, seccomp, syscalls
from rlvr.records import Execution, Job, Limits
from rlvr.sandboxes.local import Local

SOURCE = Path(levels.__file__).parents[3]
WALLED = [level for level in ("full", "restricted") if sys.platform == "linux" and levels.available()[level] is None]
LEVELS = [*WALLED, "process"]
SECOND_SLOW = [*WALLED[:1], *(pytest.param(level, marks=pytest.mark.slow) for level in WALLED[1:])]
REFERENCE = {"style": "asserts", "tests": ["assert add(2, 3) == 5"], "entry_point": "add"}
ADD = "\ndef add(a, b):\n    return a + b\n"
SMALL = Limits(cpu_s=5.0, memory_mb=256)

PRELUDE = """
import ctypes, os, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def do(name, *args):
    if getattr(libc, name)(*args) < 0:
        raise OSError(ctypes.get_errno(), name)
"""
ATTACKS = {
    "tcp": "socket.create_connection(('127.0.0.1', {port}), 1)",
    "udp": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
    "a raw packet socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "an abstract socket": "socket.socket(socket.AF_UNIX).connect('\\0' + '{abstract}')",
    "a socket in the file system": "socket.socket(socket.AF_UNIX).connect('{outside}/socket')",
    "a secret file": "open('{outside}/secret').read()",
    "shadow": "open('/etc/shadow').read()",
    "the home folder": "os.listdir('{home}')",
    "the root folder": "os.listdir('{outside}')",
    "the tests' environment": "open('/proc/{pid}/environ').read()",
    "the parent's environment": "open(f'/proc/{{os.getppid()}}/environ').read()",
    "its own environment": "open('/proc/self/environ').read()",
    "processes": "os.listdir('/proc')",
    "kernel settings": "open('/proc/sys/kernel/hostname').read()",
    "the work of another": "os.listdir('{other}/program') or os.listdir('{other}/tests')",
    "the tests' folder": "os.listdir('../tests') or os.listdir('/tests/work')",
    "a file outside": "open('{outside}/made', 'w')",
    "a folder outside": "os.mkdir('{outside}/made')",
    "a truncated file": "os.truncate('{outside}/secret', 0)",
    "a file opened to be emptied": "os.close(os.open('{outside}/secret', os.O_RDONLY | os.O_TRUNC))",
    "a file moved out": "open('x', 'w').close(); os.rename('x', '{outside}/moved')",
    "a link to a secret": "os.link('{outside}/secret', 'linked')",
    "a file below the parent": "open('../made', 'w')",
    "the standard library": "open(os.__file__, 'a')",
    "shared memory": "open('/dev/shm/{abstract}', 'w'); open('{outside}/../../dev/shm/{abstract}')",
    "a signal to a process of the same user": "os.kill({victim}, signal.SIGTERM)",
    "a signal through a pidfd": "signal.pidfd_send_signal(os.pidfd_open({victim}), signal.SIGTERM)",
    "a signal to the judge": "os.kill({zygote}, signal.SIGTERM)",
    "a signal to everyone": "os.kill(-1, signal.SIGTERM) or os.kill({victim}, 0)",
    "limits of another": "import resource; resource.prlimit({victim}, resource.RLIMIT_CPU, (0, 0))",
    "priority of another": "os.setpriority(os.PRIO_PROCESS, {victim}, 19)",
    "ptrace": "do('ptrace', 16, {victim}, 0, 0)",
    "being traced": "do('ptrace', 0, 0, 0, 0)",
    "memory of another": "do('process_vm_readv', {victim}, 0, 0, 0, 0, 0)",
    "SysV shared memory": "do('shmget', 4711, 4096, 0o1666)",
    "SysV semaphores": "do('semget', 4711, 1, 0o1666)",
    "SysV messages": "do('msgget', 4711, 0o1666)",
    "a mount": "do('mount', b'x', os.getcwd().encode(), b'tmpfs', 0, None)",
    "an unmount": "do('umount2', b'/', 2)",
    "a user namespace": "do('unshare', 0x10000000)",
    "a user namespace by clone": "do('syscall', {clone}, 0x10000011, 0, 0, 0, 0)",
    "a pid namespace": "do('unshare', 0x20000000)",
    "another root": "os.chroot('.')",
    "root": "assert os.getuid(); os.setuid(0)",
    "root's group": "assert os.getgid(); os.setgid(0)",
    "the host name": "socket.sethostname('mine')",
    "the clock": "import time; time.clock_settime(time.CLOCK_REALTIME, time.time())",
    "a device": "os.mknod('disk', 0o60600, os.makedev(254, 0))",
    "a set-uid program": "import subprocess as s; assert not s.run(['su', '-c', 'id'], stdin=-3, stderr=-3).returncode",
}
CALLS = (
    "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key", "bpf",
    "perf_event_open", "userfaultfd", "shmget", "semget", "msgget", "mq_open", "kexec_load", "init_module",
    "finit_module", "delete_module", "reboot", "swapon", "swapoff", "quotactl", "personality", "ptrace",
    "process_vm_readv", "process_vm_writev", "mount", "umount2", "pivot_root", "open_tree", "move_mount", "fsopen",
    "fsmount", "mount_setattr", "setns", "unshare", "clone3", "acct", "syslog", "settimeofday", "name_to_handle_at",
    "open_by_handle_at", "fanotify_init", "memfd_secret", "pidfd_getfd", "io_setup",
)  # fmt: skip


@contextlib.contextmanager
def surroundings():
    """Things that a program should not reach, and the names that the attacks use for them."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o777)
    Path(folder, "secret").write_text("the answer")
    os.chmod(f"{folder}/secret", 0o666)
    victim = subprocess.Popen(["sleep", "600"])
    abstract = f"rlvr-test-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for name in (f"\0{abstract}", f"{folder}/socket"):
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(name)
            listener.listen()
        os.chmod(f"{folder}/socket", 0o666)
        try:
            yield {
                "outside": folder, "port": tcp.getsockname()[1], "abstract": abstract, "victim": victim.pid,
                "home": pwd.getpwuid(os.getuid()).pw_dir, "pid": os.getpid(), "clone": syscalls.number("clone"),
            }  # fmt: skip
        finally:
            victim.kill()
            victim.wait()
            shutil.rmtree(folder)


def zygote_of(sandbox) -> int:
    """The process below which programs run; at walled levels, the child of the one that the judge has started."""
    pid = sandbox._workers[0]._process.pid
    if sandbox.isolation == "process":
        return pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def printed(sandbox, *programs: str, limits: Limits = SMALL) -> list[Execution]:
    """Run programs that print, each followed by an honest solution."""
    jobs = [Job(f"{program}\n{ADD}", REFERENCE, limits=limits) for program in programs]
    return sandbox.run_many(jobs)


def attack(level: str, attacks: dict[str, str] = ATTACKS) -> dict[str, str]:
    """By attack, what became of it: `held: ...` or `through`."""
    with surroundings() as names, Local(workers=1, isolation=level).open() as sandbox:
        with Local(workers=1, isolation=level).open() as other:
            printed(sandbox, "")
            printed(other, "")
            names |= {"other": other._workers[0]._folder, "zygote": zygote_of(sandbox)}
            programs = [
                f"{PRELUDE}\ntry:\n    {code.format(**names)}\n    print('through')\n"
                "except (OSError, AssertionError, AttributeError) as error:\n    print('held:', error)"
                for code in attacks.values()
            ]
            executions = printed(sandbox, *programs)
        secret = Path(names["outside"], "secret").read_text() == "the answer"
        remaining = set(os.listdir(names["outside"])) - {"secret", "socket"}
    results = {
        name: execution.stdout.strip() or execution.why for name, execution in zip(attacks, executions, strict=True)
    }
    results["the surroundings"] = "held: unchanged" if secret and not remaining else f"through: {remaining}"
    return results


@pytest.fixture(scope="module", params=LEVELS)
def sandbox(request):
    with Local(workers=1, isolation=request.param).open() as pool:
        yield pool


@pytest.fixture(scope="module")
def walled(sandbox):
    if sandbox.isolation == "process":
        pytest.skip("this level has no walls")
    return sandbox


@pytest.mark.parametrize("level", WALLED)
def test_no_attack_gets_through(level):
    results = attack(level)
    assert {name: result for name, result in results.items() if not result.startswith("held")} == {}


@pytest.mark.parametrize("level", SECOND_SLOW)
def test_the_walls_hold_for_an_ordinary_user_too(level):
    if os.getuid() != 0:
        pytest.skip("the other tests have run as an ordinary user")
    packages, python = Path(pytest.__file__).parent.parent, Path(sys.base_prefix)
    script = "set -e; mount -t tmpfs none /mnt; cd /mnt; mkdir python source tests packages\n"
    binds = {"python": python, "packages": packages, "source": SOURCE, "tests": Path(__file__).parent}
    script += "".join(f"mount --bind {path} /mnt/{name}\n" for name, path in binds.items())
    if closed := [folder for folder in python.parents if not folder.stat().st_mode & 1]:
        script += (
            f"mount -t tmpfs -o mode=755 none {closed[-1]}; mkdir -p {python}; mount --bind /mnt/python {python}\n"
        )
    script += (
        "export PYTHONPATH=/mnt/source:/mnt/packages PYTHONDONTWRITEBYTECODE=1\n"
        f"exec setpriv --reuid 65534 --regid 65534 --clear-groups {os.path.realpath(sys.executable)} "
        f"/mnt/tests/{Path(__file__).name} {level}"
    )
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    if done.returncode and "mount" in done.stderr:
        pytest.skip(f"nothing can be mounted here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert {name: result for name, result in results.items() if not result.startswith("held")} == {}


def test_where_there_are_no_walls_the_attacks_are_real():
    """Otherwise the tests above would prove nothing."""
    names = ("tcp", "udp", "an abstract socket", "a socket in the file system", "a secret file", "a file outside")
    results = attack("process", {name: ATTACKS[name] for name in names})
    assert {name for name in names if results[name] != "through"} == set()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give them users of their own")
def test_where_there_are_no_walls_neither_programs_nor_tests_are_root(tmp_path):
    """Nor the same user: tests are often written by models, too, and so are checkers."""
    own = tmp_path / "own"
    own.write_text("x")
    own.chmod(0o600)
    tests = [
        "import os\nassert f() != os.getuid() != 0",
        f"import os\ntry:\n    os.open({str(own)!r}, os.O_WRONLY)\n    assert 0\nexcept PermissionError:\n    assert f",
        "import os\nos.mkdir(os.path.abspath('here'))\nassert os.listdir('.') == ['here'] and f",
    ]
    checker = "import os, sys\nsys.exit(os.getuid() == 0)"
    jobs = [
        Job("import os, tempfile\nf = os.getuid\ntempfile.mkdtemp()", {"style": "asserts", "tests": tests}),
        Job("print(1)", {"cases": [{"stdin": "", "stdout": "1"}], "checker": "program", "program": checker}),
    ]
    with Local(workers=1, isolation="process").open() as pool:
        for execution in pool.run_many(jobs):
            assert [test.why for test in execution.tests if test.outcome != "passed"] == []


def test_the_level_is_in_every_execution(sandbox):
    executions = printed(sandbox, "", "1 / 0", "while True: pass", limits=Limits(cpu_s=0.3))
    assert [execution.ended for execution in executions] == ["finished", "runtime_error", "timeout"]
    assert {execution.isolation for execution in executions} == {sandbox.isolation}


def test_the_limit_on_memory_is_the_same_at_every_level(sandbox):
    limits = Limits(memory_mb=64)
    enough, too_much = printed(sandbox, "x = bytearray(56 << 20)", "x = bytearray(66 << 20)", limits=limits)
    assert (enough.ended, too_much.ended) == ("finished", "memory_limit")


def test_dangerous_calls_are_refused_by_the_filter(walled):
    numbers = {name: syscalls.number(name) for name in CALLS}
    code = f"{PRELUDE}\nfor name, number in {numbers}.items():\n    ctypes.set_errno(0)\n"
    code += "    print(name, libc.syscall(number, -1, -1, -1, -1, -1, -1), ctypes.get_errno())"
    (execution,) = printed(walled, code)
    answers = {name: (int(result), int(error)) for name, result, error in map(str.split, execution.stdout.splitlines())}
    assert answers == {name: (-1, 38 if name.startswith(("io_uring", "clone3")) else 1) for name in numbers}, (
        execution.stderr
    )


@pytest.mark.skipif(syscalls.MACHINE != "x86_64", reason="about old calling conventions of x86-64")
def test_old_ways_to_call_the_kernel_end_the_program(walled):
    machine_code = (
        "import ctypes, mmap\npage = mmap.mmap(-1, 4096, prot=7)\n"
        "page.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')\n"
        "print(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))())"
    )
    executions = printed(walled, machine_code, f"{PRELUDE}\nprint(libc.syscall(0x40000000 | 39))")
    assert [(execution.ended, execution.stdout) for execution in executions] == [("runtime_error", "")] * 2
    assert {execution.why for execution in executions} == {"the program was ended by SIGSYS"}


def test_a_program_holds_its_four_descriptors_and_no_more(sandbox):
    code = "import os\nfor n in range(60):\n    try: os.fstat(n); print(n, end=' ')\n    except OSError: pass"
    assert printed(sandbox, code)[0].stdout.split() == ["0", "1", "2", "3"]


def test_nothing_passes_from_one_program_to_the_next(sandbox):
    """Files, hidden files, times and modes of the folder, shared memory, the environment, limits, the umask."""
    leave = (
        "import os\nopen('file', 'w').write('x')\nos.mkdir('.hidden', 0o300)\nopen('.hidden/file', 'w').write('x')\n"
        "for path in ('/tmp/rlvr-left', '/dev/shm/rlvr-left'):\n    try: open(path, 'w').write('x')\n"
        "    except OSError: pass\nos.utime('.', (1, 1))\nos.chmod('.', 0o750)\nos.umask(0)\nos.environ['LEFT'] = '1'\n"
        "os.nice(1)\n"
    )
    look = (
        "import os\nprint(os.listdir('.'), [p for p in ('/tmp/rlvr-left', '/dev/shm/rlvr-left') if os.path.exists(p)],"
        " os.stat('.').st_mtime < 100, oct(os.stat('.').st_mode), os.umask(0), os.environ.get('LEFT'), os.nice(0))\n"
    )
    try:
        before, _, after = printed(sandbox, look, leave, look + "\n")
        assert before.stdout.startswith("[] []" if sandbox.isolation != "process" else "[]")
        if sandbox.isolation != "process":
            assert after.stdout == before.stdout
        else:
            assert after.stdout.startswith("[] ")
    finally:
        for path in ("/tmp/rlvr-left", "/dev/shm/rlvr-left"):
            with contextlib.suppress(OSError):
                os.unlink(path)


def test_tests_are_behind_the_same_walls(walled):
    with surroundings() as names:
        probes = [ATTACKS[name].format(**names) for name in ("tcp", "a secret file", "processes", "a folder outside")]
        tests = [
            f"import os, socket\ntry:\n    {probe}\nexcept OSError:\n    pass\nelse:\n    assert False, 'through'"
            for probe in probes
        ]
        reference = {"style": "asserts", "tests": [*tests, "assert add(1, 1) == 2"], "entry_point": "add"}
        execution = walled.run(Job(ADD, reference))
    assert [test.outcome for test in execution.tests] == ["passed"] * 5, execution.tests


def test_daemons_end_with_their_program(sandbox):
    daemon = (
        f"{PRELUDE}\nfor _ in range(5):\n    if not os.fork():\n"
        "        os.setsid()\n        if os.fork(): os._exit(0)\n"
        "        for number in range(1, 65):\n"
        "            try: signal.signal(number, signal.SIG_IGN)\n            except (OSError, ValueError): pass\n"
        "        libc.prctl(15, b'rlvr-daemon', 0, 0, 0)\n        os.chdir('/')\n        signal.pause()\n"
        "        while True: signal.pause()\nimport time\ntime.sleep(0.1)"
    )
    (execution,) = printed(sandbox, daemon)
    assert execution.ended == "finished"
    assert named("rlvr-daemon") == []


def named(name: str) -> list[str]:
    found = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if Path(path).read_text().strip() == name:
                found.append(path)
    return found


def test_honest_programs_find_what_they_need(sandbox):
    """Files, temporary files, subprocesses, threads, an event loop, pipes, less common modules of the library."""
    code = """
import asyncio, decimal, os, shutil, sqlite3, subprocess, sys, tempfile, threading, time, zoneinfo
with open('a.txt', 'w') as file:
    file.write('text')
shutil.copy('a.txt', 'b.txt')
os.chmod('b.txt', 0o600)
os.makedirs('folder/inner')
os.rename('b.txt', 'folder/inner/c.txt')
with tempfile.TemporaryDirectory() as place, tempfile.NamedTemporaryFile() as file:
    file.write(b'x')
shutil.rmtree('folder')
assert subprocess.run(['cat', 'a.txt'], capture_output=True, text=True).stdout == 'text'
assert subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True, text=True).stdout == '1\\n'
async def main():
    return await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))
assert asyncio.run(main()) == [1, 2]
thread = threading.Thread(target=time.sleep, args=(0,))
thread.start(); thread.join()
assert sqlite3.connect('base').execute('select 1 + 1').fetchone() == (2,)
with open(os.devnull, 'w') as file:
    file.write('x')
assert len(os.urandom(3)) == 3
zoneinfo.available_timezones()
child = os.fork()
if not child:
    os._exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
reader, writer = os.pipe()
print('all of it')
"""
    (execution,) = printed(sandbox, code)
    assert (execution.stdout, execution.ended, execution.why) == ("all of it\n", "finished", "")


@pytest.mark.skipif("full" not in WALLED, reason="needs the level `full`")
def test_the_work_folder_is_bounded_in_bytes_and_files(walled):
    if walled.isolation != "full":
        pytest.skip("only a folder in memory is bounded as a whole")
    code = (
        "import os\ntry:\n    for n in range({}):\n        with open(str(n), 'wb') as file: file.write(b'x' * {})\n"
        "except OSError as error: print(error.strerror, n > {})"
    )
    executions = printed(walled, code.format(100, 1 << 20, 50), code.format(5000, 0, 3000))
    assert [execution.stdout for execution in executions] == ["No space left on device True\n"] * 2
    assert printed(walled, "import os\nprint(os.listdir('.'))")[0].stdout == "[]\n"


def test_a_tree_that_needs_too_much_memory_together_is_ended(walled):
    if "memory" not in levels.facts(walled.isolation)["cgroup"]:
        pytest.skip("no control group for memory can be made here")
    code = (
        "import os, time\nkept = b''\nfor _ in range(6):\n    if not os.fork():\n        kept = b'x' * (60 << 20)\n"
        "        time.sleep(60)\nkept = b'x' * (60 << 20)\ntime.sleep(60)"
    )
    (execution,) = printed(walled, code, limits=Limits(cpu_s=5.0, wall_s=8.0, memory_mb=64 + 16))
    assert execution.ended == "memory_limit"
    assert printed(walled, "# again")[0].ended == "finished"


def test_a_hundred_programs_leave_nothing_behind(walled):
    hostile = (
        "import os, time\nfor n in range(20): open(str(n), 'w').write('x' * 1000)\n"
        "if not os.fork():\n    os.setsid()\n    time.sleep(100)\nos.mkdir('closed', 0)"
    )
    mounts = Path("/proc/self/mountinfo").read_text()
    printed(walled, hostile, "# warm")
    before = state(walled)
    programs = [f"{hostile}\n# {n}" if n % 10 == 0 else f"x = {n}" for n in range(100)]
    assert {execution.ended for execution in printed(walled, *programs)} == {"finished"}
    assert state(walled) == before
    assert Path("/proc/self/mountinfo").read_text() == mounts


def state(sandbox) -> list[object]:
    """Descriptors, mounts and temporary files of a worker, and whether only a tests' process is below it."""
    keeper, zygote = sandbox._workers[0]._process.pid, zygote_of(sandbox)
    found: list[object] = [len(os.listdir(f"/proc/{pid}/fd")) for pid in (keeper, zygote)]
    found.append(len(Path(f"/proc/{zygote}/mountinfo").read_text().splitlines()))
    below = Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split()
    deeper = [Path(f"/proc/{pid}/task/{pid}/children").read_text() for pid in below]
    found.append(deeper in ([], [""]))
    found.append(sorted(str(path) for path in Path(sandbox._workers[0]._folder).rglob("*")))
    return found


@pytest.mark.parametrize("level", SECOND_SLOW)
@pytest.mark.parametrize("end", ["close", "kill"])
def test_a_judge_that_ends_takes_everything_with_it(level, end):
    script = (
        "import os, sys, threading, time\nfrom rlvr.sandboxes.local import Local\nfrom rlvr.records import Job\n"
        f"with Local(workers=1, isolation={level!r}).open() as sandbox:\n"
        f"    job = lambda code: Job(code + {ADD!r}, {REFERENCE!r})\n"
        "    sandbox.run(job(''))\n    worker = sandbox._workers[0]\n"
        "    print(worker._process.pid, worker._folder, flush=True)\n"
        "    threading.Thread(target=sandbox.run, args=(job('import time; time.sleep(100)'),), daemon=True).start()\n"
        "    time.sleep(0.2)\n" + ("    os.kill(os.getpid(), 9)\n" if end == "kill" else "")
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, stdout=-1, stderr=-1, text=True, check=False)
    pid, folder = done.stdout.split()
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}"), done.stderr
    assert not os.path.exists(folder)
    if end == "close":
        assert done.returncode == 0, done.stderr
    if os.getuid() == 0:
        assert glob.glob(f"/sys/fs/cgroup/**/*{os.path.basename(folder)}", recursive=True) == []


def test_the_best_level_is_the_default_and_an_unknown_one_names_those_that_exist():
    with Local(workers=1).open() as sandbox:
        assert sandbox.isolation == LEVELS[0]
    with pytest.raises(ValueError, match=r"restrictive.*Did you mean 'restricted'"):
        Local(isolation="restrictive")


REFUSALS = {
    "no user namespaces": (
        "open('/proc/sys/user/max_user_namespaces', 'w').write('0')",
        "sysctl user.max_user_namespaces=",
    ),
    "a filter": (
        "import ctypes, errno; ctypes.CDLL(None).prctl(38, 1, 0, 0, 0);"
        "from rlvr.judge.jail import seccomp; seccomp.install(seccomp.build(full=False, abi=7, owns_files=False))",
        "--security-opt seccomp=unconfined",
    ),
}


@pytest.mark.skipif("full" not in WALLED, reason="needs namespaces to take away")
@pytest.mark.parametrize("how", REFUSALS)
def test_a_level_that_cannot_be_had_is_an_error_with_its_remedy(how):
    take_away, remedy = REFUSALS[how]
    script = (
        f"{take_away}\nfrom rlvr.sandboxes.local import Local\n"
        "try: Local(isolation='full')\nexcept ValueError as error: print(error)\n"
        "with Local(workers=1).open() as sandbox: print(sandbox.isolation)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = ["unshare", "-Ur", sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, stdout=-1, stderr=-1, text=True, check=False)
    error, chosen = done.stdout.splitlines()
    assert error.startswith("isolation 'full' cannot be had here: ")
    assert remedy in error
    assert "use --isolation restricted" in error
    assert chosen == "restricted"


def test_the_filter_names_calls_of_both_architectures():
    """Each is a valid program for its machine: whole instructions, jumps inside, a return at the end."""
    for machine in syscalls.MACHINES:
        for abi in (1, 7):
            program = seccomp.build(full=False, abi=abi, owns_files=True, machine=machine)
            codes = [(program[at], program[at + 2], program[at + 3]) for at in range(0, len(program), 8)]
            assert len(program) % 8 == 0
            assert len(codes) < 4096
            assert codes[-1][0] == 0x06
            jumps = [(at, max(true, false)) for at, (code, true, false) in enumerate(codes) if code & 7 == 5]
            assert all(at + 1 + distance < len(codes) for at, distance in jumps)


if __name__ == "__main__":
    print(json.dumps(attack(sys.argv[1])))
