"""Taking runs: the lock first, then the record, so that whoever sees the claim also finds the lock held."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress

from engine import locks, processes
from engine.errors import UnknownName
from engine.locks import Held
from engine.paths import Home
from engine.records import WAITING, Claim, Run, Status
from engine.store.catalog import Catalog


def take(
    catalog: Catalog, home: Home, run: Run, *, cpus: int = 1, gpus: tuple[str, ...] = (), share: float = 1.0
) -> tuple[Run, Held] | None:
    """Claims a waiting run for this process, as a new attempt. The run as it is then, and its lock.

    None if it no longer waits or is gone, or if its lock is not free. Raises StoreError if its folder cannot be
    written.
    """
    taken = take_together(catalog, home, [run], cpus=cpus, gpus=gpus, share=share)
    return taken[0] if taken else None


def take_together(
    catalog: Catalog,
    home: Home,
    runs: Sequence[Run],
    *,
    cpus: int = 1,
    gpus: tuple[str, ...] = (),
    share: float = 1.0,
) -> list[tuple[Run, Held]]:
    """Claims the runs of one job, as `take` does: those of them that can be. Raises as `take`, with none claimed."""
    with catalog.lock():  # first of all: a submission holds it until the run's folder is there
        locked: list[tuple[Run, Held]] = []
        try:
            for run in runs:
                with suppress(UnknownName):
                    now = catalog.get(run.id)
                    if now.status in WAITING and now.attempt == run.attempt:
                        held = locks.acquire(home.run(run.id).lock)
                        locked += [(now, held)] if held else []
            job = f"{locked[0][0].id}/{locked[0][0].attempt + 1}" if len(locked) > 1 else ""
            claim = Claim(
                host=processes.host_name(),
                boot=processes.boot_id(),
                pid=os.getpid(),
                at=time.time(),
                cpus=cpus,
                gpus=gpus,
                gpu_share=share,
                job=job,
            )
            return [(_claimed(catalog, run, claim), held) for run, held in locked]
        except BaseException:
            for _, held in locked:
                held.release()
            raise


def _claimed(catalog: Catalog, run: Run, claim: Claim) -> Run:
    # in this order: should we die in between, it waits as before, and the evidence is of no attempt
    catalog.edit(run.id, attempt=run.attempt + 1)
    taken = catalog.transition(run.id, WAITING, status=Status.LAUNCHING, reason="", claim=claim, ended=None)
    assert taken is not None
    return taken
