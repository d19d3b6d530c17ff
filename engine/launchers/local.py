"""Runs on this machine, each under a shim that outlives the terminal, the client and the scheduler."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from engine import atomic, detach, evidence, gpus, processes, shim
from engine.errors import ServiceError
from engine.locks import Held
from engine.paths import Home
from engine.records import Job, Run, Started

ON_THIS_MACHINE = True

_shims: list[subprocess.Popen[bytes]] = []
"""Shims that are children of this process: those that ended are collected when the next is started."""


def start(home: Home, job: Job, locks: Sequence[Held], *, worker: Sequence[str] = ()) -> dict[str, Any]:
    """Starts a shim, which starts `worker`: the engine's, unless another command is given."""
    paths = home.run(job.leader)
    _shims[:] = [process for process in _shims if process.poll() is None]
    supervisor = [sys.executable, "-I", "-S", shim.__file__, "--log", str(paths.log), "--grace", str(job.grace)]
    engine_worker = [sys.executable, "-P", "-m", "engine.worker"]
    for (run, attempt), held in zip(job.members, locks, strict=True):
        own = home.run(run)
        supervisor += ["--started", str(own.started(attempt)), "--exit", str(own.exit(attempt)), "--lock", str(held.fd)]
        if len(job.runs) > 1:
            supervisor += ["--result", str(own.result(attempt)), "--asked", str(own.asked(attempt))]
        engine_worker += [str(own.folder), str(attempt)]
    process, said = detach.spawn(
        [*supervisor, "--", *(worker or engine_worker)],
        environment=environment(home, job),
        folder=paths.folder,
        pass_fds=[held.fd for held in locks],
    )
    _shims.append(process)
    if not said.startswith("{"):
        raise ServiceError(said or f"its supervisor ended with {_how(process)}")
    return {}


def environment(home: Home, job: Job) -> dict[str, str]:
    """What a worker is granted, as it reads it."""
    return {
        **home.environment(),
        **gpus.environment(job.gpus),
        "SCIML_TUI_CPUS": str(job.cpus),
        "SCIML_TUI_DEVICE": "cuda" if job.gpus else "cpu",
    }


def stop(home: Home, run: Run, *, kill: bool) -> bool:
    """Asks the shim; where it is gone, the worker itself. Of runs that share a process, the one that is to stop is told
    by a file; a kill is theirs together.
    """
    started = evidence.read(home.run(run.id).started(run.attempt), Started)
    if started is None or started.boot != processes.boot_id():
        return False
    if run.claim and run.claim.job and not kill:
        atomic.write(home.run(run.id).asked(run.attempt), b"")
        return processes.send(started.shim, shim.LOOK) or processes.alive(started.worker)
    if processes.send(started.shim, shim.KILL if kill else shim.STOP):
        return True
    if not kill:
        return processes.send(started.worker, signal.SIGTERM)
    below = processes.descendants(started.worker.pid) if processes.alive(started.worker) else []
    found = processes.send(started.worker, signal.SIGKILL)
    processes.kill_all(below)
    return found


def _how(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    return evidence.signal_name(-code) if code < 0 else f"exit code {code}"
