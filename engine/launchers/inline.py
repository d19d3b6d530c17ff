"""Runs in the calling process: for debugging, with the same evidence as any other run.

Such a run belongs to the client that submitted it: the scheduler neither starts it nor starts it again. It leases no
GPUs; if it asks for any, it sees those that the client sees.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from engine import atomic, claims, evidence, processes
from engine.errors import NotPossible
from engine.locks import Held
from engine.paths import Home
from engine.records import Exit, Job, Run, Started
from engine.store.catalog import Catalog


def run(catalog: Catalog, home: Home, waiting: Run) -> Run:
    """Runs a waiting run to its end, here and now. SIGTERM and SIGINT ask it to stop. Returns the run as it ended.

    Raises NotPossible if somebody else has taken it.
    """
    taken = claims.take(catalog, home, waiting, cpus=waiting.spec.resources.cpus)
    if taken is None:
        raise NotPossible(f"run {waiting.id}: required one that waits, got one that somebody else has taken")
    claimed, held = taken
    with held:
        start(home, Job(runs=(claimed.id,), attempt=claimed.attempt, cpus=waiting.spec.resources.cpus), held)
    return evidence.settle(catalog, home, catalog.get(claimed.id))


def start(home: Home, job: Job, held: Held) -> dict[str, Any]:
    """Runs the job, and returns when it has ended. Raises StoreError where its evidence cannot be written."""
    from engine import worker

    paths = home.run(job.leader)
    paths.attempt(job.attempt).mkdir(parents=True, exist_ok=True)
    me = processes.identify(os.getpid())
    assert me is not None
    here, boot = processes.host_name(), processes.boot_id()
    _write(paths.started(job.attempt), Started(host=here, boot=boot, shim=me, worker=me, at=time.time()))
    device = "cuda" if worker.read_spec(paths).resources.gpus not in ("auto", 0) else "cpu"
    with _stoppable() as asked:
        result = worker.work(home, job.leader, job.attempt, stop=asked, device=device, cpus=job.cpus)
    code = 0 if result.outcome in ("done", "stopped") else 1
    _write(paths.exit(job.attempt), Exit(code=code, asked="stop" if asked() else "", at=time.time()))
    return {}


def stop(home: Home, run: Run, *, kill: bool) -> bool:
    """A kill ends the client that the run is in."""
    started = evidence.read(home.run(run.id).started(run.attempt), Started)
    number = signal.SIGKILL if kill else signal.SIGTERM
    return started is not None and started.boot == processes.boot_id() and processes.send(started.worker, number)


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Within the block, SIGTERM and SIGINT set what it is given; in a thread other than the main one, nothing does."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(path: Path, piece: msgspec.Struct) -> None:
    atomic.write(path, msgspec.json.encode(piece))
