"""Taking a run: its lock first, then its record, so that whoever sees the claim also finds the lock held."""

from __future__ import annotations

import os
import time

from engine import locks, processes
from engine.locks import Held
from engine.paths import Home
from engine.records import WAITING, Claim, Run, Status
from engine.store.catalog import Catalog


def take(
    catalog: Catalog, home: Home, run: Run, *, cpus: int = 1, gpus: tuple[str, ...] = (), share: float = 1.0
) -> tuple[Run, Held] | None:
    """Claims a waiting run for this process, as a new attempt. The run as it is then, and its lock.

    None if it no longer waits, or if its lock is not free. Raises StoreError if its folder cannot be written;
    UnknownName if it was removed.
    """
    with catalog.lock():  # first of all: a submission holds it until the run's folder is there
        now = catalog.get(run.id)
        if now.status not in WAITING or now.attempt != run.attempt:
            return None
        held = locks.acquire(home.run(run.id).lock)
        if held is None:
            return None
        try:
            # in this order: should we die in between, it waits as before, and the evidence is of no attempt
            catalog.edit(run.id, attempt=run.attempt + 1)
            claim = _claim(cpus, gpus, share)
            taken = catalog.transition(run.id, WAITING, status=Status.LAUNCHING, reason="", claim=claim, ended=None)
        except BaseException:
            held.release()
            raise
    assert taken is not None
    return taken, held


def _claim(cpus: int, gpus: tuple[str, ...], share: float) -> Claim:
    return Claim(
        host=processes.host_name(),
        boot=processes.boot_id(),
        pid=os.getpid(),
        at=time.time(),
        cpus=cpus,
        gpus=gpus,
        gpu_share=share,
    )
