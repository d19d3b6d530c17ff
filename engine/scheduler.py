"""The process that starts runs: one per host and home, started by whoever needs it, leaves when there is nothing to do.

    python -P -m engine.scheduler [--foreground]

So that no submission is missed, a client first writes the run and then looks at the scheduler's lock; the scheduler
lets go of that lock only while it holds the catalogue's, in which it has just seen that there is nothing left to do.
Told to leave, it leaves at once: runs go on, and what waits is started by the next one.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from contextlib import suppress
from typing import Any

import msgspec

from engine import config, detach, locks, processes
from engine.errors import ScimlError, ServiceError
from engine.locks import Held
from engine.paths import Home
from engine.records import Process

log = logging.getLogger("sciml_tui.scheduler")

_LOG_BYTES = 1_000_000
_TAKEN = "taken"
COMMAND = [sys.executable, "-P", "-m", "engine.scheduler"]


# For clients


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a scheduler writes into its lock, once it has it."""

    process: Process
    boot: str
    host: str
    since: float


def ensure_scheduler(home: Home) -> int:
    """Starts the scheduler of this host and home, unless it is there; returns its pid.

    Call it after what it is to see was written. Raises SpecError for a `config.toml` that is wrong, ServiceError if it
    cannot be started.
    """
    config.load(home)
    for _ in range(10):
        if known := _known(home):
            return known.process.pid
        process, said = detach.spawn(COMMAND, environment=home.environment(), folder=home.folder)
        process.wait()
        if said.isdigit():
            return int(said)
        if said != _TAKEN:
            raise ServiceError(
                f"scheduler: required a process that starts runs, got: {said or 'none'}; {_by_hand(home)}"
            )
    raise ServiceError(f"scheduler: required one that stays, got ten that left; {_by_hand(home)}")


def status(home: Home) -> dict[str, Any]:
    """Of the scheduler of this host: alive, pid and since (None if there is none), host."""
    known = _known(home)
    here = {"host": processes.host_name()}
    if known is None:
        return {"alive": False, "pid": None, **here, "since": None}
    return {"alive": True, "pid": known.process.pid, **here, "since": known.since}


def stop(home: Home) -> bool:
    """Asks the scheduler to leave, and waits until it has; runs go on. Whether there was one.

    Raises ServiceError if it does not leave.
    """
    known = _known(home)
    if known is None or not processes.send(known.process, signal.SIGTERM):
        return False
    give_up = time.monotonic() + detach.PATIENCE
    while processes.alive(known.process):
        if time.monotonic() > give_up:
            raise ServiceError(f"scheduler: required to leave, but process {known.process.pid} stays; kill it")
        time.sleep(0.01)
    return True


def _by_hand(home: Home) -> str:
    return f"to see more: {sys.executable} -P -m engine.scheduler --foreground, and {home.scheduler_log}"


def _known(home: Home) -> Known | None:
    """Who holds the scheduler's lock; one that has just taken it is waited for until it has said who it is."""
    give_up = time.monotonic() + detach.PATIENCE
    while locks.held(home.scheduler_lock):
        with suppress(OSError, msgspec.DecodeError):
            known = msgspec.json.decode(home.scheduler_lock.read_bytes(), type=Known)
            if known.boot == processes.boot_id() and processes.alive(known.process):
                return known
        if time.monotonic() > give_up:
            raise ServiceError(f"scheduler: required to know who holds {home.scheduler_lock}, got no word; remove it")
        time.sleep(0.01)
    return None


# The process


def main(arguments: list[str]) -> int:
    home = Home().create()
    if "--foreground" not in arguments and os.fork():
        os._exit(0)  # whoever started us waits for this process, and is not to keep a zombie of us
    try:
        held = locks.acquire(home.scheduler_lock)
        if held is None:
            print(_TAKEN)  # noqa: T201  said to whoever started us
            return 0
        _log_to(home, "--foreground" in arguments)
        _serve(home, held, "--foreground" in arguments)
    except ScimlError as error:
        log.error("%s", error)
        print(error)  # noqa: T201
        return error.exit_code
    except Exception as error:
        log.exception("left")
        print(f"{type(error).__name__}: {error}")  # noqa: T201
        return 1
    return 0


def _serve(home: Home, held: Held, foreground: bool) -> None:
    from engine.store.catalog import Catalog
    from engine.turns import Scheduler  # not for clients, who need `ensure_scheduler` alone

    settings = config.load(home)
    scheduler = Scheduler(home, Catalog(home), settings, held)
    _leave_when_told(scheduler)
    _say_who(held)
    log.info("process %d: %d CPUs", os.getpid(), settings.slots)
    if not foreground:
        print(os.getpid(), flush=True)  # noqa: T201
        _let_go_of_output()
    scheduler.run()
    if scheduler.outdated and not foreground:
        log.info("process %d: its code was replaced, the new code goes on", os.getpid())
        os.execv(sys.executable, COMMAND)  # closes the lock, which the new one takes
    log.info("process %d leaves", os.getpid())


def _leave_when_told(scheduler: Any) -> None:
    def leave(*_: Any) -> None:
        scheduler.leaving = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    scheduler.wake_on(reader)


def _say_who(held: Held) -> None:
    me = processes.identify(os.getpid())
    assert me is not None
    known = Known(process=me, boot=processes.boot_id(), host=processes.host_name(), since=time.time())
    text = msgspec.json.encode(known)
    os.ftruncate(held.fd, 0)
    os.pwrite(held.fd, text, 0)


def _let_go_of_output() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)
    os.close(nowhere)


def _log_to(home: Home, foreground: bool) -> None:
    from logging.handlers import RotatingFileHandler

    file: logging.Handler = RotatingFileHandler(home.scheduler_log, maxBytes=_LOG_BYTES, backupCount=1)
    handlers = [file, logging.StreamHandler()] if foreground else [file]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", handlers=handlers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
