"""The shim over real little programs. What it writes is read as the rest of the engine reads it."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from engine import locks, processes, shim
from engine.records import Exit, Process, Started

PYTHON = sys.executable
IGNORES_TERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('deaf', flush=True)
time.sleep(60)
"""
TIDY = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print('saved', flush=True), sys.exit(0)))
print('up', flush=True)
time.sleep(60)
"""
TWO_ORPHANS = """
import subprocess, sys, time, signal, os
for _ in range(2):
    middle = "import subprocess; print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid, flush=True)"
    subprocess.run([sys.executable, '-c', middle], check=True)
print('orphaned', flush=True)
"""


class Supervised:
    """A shim that was started on a command, in a folder of its own."""

    def __init__(self, until, folder: Path, command: list[str], grace: float = 20.0, **options) -> None:
        self.until = until
        self.lock, self.log = folder / "lock", folder / "out.log"
        self.started, self.exit = folder / "1" / "started.json", folder / "1" / "exit.json"
        held = locks.acquire(self.lock)
        files = ["--log", self.log, "--started", self.started, "--exit", self.exit]
        self.process = subprocess.Popen(
            [PYTHON, "-I", "-S", shim.__file__, *files, "--lock", str(held.fd), "--grace", str(grace), "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[held.fd],
            start_new_session=True,
            **options,
        )
        held.hand_over()
        self.said = self.process.stdout.read().decode()

    @property
    def evidence(self) -> Started:
        return msgspec.json.decode(self.started.read_bytes(), type=Started)

    def ended(self) -> Exit:
        """Waits for the lock, as an observer does, and reads what is there then."""
        self.until(lambda: not locks.held(self.lock))
        return msgspec.json.decode(self.exit.read_bytes(), type=Exit)

    def logged(self, text: str) -> str:
        return self.until(lambda: self.log.exists() and text in (content := self.log.read_text()) and content)


@pytest.fixture
def supervise(tmp_path, until):
    made = []

    def start(*command: str, **options) -> Supervised:
        made.append(Supervised(until, tmp_path, list(command), **options))
        return made[-1]

    yield start
    for supervised in made:
        supervised.process.send_signal(shim.KILL)
        supervised.process.wait(timeout=30)
        supervised.process.stdout.close()


def test_it_says_who_runs_before_anything_ends(supervise):
    run = supervise("sleep", "60")
    said = json.loads(run.said)
    assert run.evidence.shim == Process(**said["shim"]) == processes.identify(run.process.pid)
    assert run.evidence.worker == Process(**said["worker"])
    assert processes.alive(run.evidence.worker)
    assert (run.evidence.host, run.evidence.boot) == (processes.host_name(), processes.boot_id())
    assert locks.held(run.lock) and not run.exit.exists()


@pytest.mark.parametrize("code", [0, 3])
def test_the_exit_code_is_there_once_the_lock_is_free(supervise, code):
    exit = supervise(PYTHON, "-c", f"print('out'); raise SystemExit({code})").ended()
    assert (exit.code, exit.signal, exit.asked, exit.out_of_memory) == (code, None, "", False)


def test_a_killed_worker_is_told_by_its_signal(supervise):
    run = supervise("sleep", "60")
    os.kill(run.evidence.worker.pid, signal.SIGKILL)
    exit = run.ended()
    assert (exit.code, exit.signal, exit.asked, exit.out_of_memory) == (None, signal.SIGKILL, "", False)


def test_output_and_errors_are_appended_to_one_log(supervise):
    run = supervise("sh", "-c", "echo first; echo second >&2")
    run.ended()
    supervise("echo", "third").ended()
    assert run.log.read_text() == "first\nsecond\nthird\n"


def test_the_worker_gets_a_clean_start(supervise):
    """A session of its own, no input, no inherited descriptor but its output, no signal ignored or blocked."""
    look = "; ".join(
        [
            "import os, signal",
            "fds = [f for f in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + f)]",
            "print(sorted(map(int, fds)), os.getsid(0) == os.getpid(), os.read(0, 1), signal.pthread_sigmask(0, ()))",
            "print([s.name for s in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)"
            " if signal.getsignal(s) == signal.SIG_IGN])",
        ]
    )
    run = supervise(PYTHON, "-c", look)
    run.ended()
    assert run.log.read_text() == "[0, 1, 2] True b'' set()\n[]\n"


def test_a_command_that_is_not_there_ends_with_127_and_a_word_in_the_log(supervise):
    run = supervise("no-such-program")
    assert run.ended().code == 127
    assert "cannot start no-such-program: No such file" in run.log.read_text()


def test_stop_lets_the_worker_finish_by_itself(supervise):
    run = supervise(PYTHON, "-c", TIDY)
    run.logged("up")
    run.process.send_signal(shim.STOP)
    exit = run.ended()
    assert (exit.code, exit.asked) == (0, "stop")
    assert "saved" in run.log.read_text()


def test_stop_reaches_the_worker_alone_and_not_its_children(supervise):
    waits = (
        "import signal, subprocess; signal.signal(15, lambda *_: print('asked', flush=True));"
        "child = subprocess.Popen(['sleep', '1.5']); print('up', flush=True); print('child', child.wait(), flush=True)"
    )
    run = supervise(PYTHON, "-c", waits)
    run.logged("up")
    run.process.send_signal(shim.STOP)
    assert run.ended().code == 0
    assert run.log.read_text() == "up\nasked\nchild 0\n"


def test_a_worker_that_ignores_stop_is_killed_after_the_grace_period(supervise):
    run = supervise(PYTHON, "-c", IGNORES_TERM, grace=0.5)
    run.logged("deaf")
    run.process.send_signal(shim.STOP)
    exit = run.ended()
    assert (exit.signal, exit.asked) == (signal.SIGKILL, "stop")
    assert exit.at - run.evidence.at >= 0.5


def test_kill_does_not_wait_for_the_grace_period(supervise):
    run = supervise(PYTHON, "-c", IGNORES_TERM, grace=1000)
    run.logged("deaf")
    run.process.send_signal(shim.STOP)
    run.process.send_signal(shim.KILL)
    exit = run.ended()
    assert (exit.signal, exit.asked) == (signal.SIGKILL, "kill")


@pytest.mark.parametrize("ending", ["deaf", "by itself"])
def test_orphans_in_sessions_of_their_own_end_with_the_worker(supervise, ending):
    run = supervise(PYTHON, "-c", TWO_ORPHANS + (IGNORES_TERM if ending == "deaf" else ""), grace=0.3)
    orphans = [int(line) for line in run.logged("deaf" if ending == "deaf" else "orphaned").split() if line.isdigit()]
    assert len(orphans) == 2
    if ending == "deaf":
        assert all(processes.start_time(pid) for pid in orphans)
        run.process.send_signal(shim.STOP)
    run.ended()
    assert [pid for pid in orphans if processes.start_time(pid)] == []


def test_a_terminal_that_hangs_up_or_interrupts_is_ignored(supervise):
    run = supervise("sleep", "60")
    run.process.send_signal(signal.SIGHUP)
    run.process.send_signal(signal.SIGINT)
    run.process.send_signal(shim.STOP)
    assert run.ended().asked == "stop"


def test_a_dead_shim_frees_the_lock_and_leaves_the_worker(supervise, until):
    run = supervise("sleep", "60")
    worker = run.evidence.worker
    run.process.kill()
    until(lambda: not locks.held(run.lock))
    assert processes.alive(worker) and not run.exit.exists()
    assert processes.send(worker, signal.SIGKILL)


def test_the_worker_never_begins_if_the_start_cannot_be_written(supervise, tmp_path, until):
    def no_space():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    run = supervise("touch", str(tmp_path / "ran"), preexec_fn=no_space)
    assert run.process.wait(timeout=30) == 1
    assert run.said.startswith("cannot write")
    until(lambda: not locks.held(run.lock))
    assert not run.started.exists() and not (tmp_path / "ran").exists()


def test_the_worker_never_begins_if_the_shim_dies_before_it_wrote_the_start(tmp_path, until):
    """Held at the writing of `started` by a pipe in its place, then killed."""
    (tmp_path / "1").mkdir()
    os.mkfifo(tmp_path / "1" / "started.json.part")
    held = locks.acquire(tmp_path / "lock")
    files = ["--log", tmp_path / "log", "--started", tmp_path / "1/started.json", "--exit", tmp_path / "1/exit.json"]
    options = [*files, "--lock", str(held.fd), "--grace", "1", "--"]
    command = [PYTHON, "-I", "-S", shim.__file__, *options, "touch", str(tmp_path / "ran")]
    with subprocess.Popen(command, pass_fds=[held.fd], stdout=subprocess.DEVNULL) as process:
        held.hand_over()
        worker = until(lambda: processes.descendants(process.pid))[0]
        assert locks.held(tmp_path / "lock")
        process.kill()
    until(lambda: not locks.held(tmp_path / "lock"))
    until(lambda: not processes.start_time(worker))
    assert not (tmp_path / "ran").exists()


def test_an_exit_that_finds_no_space_is_written_when_there_is_some_again(supervise, until):
    run = supervise("sleep", "60")
    limits = resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, (0, limits[1]))
    os.kill(run.evidence.worker.pid, signal.SIGKILL)
    until(lambda: not processes.alive(run.evidence.worker))
    time.sleep(0.3)
    assert not run.exit.exists() and locks.held(run.lock)
    resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, limits)
    assert run.ended().signal == signal.SIGKILL


@pytest.fixture
def control_group(until):
    """A control group with 60 MB of memory: a way into it, and nothing is left of it."""
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    parent = Path("/sys/fs/cgroup" if unified else "/sys/fs/cgroup/memory")
    group, limit = parent / f"sciml-tui-test-{os.getpid()}", "memory.max" if unified else "memory.limit_in_bytes"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("needs the right to make a control group")
    if not (group / limit).exists():
        group.rmdir()
        pytest.skip("needs a control group for memory")
    (group / limit).write_text("60000000")
    yield lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
    until(lambda: not (group / "cgroup.procs").read_text())
    group.rmdir()


def test_a_worker_that_eats_all_memory_is_told_apart_from_one_that_was_killed(supervise, control_group):
    eats = "eaten = [bytearray(b'x') * 1_000_000 for _ in range(200)]"
    exit = supervise(PYTHON, "-c", eats, preexec_fn=control_group).ended()
    assert (exit.signal, exit.out_of_memory) == (signal.SIGKILL, True)
    killed = supervise("sleep", "60", preexec_fn=control_group)
    os.kill(killed.evidence.worker.pid, signal.SIGKILL)
    assert not killed.ended().out_of_memory
    killed.process.wait(timeout=30)


def test_it_is_small(supervise):
    run = supervise("sleep", "60")
    resident = int(Path(f"/proc/{run.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()
    assert resident < 20e6
    maps = Path(f"/proc/{run.process.pid}/maps").read_text()
    assert "site-packages" not in maps and "numpy" not in maps


# Several runs


class Pair:
    """A shim over one worker for two runs."""

    def __init__(self, folder: Path, command: list[str], grace: float = 20.0) -> None:
        self.folders = [folder / name for name in ("one", "two")]
        options = ["--log", folder / "out.log", "--grace", str(grace)]
        held = []
        for own in self.folders:
            own.mkdir()
            held.append(locks.acquire(own / "lock"))
            for name in ("started", "exit", "result", "asked"):
                options += [f"--{name}", own / name]
            options += ["--lock", str(held[-1].fd)]
        self.process = subprocess.Popen(
            [PYTHON, "-I", "-S", shim.__file__, *options, "--", *command],
            stdout=subprocess.PIPE,
            pass_fds=[lock.fd for lock in held],
            start_new_session=True,
        )
        for lock in held:
            lock.hand_over()
        self.said = json.loads(self.process.stdout.read())

    def held(self) -> list[bool]:
        return [locks.held(own / "lock") for own in self.folders]

    def exits(self) -> list[Exit | None]:
        paths = [own / "exit" for own in self.folders]
        return [msgspec.json.decode(path.read_bytes(), type=Exit) if path.exists() else None for path in paths]

    def close(self) -> None:
        self.process.send_signal(shim.KILL)
        self.process.wait(timeout=30)
        self.process.stdout.close()


@pytest.fixture
def pair(tmp_path):
    made = []

    def start(*command: str, **options) -> Pair:
        made.append(Pair(tmp_path, list(command), **options))
        return made[-1]

    yield start
    for supervised in made:
        supervised.close()


def test_of_several_one_that_has_ended_is_let_go_and_the_worker_goes_on(pair, until):
    runs = pair("sleep", "60")
    assert runs.held() == [True, True]
    (runs.folders[0] / "result").touch()
    runs.process.send_signal(shim.LOOK)
    until(lambda: runs.held() == [False, True])
    first, second = runs.exits()
    assert (first.code, first.signal, first.asked) == (None, None, "") and second is None
    os.kill(runs.said["worker"]["pid"], signal.SIGKILL)
    until(lambda: runs.held() == [False, False])
    assert runs.exits()[0] == first and runs.exits()[1].signal == signal.SIGKILL


def test_the_worker_is_stopped_once_all_that_are_left_are_to_stop(pair, until):
    runs = pair(PYTHON, "-c", IGNORES_TERM, grace=0.5)
    (runs.folders[0] / "asked").touch()
    runs.process.send_signal(shim.LOOK)
    time.sleep(0.8)
    assert runs.held() == [True, True]  # one that is slow to stop is not killed: the other would be, too
    (runs.folders[1] / "result").touch()
    runs.process.send_signal(shim.LOOK)
    until(lambda: runs.held() == [False, False])
    first, second = runs.exits()
    assert (first.signal, first.asked) == (signal.SIGKILL, "stop")
    assert (second.signal, second.asked) == (None, "")


def test_if_the_start_of_one_cannot_be_written_none_was_started(tmp_path, until):
    (tmp_path / "two").write_text("a file where a folder should be")
    held = locks.acquire(tmp_path / "lock")
    options = ["--log", tmp_path / "log", "--grace", "1"]
    for own in ("one", "two"):
        options += ["--started", tmp_path / own / "started", "--exit", tmp_path / own / "exit", "--lock", str(held.fd)]
    command = [PYTHON, "-I", "-S", shim.__file__, *options, "--", "touch", str(tmp_path / "ran")]
    done = subprocess.run(command, pass_fds=[held.fd], capture_output=True, text=True)
    held.release()
    assert done.returncode == 1 and "cannot write" in done.stderr
    assert not (tmp_path / "one" / "started").exists() and not (tmp_path / "ran").exists()
