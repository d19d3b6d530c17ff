"""What is true of a run, found from evidence: (record, lock, files of the attempt, processes) -> status and reason.

The order of reading is what makes it safe against a run that goes on meanwhile. The lock is taken before a claim can be
seen, and is let go after the exit is written; so the record is read first, then the lock, then the files. Whoever finds
the lock free then finds everything that its holder wrote.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from engine import locks, processes
from engine.errors import StoreError
from engine.paths import Home, RunPaths
from engine.records import ACTIVE, ENDED, Exit, Result, Run, Started, Status
from engine.store import codec
from engine.store.catalog import Catalog

T = TypeVar("T", Started, Result, Exit)

ADOPTED = "its supervisor was killed; it goes on without"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of an active run's attempt, on this host and in this boot of it.

    alive: the worker's process is there, without a shim. last_sign: when anything was last written, where nothing says
    when it ended.
    """

    host: str
    boot: str
    folder: bool = True
    held: bool = False
    started: Started | None = None
    result: Result | None = None
    exit: Exit | None = None
    alive: bool = False
    last_sign: float | None = None


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What the evidence says. QUEUED for an active run: it was claimed and never started, so it may be started again.

    ended: Unix seconds, None while it goes on.
    """

    status: Status
    reason: str = ""
    ended: float | None = None
    started: Started | None = None
    result: Result | None = None


def observe(home: Home, run: Run) -> Observation:
    """What is true of the run now. Never writes, and takes no lock."""
    if run.status not in ACTIVE:
        return Observation(status=run.status, reason=run.reason, ended=run.ended)
    try:
        return judge(run, gather(home.run(run.id), run.attempt))
    except (OSError, StoreError) as error:
        return Observation(status=Status.UNKNOWN, reason=f"its files cannot be read: {error}")


def gather(paths: RunPaths, attempt: int) -> Evidence:
    """Reads the evidence of an attempt, in the order that is safe. Raises OSError or StoreError."""
    host, boot = processes.host_name(), processes.boot_id()
    held = locks.held(paths.lock)
    started = read(paths.started(attempt), Started)
    exit = read(paths.exit(attempt), Exit)
    return Evidence(
        host=host,
        boot=boot,
        folder=paths.folder.is_dir(),
        held=held,
        started=started,
        result=read(paths.result(attempt), Result),
        exit=exit,
        alive=started is not None and started.boot == boot and _left_behind(started),
        last_sign=None if held or exit else _last_sign(paths, attempt),
    )


def read(path: Path, kind: type[T]) -> T | None:
    """A piece of evidence; None if it was not written, or not wholly (a power cut). Raises OSError."""
    try:
        return msgspec.convert(codec.decode(path.read_bytes()), kind)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _left_behind(started: Started) -> bool:
    """Whether the worker outlived its shim. A worker that is its own supervisor (inline) does not: the lock was its."""
    return started.worker != started.shim and processes.alive(started.worker)


def _last_sign(paths: RunPaths, attempt: int) -> float | None:
    times = []
    for path in (paths.stream, paths.log, paths.result(attempt), paths.started(attempt)):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(times, default=None)


def judge(run: Run, found: Evidence) -> Observation:
    """The table of `docs/architecture.md`, for an active run."""
    claim = run.claim
    if claim and claim.host != found.host:
        return Observation(status=Status.UNKNOWN, reason=f"runs on {claim.host}: only that machine can tell")
    if found.held:
        return Observation(status=Status.RUNNING if found.started else Status.LAUNCHING, started=found.started)
    if found.exit:
        return _ended(found, *_of_exit(found.exit, found.result))
    boots = {it.boot for it in (claim, found.started) if it}
    if boots - {found.boot}:
        return _without_exit(found, "the machine was restarted")
    if not found.folder:
        return _without_exit(found, "its folder was removed")
    if found.started is None:
        return _never_started(run)
    if found.alive and not (found.result and claim and claim.job):  # else others go on in its process, and it has ended
        return Observation(status=Status.RUNNING, reason=ADOPTED, started=found.started)
    return _without_exit(found, "its process and its supervisor were killed")


def _never_started(run: Run) -> Observation:
    """Claimed, then its scheduler or its shim died: the shim lets no worker begin before it wrote that it did."""
    if run.spec.resources.launcher == "inline":
        return Observation(status=Status.LOST, reason="the process that was to run it is gone")
    return Observation(status=Status.QUEUED)


def _without_exit(found: Evidence, gone: str) -> Observation:
    return _ended(found, *(_of_result(found.result) if found.result else (Status.LOST, gone)))


def _ended(found: Evidence, status: Status, reason: str) -> Observation:
    known = [it.at for it in (found.exit, found.result) if it and it.at]
    ended = known[0] if known else found.last_sign
    return Observation(status=status, reason=reason, ended=ended, started=found.started, result=found.result)


def _of_exit(exit: Exit, result: Result | None) -> tuple[Status, str]:
    if result:
        return _of_result(result, exit)
    if exit.out_of_memory:
        return Status.FAILED, "out of memory"
    if exit.asked == "kill":
        return Status.STOPPED, "killed by request"
    if exit.asked == "stop":
        late = exit.signal == signal.SIGKILL
        return Status.STOPPED, "killed: it did not stop in time" if late else "stopped by request, without a result"
    if exit.signal is not None:
        return Status.FAILED, signal_name(exit.signal)
    return Status.FAILED, f"exit code {exit.code}" if exit.code else "it ended without a result"


def _of_result(result: Result, exit: Exit | None = None) -> tuple[Status, str]:
    status = _OUTCOMES.get(result.outcome, Status.FAILED)
    told = str(result.summary.get("stop_reason") or "")
    if status is Status.STOPPED:
        return status, "stopped by a signal from outside" if exit and not exit.asked else "stopped by request"
    return status, told if status is Status.DONE else result.error or told or result.outcome


_OUTCOMES = {status.value: status for status in (Status.DONE, Status.STOPPED, Status.DIVERGED, Status.FAILED)}


def signal_name(number: int) -> str:
    """SIGKILL rather than 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def settle(catalog: Catalog, home: Home, run: Run) -> Run:
    """Brings the record up to date with the evidence, by compare-and-set; returns the record as it is then.

    Whoever looks may do this, at any time and any number of times. What cannot be told from here is returned as
    unknown, and its record is left as it is. Raises StoreError; UnknownName if the run was removed.
    """
    seen = observe(home, run)
    if (seen.status, seen.reason) == (run.status, run.reason):
        return run
    if seen.status is Status.UNKNOWN:
        return _as(run, seen)
    changed = catalog.transition(run.id, {run.status}, attempt=run.attempt, **_changes(run, seen))
    return changed or catalog.get(run.id)


def as_seen(home: Home, run: Run) -> Run:
    """The run as the evidence says that it is; nothing is written."""
    return _as(run, observe(home, run))


def _as(run: Run, seen: Observation) -> Run:
    return msgspec.structs.replace(run, **_changes(run, seen)) if run.status in ACTIVE else run


def _changes(run: Run, seen: Observation) -> dict[str, Any]:
    changes: dict[str, Any] = {"status": seen.status, "reason": seen.reason}
    if seen.started and run.started is None:
        changes["started"] = seen.started.at
    if seen.status is Status.QUEUED:
        changes["claim"] = None
    if seen.status not in ENDED:
        return changes
    changes["ended"] = seen.ended
    result = seen.result
    if result:
        changes |= {"summary": result.summary, "warnings": result.warnings}
        changes |= {name: value for name in ("device", "versions", "code") if (value := getattr(result, name))}
    took = result.seconds if result else (seen.ended or 0) - seen.started.at if seen.started and seen.ended else 0.0
    return changes | {"seconds": run.seconds + max(0.0, took)}
