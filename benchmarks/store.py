"""The catalogue at 1k, 10k and 100k runs, stock TinyDB beside it; metric streams; what the disk itself costs.

    python -m benchmarks.store [--json FILE] [--sizes 1000,10000,100000] [--no-stock]

Times are medians. Writes are timed without waiting for the disk, as stock TinyDB's caching storage would be at best,
except `insert_fsync_over_disk_ms`: an insert that waits for the disk, less a bare write of as many bytes that does too,
in alternation. `seen` is the time from an acknowledged insert until another process that looks every 5 ms knows it;
`tail` that from a reported point until a reader of 8 streams, 50 points a second each, has it.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import msgspec
from tinydb import Query, TinyDB

from benchmarks._figures import report
from engine.api import RunSpec
from engine.paths import Home
from engine.records import Run, Status
from engine.store.catalog import Catalog
from engine.store.stream import StreamReader, StreamWriter

SIZES = (1_000, 10_000, 100_000)
POINTS = 1_000_000
COLUMNS = ("loss", "residual", "initial", "boundary", "grad_norm", "rel_l2")


def a_run(number: int) -> Run:
    """As a curriculum on a PINN leaves it: 0.8 kB."""
    params = {"system": "convection", "beta": float(number % 50), "strategy": "curriculum", "strategy.step": 1.0}
    model = {"model": "mlp", "model.width": 50, "model.depth": 4, "optimizer": "lbfgs", "dtype": "float32"}
    return Run(
        id="",
        spec=RunSpec(task="pinn", params={**params, **model, "points": 1000}, seed=number, tags=("bench",)),
        label=f"convection β={number % 50} curriculum",
        status=Status.FAILED if number % 1000 == 0 else Status.DONE,
        created=1.7e9 + number,
        started=1.7e9 + number,
        ended=1.7e9 + number + 9,
        seconds=9.0,
        device="cpu",
        identity=f"{number:016x}",
        summary={"loss": 1e-3 / (number + 1), "rel_l2": 2e-2, "abs_err": 0.1, "linf": 0.3, "stop_reason": "tolerance"},
    )


def milliseconds(work: Callable[[], Any], repeats: int) -> float:
    """The median of some calls."""
    gc.collect()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return 1e3 * median(times)


def fresh_query() -> Any:
    """One that no cache knows, and one run in fifty matches."""
    return (Query().spec.params.beta == 7.0) & (Query().created > time.perf_counter())


def journal(folder: Path, size: int) -> dict[str, float]:
    catalog = Catalog(Home(folder / "home"), sync=False)
    catalog.add(map(a_run, range(size)))
    catalog.db.journal.compact()
    run, middle = a_run(size), catalog.get(f"r{size // 2:04x}").id
    table = catalog.db.table("runs")
    return {
        "insert": milliseconds(lambda: catalog.add([run]), 200),
        "update": milliseconds(lambda: catalog.edit(middle, seconds=time.time()), 200),
        "get": milliseconds(lambda: catalog.get(middle), 200),
        "filter_indexed": milliseconds(lambda: catalog.by_status([Status.FAILED]), 20),
        "query": milliseconds(lambda: table.search(fresh_query()), 5),
        "query_again": milliseconds(lambda query=fresh_query(): table.search(query), 20),
    }


def stock(folder: Path, size: int) -> dict[str, float]:
    path = folder / "stock.json"
    documents = {str(n): msgspec.to_builtins(a_run(n)) for n in range(1, size + 1)}
    path.write_text(json.dumps({"runs": documents}))
    repeats = 20 if size <= 1000 else 5 if size <= 10_000 else 1
    with TinyDB(path) as db:
        table, document = db.table("runs"), msgspec.to_builtins(a_run(size))
        return {
            "insert": milliseconds(lambda: table.insert(document), repeats),
            "update": milliseconds(lambda: table.update({"seconds": 1.0}, doc_ids=[size // 2]), repeats),
            "get": milliseconds(lambda: table.get(doc_id=size // 2), repeats),
            "filter_indexed": milliseconds(lambda: table.search(Query().status == time.time()), repeats),
            "query": milliseconds(lambda: table.search(fresh_query()), repeats),
        }


def in_a_fresh_process(function: str, *args: str) -> dict[str, float]:
    """What a function of this module returns when nothing was in memory before."""
    code = f"import json, sys; from benchmarks import store; print(json.dumps(store.{function}(*sys.argv[1:])))"
    done = subprocess.run([sys.executable, "-c", code, *args], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def opened(folder: str) -> dict[str, float]:
    before, begun = resident_mb(), time.perf_counter()
    catalog = Catalog(Home(folder), readonly=True)
    seconds = time.perf_counter() - begun
    assert catalog.by_status([Status.FAILED])
    return {"s": seconds, "mb": resident_mb() - before}


def loaded(path: str) -> dict[str, float]:
    import numpy  # noqa: F401  its own memory and time are not the stream's

    before, begun = resident_mb(), time.perf_counter()
    reader = StreamReader(Path(path))
    reader.poll()
    assert reader.length == POINTS
    return {"s": time.perf_counter() - begun, "mb": resident_mb() - before}


def synced_over_disk(folder: Path, rounds: int = 200) -> float:
    """Milliseconds that an insert takes beyond a bare append of as many bytes, both waiting for the disk."""
    catalog = Catalog(Home(folder / "synced"))
    run = a_run(1)
    line = b"x" * len(msgspec.json.encode(run))
    bare = os.open(folder / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    inserts, writes = [], []
    for _ in range(rounds):
        inserts.append(milliseconds(lambda: catalog.add([run]), 1))
        writes.append(milliseconds(lambda: (os.write(bare, line), os.fdatasync(bare)), 1))
    os.close(bare)
    return median(inserts) - median(writes)


def percentile_99(times: list[float]) -> float:
    return quantiles(times, n=100)[98]


def insert_slowly(folder: str, count: str) -> dict[str, float]:
    catalog = Catalog(Home(folder), sync=False)
    for number in range(int(count)):
        (run,) = catalog.add([a_run(number)])
        catalog.edit(run.id, note=str(time.time()))
        time.sleep(0.01)
    return {}


def seen(folder: Path, count: int = 300) -> float:
    """99th percentile, in ms, of the time until another process knows a change."""
    home = Home(folder / "home")
    catalog = Catalog(home, readonly=True)
    late: list[float] = []
    with _started("insert_slowly", str(home.folder), str(count)):
        while len(late) < count:
            for run in catalog.refresh():
                note = catalog.get(run).note
                late.extend([1e3 * (time.time() - float(note))] if note else [])
            time.sleep(0.005)
    return percentile_99(late)


def report_slowly(path: str, count: str) -> dict[str, float]:
    with StreamWriter(Path(path)) as writer:
        for step in range(int(count)):
            writer.point(step, dict.fromkeys(COLUMNS, 1.0 / (step + 1)))
            time.sleep(0.02)
    return {}


def tailed(folder: Path, writers: int = 8, count: int = 250) -> float:
    """99th percentile, in ms, of the time until a reader of some streams has a point."""
    paths = [folder / f"tail-{n}.jsonl" for n in range(writers)]
    readers = [StreamReader(path) for path in paths]
    late: list[float] = []
    processes = [_started("report_slowly", str(path), str(count)) for path in paths]
    while len(late) < writers * count:
        for reader in readers:
            known = reader.length
            if reader.poll():
                late.extend(1e3 * (time.time() - reader.columns["time"][known:]))
        time.sleep(0.005)
    for process in processes:
        process.wait()
    return percentile_99(late)


def _started(function: str, *args: str) -> subprocess.Popen[bytes]:
    code = f"import sys; from benchmarks import store; store.{function}(*sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-c", code, *args])


def appended(path: Path) -> dict[str, float]:
    values = [{name: 0.1234567 / (n + k + 1) for k, name in enumerate(COLUMNS)} for n in range(1000)]
    times = []
    begun = time.perf_counter()
    with StreamWriter(path) as writer:
        for step in range(POINTS):
            before = time.perf_counter()
            writer.point(step, values[step % 1000])
            times.append(time.perf_counter() - before)
    return {"per_s": POINTS / (time.perf_counter() - begun), "p99_us": 1e6 * percentile_99(times)}


def print_table(rows: list[tuple[str, int, dict[str, float]]]) -> None:
    names = list(rows[0][2])
    print(f"{'ms':<10}{'runs':>8}" + "".join(f"{name:>16}" for name in names))
    for store, size, times in rows:
        cells = "".join(f"{times[name]:>16.3f}" if name in times else f"{'':>16}" for name in names)
        print(f"{store:<10}{size:>8}{cells}")


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.store")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--no-stock", action="store_true")
    chosen = parser.parse_args(argv)
    figures: dict[str, float] = {}
    rows = []
    for size in map(int, chosen.sizes.split(",")):
        folder = Path(tempfile.mkdtemp(prefix="bench-store-"))
        try:
            ours = journal(folder, size)
            rows.append(("journal", size, ours))
            name = f"{size // 1000}k"
            if size == max(SIZES):
                figures |= {f"{key}_ms_{name}": ours[key] for key in ("insert", "update", "filter_indexed", "query")}
                found = in_a_fresh_process("opened", str(folder / "home"))
                figures |= {f"open_s_{name}": found["s"], f"open_mb_{name}": found["mb"]}
                figures["seen_p99_ms"] = seen(folder)
            if not chosen.no_stock:
                theirs = stock(folder, size)
                rows.append(("TinyDB", size, theirs))
                if size == max(SIZES):
                    figures[f"stock_insert_ratio_{name}"] = theirs["insert"] / ours["insert"]
        finally:
            shutil.rmtree(folder)
    print_table(rows)
    folder = Path(tempfile.mkdtemp(prefix="bench-store-"))
    try:
        appending = appended(folder / "metrics.jsonl")
        loading = in_a_fresh_process("loaded", str(folder / "metrics.jsonl"))
        figures |= {
            "append_per_s": appending["per_s"],
            "append_p99_us": appending["p99_us"],
            "tail_p99_ms": tailed(folder),
            "load_s_1e6": loading["s"],
            "load_mb_1e6": loading["mb"],
            "insert_fsync_over_disk_ms": synced_over_disk(folder),
        }
    finally:
        shutil.rmtree(folder)
    report(figures, argv)


if __name__ == "__main__":
    main(sys.argv[1:])
