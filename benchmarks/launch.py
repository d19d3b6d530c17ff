"""How long a person waits: from submitting to the first metric point, and until a death shows.

    python -m benchmarks.launch [--json FILE]

first_point_over_import_s: seconds from submitting to the first point in the run's stream, cold (no scheduler, no
worker), minus the seconds that `import torch` takes in a fresh interpreter, in alternation; medians.
death_noticed_s: seconds from `kill -9` of a worker to the stored status `failed`, the slowest of the trials.
runs_per_s: throughput of trivial runs, each a process of its own on one CPU slot.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks._figures import report
from engine import evidence, scheduler
from engine.api import Resources
from engine.client import Client
from engine.records import ENDED, Run, Started, Status

TRIALS = 5
MANY = 16


def until(condition: Callable[[], object], limit: float = 120.0) -> float:
    """Seconds until the condition holds."""
    start = time.perf_counter()
    while not condition():
        if time.perf_counter() - start > limit:
            raise TimeoutError(f"waited {limit:g} s in vain")
        time.sleep(0.002)
    return time.perf_counter() - start


def import_torch() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", "import torch"], check=True)
    return time.perf_counter() - start


def submit(client: Client, closures: int) -> Run:
    """As `sciml-tui run` does: planned, checked, stored, a scheduler started."""
    raw = {"system": "reaction", "optimizer.closures": closures, "optimizer.target": 0}
    (run,) = client.submit(client.plan("pinn", raw, resources=Resources(gpus=0)))
    return run


def first_point(home: Path) -> float:
    """Cold: neither scheduler nor worker is there; the tasks' description is cached, as after the first use."""
    with Client(home) as client:
        client.describe()
        start = time.perf_counter()
        run = submit(client, closures=50)
        report_of = client.report(run.id)
        until(lambda: report_of.poll() and report_of.reader.length)
        seconds = time.perf_counter() - start
        client.wait([run.id])
        scheduler.stop(client.home)
    return seconds


def death(home: Path) -> float:
    with Client(home) as client:
        run = submit(client, closures=1_000_000)
        report_of = client.report(run.id)
        until(lambda: report_of.poll() and report_of.reader.length)
        started = evidence.read(client.home.run(run.id).started(1), Started)
        assert started is not None
        os.kill(started.worker.pid, signal.SIGKILL)
        seconds = until(lambda: client.catalog.get(run.id).status is Status.FAILED)
        scheduler.stop(client.home)
    return seconds


def throughput(home: Path) -> float:
    """Runs a second: what a sweep of tiny runs costs."""
    with Client(home) as client:
        raw = {"system": "reaction", "optimizer.closures": 1}
        specs = client.plan("pinn", raw, seeds=range(MANY), resources=Resources(gpus=0))
        start = time.perf_counter()
        ids = [run.id for run in client.submit(specs)]
        until(lambda: all(client.catalog.get(run).status in ENDED for run in ids), limit=600)
        rate = MANY / (time.perf_counter() - start)
        scheduler.stop(client.home)
    return rate


def main() -> None:
    imports, points = [], []
    with tempfile.TemporaryDirectory() as folder:
        import_torch()
        for _ in range(TRIALS):
            imports.append(import_torch())
            points.append(first_point(Path(folder, "cold")))
        deaths = [death(Path(folder, "death")) for _ in range(TRIALS)]
        rate = throughput(Path(folder, "many"))
    print(f"import torch, alone        {statistics.median(imports):6.2f} s  (median of {TRIALS})")
    print(f"submit to first point      {statistics.median(points):6.2f} s  (median of {TRIALS})")
    print(f"kill -9 to status failed   {max(deaths):6.3f} s  (slowest of {TRIALS})")
    print(f"trivial runs               {rate:6.2f} a second")
    over = [point - alone for point, alone in zip(points, imports, strict=True)]
    figures = {
        "first_point_over_import_s": statistics.median(over),
        "death_noticed_s": max(deaths),
        "runs_per_s": rate,
    }
    report(figures, sys.argv[1:])


if __name__ == "__main__":
    main()
