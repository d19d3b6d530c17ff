import os
import select
import signal
import subprocess
import sys
import time

import pytest

from engine import processes
from engine.records import Process


@pytest.fixture
def sleeper():
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield child
    child.kill()
    child.wait()


def test_a_running_process_is_alive_and_gone_once_reaped(sleeper):
    process = processes.identify(sleeper.pid)
    assert process is not None and processes.alive(process)
    sleeper.kill()
    sleeper.wait()
    assert not processes.alive(process)
    assert processes.identify(sleeper.pid) is None


def test_a_zombie_is_not_alive(sleeper):
    process = processes.identify(sleeper.pid)
    fd = processes.watch(process)
    sleeper.kill()
    assert select.select([fd], [], [], 10)[0]
    os.close(fd)
    assert processes.start_time(sleeper.pid) == process.start  # still in the table
    assert not processes.alive(process)
    assert processes.watch(process) is None


def test_a_reused_pid_is_another_process(sleeper):
    now = processes.identify(sleeper.pid)
    earlier = Process(now.pid, now.start - 1)
    assert not processes.alive(earlier)
    assert processes.watch(earlier) is None
    assert not processes.send(earlier, signal.SIGKILL)
    assert sleeper.poll() is None


def test_a_signal_reaches_the_process_it_is_meant_for(sleeper):
    assert processes.send(processes.identify(sleeper.pid), signal.SIGTERM)
    assert sleeper.wait(timeout=10) == -signal.SIGTERM


def test_a_command_name_with_parentheses_does_not_shift_the_fields(tmp_path):
    odd = tmp_path / "a) S (b"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([str(odd), "60"]) as child:
        try:
            process = processes.identify(child.pid)
            assert processes.alive(process)
            assert process.start > 1000
        finally:
            child.kill()


def test_descendants_are_found_across_sessions(sleeper):
    tree = "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True).wait()"
    with subprocess.Popen([sys.executable, "-c", tree]) as parent:
        try:
            deadline = time.monotonic() + 20
            while not (below := processes.descendants(parent.pid)):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert parent.pid not in below and sleeper.pid not in below
            assert {parent.pid, *below, sleeper.pid} <= set(processes.descendants(os.getpid()))
            processes.kill_all(below)
            assert parent.wait(timeout=10) == 0
            assert processes.descendants(parent.pid) == []
        finally:
            parent.kill()


def test_the_module_imports_the_standard_library_only():
    code = "import sys; sys.path.append('.'); import engine.processes; print('msgspec' in sys.modules)"
    root = os.path.dirname(os.path.dirname(processes.__file__))
    command = [sys.executable, "-I", "-S", "-c", code]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
