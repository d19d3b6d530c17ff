"""Runs in the calling process: for debugging, with the same evidence as any other run.

Such a run belongs to the client that submitted it: the scheduler neither starts it nor starts it again. It leases no
GPUs; if it asks for any, it sees those that the client sees.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from engine import atomic, claims, evidence, processes
from engine.errors import NotPossible
from engine.locks import Held
from engine.paths import Home
from engine.records import Exit, Job, Run, Started
from engine.store.catalog import Catalog

ON_THIS_MACHINE = True


def run(catalog: Catalog, home: Home, waiting: Run) -> Run:
    """Runs a waiting run to its end, here and now. SIGTERM and SIGINT ask it to stop. Returns the run as it ended.

    Raises NotPossible if somebody else has taken it.
    """
    return run_together(catalog, home, [waiting])[0]


def run_together(catalog: Catalog, home: Home, waiting: Sequence[Run]) -> list[Run]:
    """Runs a pack of waiting runs, as `run`. Raises NotPossible if somebody else has taken one, with none run."""
    cpus = waiting[0].spec.resources.cpus
    taken = claims.take_together(catalog, home, waiting, cpus=cpus)
    with ExitStack() as stack:
        locks = [stack.enter_context(held) for _, held in taken]
        claimed = [run for run, _ in taken]
        if missing := [run.id for run in waiting if run.id not in {run.id for run in claimed}]:
            raise NotPossible(f"run {missing[0]}: required one that waits, got one that somebody else has taken")
        runs, attempts = tuple(run.id for run in claimed), tuple(run.attempt for run in claimed)
        start(home, Job(runs=runs, attempts=attempts, cpus=cpus), locks)
    return [evidence.settle(catalog, home, catalog.get(run.id)) for run in claimed]


def start(home: Home, job: Job, locks: Sequence[Held]) -> dict[str, Any]:
    """Runs the job, and returns when it has ended. Raises StoreError where its evidence cannot be written."""
    from engine import attempts, worker

    me = processes.identify(os.getpid())
    assert me is not None
    here, boot = processes.host_name(), processes.boot_id()
    for run, attempt in job.members:
        home.run(run).attempt(attempt).mkdir(parents=True, exist_ok=True)
        _write(home.run(run).started(attempt), Started(host=here, boot=boot, shim=me, worker=me, at=time.time()))
    device = "cuda" if attempts.read_spec(home.run(job.leader)).resources.gpus not in ("auto", 0) else "cpu"
    with _stoppable() as asked:
        results = worker.work(home, job.members, stop=asked, device=device, cpus=job.cpus)
    for (run, attempt), result in zip(job.members, results, strict=True):
        code = 0 if result.outcome in ("done", "stopped") else 1
        stopped = asked() or home.run(run).asked(attempt).exists()
        _write(home.run(run).exit(attempt), Exit(code=code, asked="stop" if stopped else "", at=time.time()))
    return {}


def stop(home: Home, run: Run, *, kill: bool) -> bool:
    """A kill ends the client that the run is in; of runs that share it, the one that is to stop is told by a file."""
    if run.claim and run.claim.job and not kill:
        atomic.write(home.run(run.id).asked(run.attempt), b"")
        return True
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
