"""Supervises a job, one run or several: detached from any terminal, holds their locks, owns their exit status, stops
them gracefully.

    python -I -S engine/shim.py --log FILE --grace SECONDS --started FILE --exit FILE --lock FD -- COMMAND...

For several runs that share a worker, the last three are repeated, with --result FILE and --asked FILE for each: one
whose result is there has ended, and one whose --asked is there is to stop.

One lives beside every run, so it is small: the standard library only, started as a file without site-packages. It says
one line of JSON (its own process and the worker's) once the worker is started, or one line of text why it cannot be.

The worker's program begins only after `started` is written: without that file, nothing was ever run. The lock, an
open-file-description lock inherited from the scheduler, is let go by the exit of this process and by nothing else, and
`exit` is written before. SIGTERM asks the worker to stop and kills it after the grace period; SIGUSR1 kills it at once.
SIGUSR2 makes it look at the files of runs that share the worker: it lets go of those that have ended, and stops the
worker once all that are left are to stop.
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

STOP, KILL, LOOK = signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2
_WAITED_FOR = {STOP, KILL, LOOK, signal.SIGCHLD}
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


class Member:
    """A run of the job: the files of its evidence, and its lock. Alone it has no `result` and no `asked` to look at."""

    def __init__(self, started: Path, exit: Path, lock: int, result: Path | None, asked: Path | None) -> None:
        self.started, self.exit, self.lock, self.result, self.asked = started, exit, lock, result, asked

    def has_ended(self) -> bool:
        return self.result is not None and self.result.exists()

    def is_to_stop(self) -> bool:
        return self.asked is not None and self.asked.exists()


class Shim:
    """One worker and what was asked of it. left: the runs that have not ended."""

    def __init__(self, worker: int, grace: float, left: list[Member]) -> None:
        self.worker, self.grace, self.left = worker, grace, left
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
        elif came.si_signo == STOP:
            self._stop()
        elif came.si_signo == LOOK:
            self._look()

    def _stop(self) -> None:
        if not self.asked:
            self.asked = "stop"
            self._kill_at = time.monotonic() + self.grace
            os.kill(self.worker, signal.SIGTERM)

    def _look(self) -> None:
        """Lets go of runs that have ended while the worker goes on; if no space is left for that, at its end."""
        for member in [member for member in self.left if member.has_ended()]:
            asked = self.asked or ("stop" if member.is_to_stop() else "")
            try:
                _write(member.exit, {"asked": asked, "at": time.time()})
            except OSError:
                continue
            self.left.remove(member)
            os.close(member.lock)
        if self.left and all(member.is_to_stop() for member in self.left):
            self._stop()

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

    def evidence(self, member: Member) -> dict[str, object]:
        """How the worker ended for a run, as `engine.records.Exit`."""
        assert self.status is not None
        by = os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else None
        return {
            "code": os.WEXITSTATUS(self.status) if by is None else None,
            "signal": by,
            "asked": self.asked or ("stop" if member.is_to_stop() else ""),
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


def _start(command: list[str], log: int, members: list[Member], grace: float) -> Shim:
    """Starts the worker and tells the launcher. Raises SystemExit, before the program begins, if that cannot be."""
    try:
        worker, opener = _fork_held_back(command, log)
    except OSError as error:
        raise _failure("cannot start another process", error) from None
    shim = Shim(worker, grace, members)
    people = {"shim": os.getpid(), "worker": worker}
    identities = {name: {"pid": pid, "start": processes.start_time(pid)} for name, pid in people.items()}
    evidence = {"host": processes.host_name(), "boot": processes.boot_id(), **identities, "at": time.time()}
    for i, member in enumerate(members):
        try:
            _write(member.started, evidence)
        except OSError as error:
            for written in members[:i]:
                written.started.unlink(missing_ok=True)
            raise _failure(f"cannot write {member.started}", error) from None
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


def supervise(command: list[str], members: list[Member], *, log: Path, grace: float) -> None:
    """Starts the command, waits for its end, and writes the evidence of both, for each of the runs."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    try:
        _become_subreaper()
        for member in members:
            folder = member.started.parent
            folder.mkdir(parents=True, exist_ok=True)
            _reserve(member.exit)
        log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise _failure(f"cannot write {error.filename or folder}", error) from None
    shim = _start(command, log_fd, members, grace)
    _let_go_of_the_terminal(log_fd)
    shim.wait()
    for pause in (*_RETRIES, None):
        shim.left = [member for member in shim.left if not _told(shim, member)]
        if shim.left and pause is not None:
            time.sleep(pause)


def _told(shim: Shim, member: Member) -> bool:
    """Whether its exit could be written: a disk that is full may have room again. Else the lock alone tells the end."""
    try:
        _write(member.exit, shim.evidence(member))
    except OSError:
        return False
    return True


def main(arguments: list[str]) -> None:
    end = arguments.index("--")  # not argparse: half of this process's start would be its import
    options: dict[str, list[str]] = {}
    for name, value in zip(arguments[:end:2], arguments[1:end:2], strict=True):
        options.setdefault(name, []).append(value)

    def files(name: str) -> list[Path | None]:
        return [Path(value) for value in options[name]] if name in options else [None] * len(options["--lock"])

    started, exit = ([Path(value) for value in options[name]] for name in ("--started", "--exit"))
    locks = [int(value) for value in options["--lock"]]
    for lock in locks:
        os.set_inheritable(lock, False)  # the worker must not keep it
    members = map(Member, started, exit, locks, files("--result"), files("--asked"))
    supervise(
        arguments[end + 1 :],
        list(members),
        log=Path(options["--log"][0]),
        grace=float(options["--grace"][0]),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
