"""Supervises one run: detached from any terminal, holds the run's lock, owns its exit status, stops it gracefully.

    python -I -S engine/shim.py --log FILE --started FILE --exit FILE --lock FD --grace SECONDS -- COMMAND...

One lives beside every run, so it is small: the standard library only, started as a file without site-packages. It says
one line of JSON (its own process and the worker's) once the worker is started, or one line of text why it cannot be.

The worker's program begins only after `started` is written: without that file, nothing was ever run. The lock, an
open-file-description lock inherited from the scheduler, is let go by the exit of this process and by nothing else, and
`exit` is written before. SIGTERM asks the worker to stop and kills it after the grace period; SIGUSR1 kills it at once.
With the worker ends all that it started, in whatever session: this process is their subreaper.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))

from engine import processes

STOP, KILL = signal.SIGTERM, signal.SIGUSR1
_WAITED_FOR = {STOP, KILL, signal.SIGCHLD}
_IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
_OUT_OF_MEMORY_WINDOW = 60.0
"""Seconds. The kernel counts its kills per control group: a count that rose longer ago was for another process."""
_LEFTOVERS_WITHIN = 10.0
_RETRIES = (0.2, 1, 2, 4, 8, 15)
_RESERVED = 512
"""Bytes set aside for `exit` at the start, so that a disk that has become full does not keep it from being written."""


def _write(path: Path, values: dict[str, object]) -> None:
    """Writes JSON atomically and durably, into the blocks that `_reserve` set aside if it did."""
    part = _part(path)
    _put(part, json.dumps(values).ljust(_RESERVED))
    part.replace(path)


def _reserve(path: Path) -> None:
    _put(_part(path), " " * _RESERVED)


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _put(path: Path, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)  # not truncated: that would give the blocks back
    try:
        os.write(fd, text.encode())
        os.fsync(fd)
    finally:
        os.close(fd)


def _become_subreaper() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    set_name, set_child_subreaper = 15, 36
    if libc.prctl(set_child_subreaper, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot adopt orphans (PR_SET_CHILD_SUBREAPER)")
    libc.prctl(set_name, b"sciml-shim", 0, 0, 0)


class Shim:
    """One worker and what was asked of it."""

    def __init__(self, worker: int, grace: float) -> None:
        self.worker, self.grace = worker, grace
        self.status: int | None = None
        """As from waitpid, once the worker has ended."""
        self.asked = ""
        self._kill_at: float | None = None
        self._oom_kills = processes.oom_kills()

    def wait(self) -> None:
        """Returns when the worker has ended and nothing is left of what it started."""
        while not self._reap() and self.status is None:
            self._listen()
        give_up = time.monotonic() + _LEFTOVERS_WITHIN
        while not self._reap() and time.monotonic() < give_up:
            processes.kill_all(processes.descendants(os.getpid()))
            signal.sigtimedwait({signal.SIGCHLD}, 0.05)

    def _listen(self) -> None:
        now = time.monotonic()
        patience = _OUT_OF_MEMORY_WINDOW if self._kill_at is None else max(0, self._kill_at - now)
        came = signal.sigtimedwait(_WAITED_FOR, patience)
        if came is None and self._kill_at is None:
            self._oom_kills = processes.oom_kills()
        elif came is None:
            self._kill()
        elif came.si_signo == KILL:
            self.asked = "kill"
            self._kill()
        elif came.si_signo == STOP and not self.asked:
            self.asked = "stop"
            self._kill_at = now + self.grace
            os.kill(self.worker, signal.SIGTERM)

    def _kill(self) -> None:
        processes.kill_all([self.worker, *processes.descendants(os.getpid())])
        self._kill_at = time.monotonic() + 1.0  # again, should something have been forked in between

    def _reap(self) -> bool:
        """Collects whatever has ended. Whether nothing is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            if pid == self.worker:
                self.status = status

    def evidence(self) -> dict[str, object]:
        """How the worker ended, as `engine.records.Exit`."""
        assert self.status is not None
        by = os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else None
        return {
            "code": os.WEXITSTATUS(self.status) if by is None else None,
            "signal": by,
            "asked": self.asked,
            "out_of_memory": by == signal.SIGKILL and not self.asked and processes.oom_kills() > self._oom_kills,
            "at": time.time(),
        }


def _fork_held_back(command: list[str], log: int) -> tuple[int, int]:
    """Forks the worker, which waits for a byte before it becomes `command`. Its pid, and where to write the byte.

    If this process dies first, the worker reads the end of the pipe instead and ends without having done anything.
    """
    gate, opener = os.pipe()
    pid = os.fork()
    if pid:
        os.close(gate)
        return pid, opener
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        for number in (*_IGNORED, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.close(opener)
        if os.read(gate, 1):
            os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"cannot start {command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _failure(what: str, error: OSError) -> SystemExit:
    return SystemExit(f"{what}: {error.strerror or error}")


def _start(command: list[str], log: int, started: Path, grace: float) -> Shim:
    """Starts the worker and tells the launcher. Raises SystemExit, before the program begins, if that cannot be."""
    try:
        worker, opener = _fork_held_back(command, log)
    except OSError as error:
        raise _failure("cannot start another process", error) from None
    shim = Shim(worker, grace)
    people = {"shim": os.getpid(), "worker": worker}
    identities = {name: {"pid": pid, "start": processes.start_time(pid)} for name, pid in people.items()}
    evidence = {"host": processes.host_name(), "boot": processes.boot_id(), **identities, "at": time.time()}
    try:
        _write(started, evidence)
    except OSError as error:
        raise _failure(f"cannot write {started}", error) from None
    os.write(opener, b"1")
    os.close(opener)
    try:
        os.write(1, json.dumps(identities).encode())
    except BrokenPipeError:  # the scheduler is gone; the next one finds `started`
        pass
    return shim


def _let_go_of_the_terminal(log: int) -> None:
    """Standard input, output and error; what this process itself may yet have to say goes to the run's log."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)


def supervise(command: list[str], *, log: Path, started: Path, exit: Path, grace: float) -> None:
    """Starts the command, waits for its end, and writes the evidence of both."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    try:
        _become_subreaper()
        started.parent.mkdir(parents=True, exist_ok=True)
        _reserve(exit)
        log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise _failure(f"cannot write {error.filename or started.parent}", error) from None
    shim = _start(command, log_fd, started, grace)
    _let_go_of_the_terminal(log_fd)
    shim.wait()
    for pause in (*_RETRIES, None):
        try:
            return _write(exit, shim.evidence())
        except OSError:  # a disk that is full may have room again; that the run ended is then told by the lock alone
            if pause is not None:
                time.sleep(pause)
    return None


def main(arguments: list[str]) -> None:
    end = arguments.index("--")  # not argparse: half of this process's start would be its import
    options = dict(zip(arguments[:end:2], arguments[1:end:2], strict=True))
    os.set_inheritable(int(options["--lock"]), False)  # the worker must not keep it
    supervise(
        arguments[end + 1 :],
        log=Path(options["--log"]),
        started=Path(options["--started"]),
        exit=Path(options["--exit"]),
        grace=float(options["--grace"]),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
