import os
import subprocess
import sys
import threading

import pytest

from engine import locks
from engine.errors import StoreError

WAIT_FOR_INPUT = [sys.executable, "-c", "input()"]


def test_a_lock_excludes_until_it_is_released(tmp_path):
    path = tmp_path / "lock"
    first = locks.acquire(path)
    assert first is not None
    assert locks.acquire(path) is None
    first.release()
    second = locks.acquire(path)
    assert second is not None
    second.release()
    second.release()


def test_probing_sees_a_lock_and_does_not_take_it(tmp_path):
    path = tmp_path / "lock"
    assert not locks.held(path)
    assert not path.exists()
    with locks.acquire(path) as held:
        assert held.fd >= 0
        assert locks.held(path)
        assert locks.held(path)
    assert not locks.held(path)
    assert locks.acquire(path) is not None


def test_a_waiting_thread_gets_the_lock_when_it_is_free(tmp_path):
    path = tmp_path / "lock"
    first = locks.acquire(path)
    taken = threading.Event()

    def wait():
        with locks.acquire(path, wait=True):
            taken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not taken.wait(0.1)
    first.release()
    assert taken.wait(20)
    thread.join()


def test_children_do_not_inherit_a_lock(tmp_path):
    path = tmp_path / "lock"
    held = locks.acquire(path)
    with subprocess.Popen(WAIT_FOR_INPUT, stdin=subprocess.PIPE, close_fds=False) as child:
        held.release()
        assert not locks.held(path)
        child.communicate(b"\n")


def test_a_lock_handed_to_a_child_lives_as_long_as_the_child(tmp_path):
    path = tmp_path / "lock"
    held = locks.acquire(path)
    with subprocess.Popen(WAIT_FOR_INPUT, stdin=subprocess.PIPE, pass_fds=[held.fd]) as child:
        held.hand_over()
        held.release()
        assert locks.held(path)
        assert locks.acquire(path) is None
        child.kill()
        child.wait()
    assert not locks.held(path)


def test_a_child_adopts_the_lock_it_was_handed(tmp_path):
    path = tmp_path / "lock"
    held = locks.acquire(path)
    code = f"from engine import locks; held = locks.adopt({held.fd}); held.release(); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[held.fd]) as child:
        again = locks.acquire(path, wait=True)
        assert again is not None
        child.communicate(b"\n")
        assert child.returncode == 0
    held.hand_over()
    assert locks.held(path)
    again.release()


def test_a_lock_adopted_is_not_inherited_further(tmp_path):
    held = locks.acquire(tmp_path / "lock")
    copy = os.dup(held.fd)
    os.set_inheritable(copy, True)
    assert not os.get_inheritable(locks.adopt(copy).fd)
    os.close(copy)
    held.release()


def test_a_lock_that_cannot_be_made_is_said(tmp_path):
    with pytest.raises(StoreError, match="missing"):
        locks.acquire(tmp_path / "missing" / "lock")
