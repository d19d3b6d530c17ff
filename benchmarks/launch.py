"""How long a person waits: submit to the first metric point, beside the bare import of torch; and how soon a death shows.

    python -m benchmarks.launch [--json FILE]

first_point_over_import_s: seconds from `client.submit` to the first point in the run's stream, cold (no scheduler, no
worker), minus the seconds that `import torch` takes in a fresh interpreter, measured in alternation; medians.
death_noticed_s: seconds from `kill -9` of a worker to the stored status `failed`, the slowest of the trials.
runs_per_s: throughput of trivial runs, one CPU slot each.
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
from engine.client import Client
from engine.paths import Home
from engine.records import ENDED, Run, Status

TRIALS = 5


def until(condition: Callable[[], bool], limit: float = 60.0) -> float:
    """Seconds until the condition holds."""
    start = time.perf_counter()
    while not condition():
        if time.perf_counter() - start > limit:
            raise TimeoutError(f"{condition} did not hold within {limit:g} s")
        time.sleep(0.002)
    return time.perf_counter() - start


def import_torch() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", "import torch"], check=True)
    return time.perf_counter() - start


def submit(client: Client, closures: int) -> Run:
    params = {"system": "reaction", "rho": 5.0, "optimizer.closures": closures}
    return client.submit(client.plan("pinn", params, gpus=0))[0]


def first_point(home: Path) -> float:
    """Cold: neither scheduler nor worker is there; the description of the tasks is cached, as it is after the first use."""
    client = Client(Home(home))
    client.describe()
    start = time.perf_counter()
    run = submit(client, closures=50)
    stream = client.stream(run)
    until(lambda: stream.poll() and stream.length > 0)
    seconds = time.perf_counter() - start
    client.wait([run.id])
    client.stop_scheduler()
    client.close()
    return seconds


def death(home: Path) -> float:
    client = Client(Home(home))
    run = submit(client, closures=100_000)
    stream = client.stream(run)
    until(lambda: stream.poll() and stream.length > 0)
    pid = client.worker_pid(run)
    os.kill(pid, signal.SIGKILL)
    seconds = until(lambda: client.catalog.get(run.id).status is Status.FAILED)
    client.stop_scheduler()
    client.close()
    return seconds


def throughput(home: Path, runs: int = 8) -> float:
    """Runs a second, each a process of its own that imports torch: what a sweep of tiny runs costs."""
    client = Client(Home(home))
    start = time.perf_counter()
    ids = [submit(client, closures=1).id for _ in range(runs)]
    until(lambda: all(client.catalog.get(i).status in ENDED for i in ids), limit=300)
    rate = runs / (time.perf_counter() - start)
    client.stop_scheduler()
    client.close()
    return rate


def main() -> None:
    over: list[float] = []
    deaths: list[float] = []
    imports: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        import_torch()
        for _ in range(TRIALS):
            imports.append(import_torch())
            over.append(first_point(Path(folder, "cold")))
        for _ in range(TRIALS):
            deaths.append(death(Path(folder, "death")))
        rate = throughput(Path(folder, "many"))
    print(f"import torch, alone        {statistics.median(imports):6.2f} s  (median of {TRIALS})")
    print(f"submit to first point      {statistics.median(over):6.2f} s  (median of {TRIALS})")
    print(f"kill -9 to status failed   {max(deaths):6.2f} s  (slowest of {TRIALS})")
    print(f"trivial runs               {rate:6.2f} a second")
    report(
        {
            "first_point_over_import_s": statistics.median(o - i for o, i in zip(over, imports, strict=True)),
            "death_noticed_s": max(deaths),
            "runs_per_s": rate,
        },
        sys.argv,
    )


if __name__ == "__main__":
    main()
