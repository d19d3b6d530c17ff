"""Processes that outlive the terminal and the login that they were started from."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.errors import ServiceError

PATIENCE = 60.0
"""Seconds that a process may take to say that it is up, on a slow disk with nothing cached."""


def spawn(
    command: Sequence[str], *, environment: Mapping[str, str], folder: Path, pass_fds: Sequence[int] = ()
) -> tuple[subprocess.Popen[bytes], str]:
    """Starts a process in a session of its own, without a terminal.

    Returns it, and what it said on its output until it let go of it, which it does once it is up. Raises ServiceError
    if it cannot be started or goes on in silence; then it is killed.
    """
    try:
        process = subprocess.Popen(
            [*_scope(), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    except OSError as error:
        raise ServiceError(f"cannot start a process: {error.strerror} ({error.filename or command[0]})") from None
    said = _all_it_says(process)
    if said is None:
        process.kill()
        process.wait()
        raise ServiceError(f"{command[0]}: required a word within {PATIENCE:g} s, got none")
    return process, said


def _all_it_says(process: subprocess.Popen[bytes]) -> str | None:
    """Its output to the end; None if that does not come in time."""
    assert process.stdout is not None
    said, give_up = b"", time.monotonic() + PATIENCE
    with process.stdout as pipe, selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while selector.select(max(0.0, give_up - time.monotonic())):
            more = os.read(pipe.fileno(), 1 << 16)
            if not more:
                return said.decode(errors="replace").strip()
            said += more
    return None


def _scope() -> list[str]:
    """What to put before a command so that it outlives the login: nothing, where nobody kills it at logout."""
    if not killed_at_logout() or not shutil.which("systemd-run"):
        return []
    return ["systemd-run", "--user", "--scope", "--quiet", "--collect", "--"]


def killed_at_logout() -> bool:
    """Whether systemd-logind will kill this process, and what it starts, when the login ends.

    Only processes in a login session's control group are: those already in a scope of the user's manager are not.
    """
    try:
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:
        return False
    if "/session-" not in groups or os.getuid() == 0 or not shutil.which("busctl"):
        return False
    manager = ["org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager"]
    command = ["busctl", "get-property", *manager, "KillUserProcesses"]
    try:
        asked = subprocess.run(command, capture_output=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.stdout.split() == [b"b", b"true"]
