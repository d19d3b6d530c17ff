"""Run records and their states, as data."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

from engine.api import RunSpec, Value

VERSION = 1
"""Of the stored record. Runs of an older version stay readable."""


class Status(StrEnum):
    """What is known of a run, computed from evidence (`engine.evidence`); the stored one is a cache of it."""

    BLOCKED = "blocked"  # waits for the runs it needs
    QUEUED = "queued"  # waits for resources
    LAUNCHING = "launching"  # claimed by a scheduler, its process not yet seen
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"  # asked to stop, and did
    DIVERGED = "diverged"  # a loss or a field became NaN or infinite
    FAILED = "failed"  # ended with an error, a signal or an exit code
    LOST = "lost"  # gone without a trace: a reboot, a power cut, a killed supervisor
    SKIPPED = "skipped"  # a run that it needs did not end well
    UNKNOWN = "unknown"  # on another host: only that host's scheduler can tell


WAITING = frozenset({Status.BLOCKED, Status.QUEUED})
ACTIVE = frozenset({Status.LAUNCHING, Status.RUNNING, Status.UNKNOWN})
ENDED = frozenset({Status.DONE, Status.STOPPED, Status.DIVERGED, Status.FAILED, Status.LOST, Status.SKIPPED})
RESUMABLE = ENDED - {Status.DONE, Status.SKIPPED}


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Who launched an attempt: a scheduler's host, boot and pid, and what it leased."""

    host: str
    boot: str
    pid: int
    at: float
    gpus: tuple[str, ...] = ()
    """UUIDs of the leased GPUs."""
    gpu_share: float = 1.0
    cpus: int = 1
    job: str = ""
    """Names the job where it has several runs: what was leased is theirs together, and so is the process."""
    handle: dict[str, Any] = {}
    """What the launcher needs to find the job again."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run's record. Times are Unix seconds. `attempt` counts launches: 0 before the first."""

    id: str
    spec: RunSpec
    label: str = ""
    """What a list shows: "reaction ρ=5 curriculum", made from the task's description at submission."""
    status: Status = Status.QUEUED
    reason: str = ""
    attempt: int = 0
    created: float = 0.0
    started: float | None = None
    """When the first attempt was launched."""
    ended: float | None = None
    seconds: float = 0.0
    """Run time of the attempts that ended."""
    device: str = ""
    claim: Claim | None = None
    identity: str = ""
    """Hash of task, parameters and seed: the same work has the same identity."""
    retry_of: str = ""
    pack: str = ""
    """The first of the runs that were submitted as one pack: those that wait together start together, in one job."""
    note: str = ""
    archived: bool = False
    code: dict[str, Value] = {}
    """Git commit and whether the tree was dirty, where the code comes from a checkout."""
    versions: dict[str, str] = {}
    summary: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    version: int = VERSION


def leases(runs: Iterable[Run]) -> list[Claim]:
    """What active runs were given: of those that share a job, the claim of one."""
    return list({run.claim.job or run.id: run.claim for run in runs if run.claim}.values())


class Shelved(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset or model that a run published: a file with its size and hash, and the facts that a list shows."""

    name: str
    kind: str
    path: str
    """Relative to the home directory."""
    size: int
    sha256: str
    run: str
    """Empty where it was imported."""
    created: float
    facts: dict[str, Any] = {}
    task: str = ""
    """Which made it and can read it."""
    verified: float | None = None
    """When its file was last looked at, and whether that was `sound`."""
    sound: bool = False


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a client asks of whoever supervises a run: the store is the bus."""

    run: str
    verb: str
    """stop (checkpoint and end) or kill."""
    at: float
    by: str = ""


class Process(msgspec.Struct, frozen=True):
    """A process that cannot be mistaken for another: pids are reused, (boot, pid, start) is not."""

    pid: int
    start: int
    """Clock ticks after boot, as in /proc/<pid>/stat."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What one shim supervises: resources, a process, and one run (or several, packed).

    Each run has its own lock, record, stream and evidence. The first one is the leader: the log is in its folder.
    """

    runs: tuple[str, ...]
    attempts: tuple[int, ...]
    """Of each run, which of its attempts this is."""
    cpus: int = 1
    gpus: tuple[str, ...] = ()
    grace: float = 30.0
    """Seconds between asking the worker to stop and killing it."""

    @property
    def leader(self) -> str:
        return self.runs[0]

    @property
    def members(self) -> list[tuple[str, int]]:
        """(run, attempt) of each."""
        return list(zip(self.runs, self.attempts, strict=True))


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence: the shim has started the worker."""

    host: str
    boot: str
    shim: Process
    worker: Process
    at: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence: the worker came to an end of its own. Absent where it was killed."""

    outcome: str
    """done, stopped, diverged or failed."""
    error: str = ""
    """One message for people; the traceback, if any, is in the log."""
    summary: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    device: str = ""
    versions: dict[str, str] = {}
    code: dict[str, Value] = {}
    seconds: float = 0.0
    at: float = 0.0


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence: the worker's process ended, as its shim saw it."""

    code: int | None = None
    signal: int | None = None
    asked: str = ""
    """stop or kill, if that was asked of the shim."""
    out_of_memory: bool = False
    at: float = 0.0
