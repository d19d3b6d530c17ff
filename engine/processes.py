"""Processes by an identity that cannot be mistaken: a pid is reused, (boot, pid, start time) is not.

Imports nothing but the standard library at run time: the shim, one of which lives beside every run, uses it.
"""

from __future__ import annotations

import functools
import os
import signal
from pathlib import Path

TYPE_CHECKING = False  # the name that type checkers know, without its module: the shim starts sooner
if TYPE_CHECKING:
    from engine.records import Process

_PROC = Path("/proc")
_GONE = (FileNotFoundError, ProcessLookupError, NotADirectoryError)


def host_name() -> str:
    return os.uname().nodename


@functools.cache
def boot_id() -> str:
    """Names this boot of the machine; another one means that no process of before is left."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the third on (state, parent, ...); None for a process that is gone.

    The second field is the command in parentheses, which may itself hold spaces and parentheses.
    """
    try:
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except _GONE:
        return None


def start_time(pid: int) -> int | None:
    """Clock ticks after boot when the process started, or None if it is gone. A zombie still has one."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def identify(pid: int) -> Process | None:
    """The process that has this pid now."""
    from engine.records import Process

    start = start_time(pid)
    return None if start is None else Process(pid, start)


def alive(process: Process) -> bool:
    """Whether this very process runs: neither gone, nor a zombie, nor another one under its pid. Of this boot only."""
    fields = _stat(process.pid)
    return fields is not None and fields[0] not in "ZX" and int(fields[19]) == process.start


def watch(process: Process) -> int | None:
    """A pidfd of the process: it becomes readable when the process ends. None if it has ended; the caller closes it."""
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    if alive(process):
        return fd
    os.close(fd)
    return None


def send(process: Process, number: int) -> bool:
    """Sends a signal to this very process; False if it has ended."""
    fd = watch(process)
    if fd is None:
        return False
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def descendants(*ancestors: int) -> list[int]:
    """Pids of the children, and of their children, at this moment: the ancestors' own are not among them."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir(_PROC):
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    wanted = list(ancestors)
    while wanted:
        below = children.pop(wanted.pop(), [])
        found += below
        wanted += below
    return found


def kill_all(pids: list[int]) -> None:
    """SIGKILL to each that is still there."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def oom_kills() -> int:
    """How often the kernel killed a process of this control group for want of memory; 0 where that is not told."""
    for line in _lines(_PROC / "self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            counters = Path("/sys/fs/cgroup" + path) / "memory.events"
        elif controllers == "memory":
            counters = Path("/sys/fs/cgroup/memory" + path) / "memory.oom_control"
        else:
            continue
        for counter in _lines(counters):
            name, _, value = counter.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
