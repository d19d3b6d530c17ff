import os
import signal
import sys
from pathlib import Path

import pytest

from engine import detach
from engine.errors import ServiceError


def spawn(code, folder, **options):
    process, said = detach.spawn([sys.executable, "-c", code], environment=os.environ, folder=folder, **options)
    process.kill()
    process.wait()
    return process, said


LET_GO = "import os, time; [os.dup2(os.open('/dev/null', 2), fd) for fd in (0, 1, 2)]; time.sleep(60)"


def test_what_a_process_says_is_heard_until_it_lets_go_of_its_output(tmp_path):
    process, said = spawn(
        f"import sys; print('up', flush=True); print('well', file=sys.stderr, flush=True); {LET_GO}", tmp_path
    )
    assert said == "up\nwell"
    assert process.returncode == -signal.SIGKILL  # it was still there


def test_it_has_a_session_and_a_folder_of_its_own_and_no_terminal(tmp_path):
    _, said = spawn("import os, sys; print(os.getsid(0) == os.getpid(), os.getcwd(), sys.stdin.read())", tmp_path)
    assert said.split() == ["True", str(tmp_path)]


def test_a_program_that_is_not_there_and_one_that_says_nothing_are_errors(tmp_path, monkeypatch):
    with pytest.raises(ServiceError, match=r"cannot start a process: No such file.*\(no-such-program\)"):
        detach.spawn(["no-such-program"], environment=os.environ, folder=tmp_path)
    monkeypatch.setattr(detach, "PATIENCE", 0.1)
    with pytest.raises(ServiceError, match=r"required a word within 0\.1 s, got none"):
        spawn("import time; time.sleep(60)", tmp_path)


def test_where_logout_kills_processes_it_is_started_in_a_scope_and_keeps_its_descriptors(tmp_path, monkeypatch):
    """systemd-run executes the command in its own place; so does the one that stands for it here."""
    stand_in = tmp_path / "systemd-run"
    stand_in.write_text('#!/bin/sh\necho "$@" > scope\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n')
    stand_in.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(detach, "killed_at_logout", lambda: True)
    reader, writer = os.pipe()
    spawn(f"import os; os.write({writer}, str(os.getpid()).encode())", tmp_path, pass_fds=[writer])
    assert os.read(reader, 16).isdigit()
    os.close(reader), os.close(writer)
    assert (tmp_path / "scope").read_text().startswith("--user --scope --quiet --collect -- ")


def test_outside_a_login_session_nothing_is_killed_at_logout():
    if "/session-" in Path("/proc/self/cgroup").read_text():
        pytest.skip("in a login session")
    assert not detach.killed_at_logout()
