"""The app on a real pseudo-terminal: first paint beside a bare Textual hello, stalls, bytes on the wire, chart redraw.

    python -m benchmarks.tui [--json FILE] [--trials N]

first_paint_s: process start to the first bytes of a row of the list, 1,000 runs in the store, 120 x 40 cells; the
    ratio is to the first bytes of a Textual app that says hello, in alternation. Medians.
stall_ms: the longest that the event loop of the app was late by while 5 processes report 20 points a second each, 3 of
    the runs being compared; at the list of 100,000 runs, while it opens (`stall_ms_100k`).
wire_kb_s: bytes a second to the terminal at the list with 8 live rows and 3 live curves of the run under the cursor.
    `wire_compare_kb_s`: at the comparison of 3 of them.
key_ms: a key that moves the cursor, to the first bytes that answer it. chart_ms: drawing 10 curves anew in 100 x 30
    cells after they grew, and showing what changed; `raster` is the drawing alone, which is done off the event loop.
memory_mb: resident memory of the whole app. idle_cpu_percent: of one core, with nothing going on.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import math
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

import msgspec
import numpy as np

from benchmarks._figures import report
from benchmarks.store import a_run
from engine import claims, processes
from engine.api import RunSpec
from engine.client import Client
from engine.paths import Home
from engine.records import Process, Run, Started, Status
from engine.reporter import RunReporter
from engine.store.catalog import Catalog, run_id

SIZE = (120, 40)
HELLO = """
from textual.app import App
from textual.widgets import Static
class Hello(App):
    def compose(self):
        yield Static("hello, world")
Hello().run()
"""
APP = [str(Path(sys.executable).with_name("sciml-tui"))]
RATE = 20.0
"""Points a second that a light writer reports."""


class Terminal:
    """A program on a pseudo-terminal of its own, killed at the end. Nothing is emulated: its bytes are looked at."""

    def __init__(self, command: Sequence[str]) -> None:
        self.begun = time.perf_counter()
        self.seen = 0
        """Bytes that it wrote so far."""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
            os.execv(command[0], list(command))
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._fd)

    def press(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def read(self, seconds: float) -> bytes:
        """What it writes next; nothing after so long, or once it has ended."""
        try:
            data = os.read(self._fd, 1 << 16) if select.select([self._fd], [], [], seconds)[0] else b""
        except OSError:
            data = b""
        self.seen += len(data)
        return data

    def until(self, text: str, limit: float = 120.0) -> float:
        """Seconds from the start until it has written this text."""
        wanted, written = text.encode(), b""
        while wanted not in written:
            data = self.read(limit)
            if not data:
                raise RuntimeError(f"required {text!r} on its screen, got {written[-2000:]!r}")
            written += data
        return time.perf_counter() - self.begun

    def watch(self, seconds: float) -> int:
        """Bytes that it writes in so many seconds."""
        before, end = self.seen, time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)
        return self.seen - before

    def settle(self) -> None:
        """Until it has been quiet for a second, or has not for ten."""
        for _ in range(10):
            if not self.watch(1.0):
                return

    def cpu(self) -> float:
        """Seconds of processor time that it used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident MB."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


# A store, and runs that are going on in it.


def a_store(folder: Path, runs: int, streams: int = 60) -> Home:
    """Runs that have ended; the newest, which the list shows, have curves."""
    home = Home(folder).create()
    catalog = Catalog(home, sync=False)
    catalog.add(map(a_run, range(runs)))
    catalog.close()
    for number in range(runs - streams + 1, runs + 1):
        reporter = RunReporter(home, run_id(number), 1, seed=0, stop=lambda: False)
        for step in range(300):
            reporter.metrics(step, **figures_at(step))
        reporter.close()
    return home


def figures_at(step: int, run: int = 0) -> dict[str, float]:
    """Curves that fall, no two runs alike."""
    loss = math.exp(-step / (200 + 100 * run)) * (1 + 0.2 * math.sin(step / (5 + run)))
    return {"loss": loss, "rel_l2": loss**0.5, "validation_rel_l2": 1.1 * loss**0.5}


def report_steadily(folder: str, run: str) -> None:
    """Supervises a run as its shim does, and reports as its worker does, until it is killed."""
    home = Home(folder)
    catalog = Catalog(home, sync=False)
    taken = claims.take(catalog, home, catalog.get(run))
    assert taken is not None, f"run {run} is not waiting"
    paths, me = home.run(run), processes.identify(os.getpid()) or Process(os.getpid(), 0)
    paths.attempt(1).mkdir(parents=True)
    started = Started(host=processes.host_name(), boot=processes.boot_id(), shim=me, worker=me, at=time.time())
    paths.started(1).write_bytes(msgspec.json.encode(started))
    reporter = RunReporter(home, run, 1, seed=0, stop=lambda: False)
    for step in range(1_000_000):
        reporter.metrics(step, **figures_at(step, taken[0].spec.seed))
        time.sleep(1 / RATE)


@contextmanager
def going_on(home: Home, count: int) -> Iterator[list[str]]:
    """So many runs that report from processes of their own; their ids."""
    catalog = Catalog(home, sync=False)
    runs = catalog.add(
        Run(id="", spec=RunSpec(task="pinn", params=a_run(n).spec.params, seed=n), label=f"live number {n}")
        for n in range(count)
    )
    for run in runs:
        home.run(run.id).folder.mkdir(parents=True)
    code = "import sys; from benchmarks import tui; tui.report_steadily(*sys.argv[1:])"
    started = [subprocess.Popen([sys.executable, "-c", code, str(home.folder), run.id]) for run in runs]
    try:
        with Client(home, readonly=True) as client:
            while any(client.run(run.id).status is not Status.RUNNING for run in runs):
                time.sleep(0.05)
        yield [run.id for run in runs]
    finally:
        for process in started:
            process.kill()
            process.wait()
        catalog.remove(run.id for run in runs)
        catalog.close()


# What is looked at from outside.


def first_paint(home: Home, newest: str, trials: int) -> dict[str, float]:
    ours, hello = [], []
    for _ in range(trials + 1):
        with Terminal([sys.executable, "-c", HELLO]) as terminal:
            hello.append(terminal.until("hello, world"))
        with Terminal([*APP, "--home", str(home.folder)]) as terminal:
            ours.append(terminal.until(newest))
    ratios = [a / b for a, b in zip(ours[1:], hello[1:], strict=True)]  # the first ones fill the caches
    return {
        "first_paint_s": median(ours[1:]),
        "hello_first_paint_s": median(hello[1:]),
        "ratio_hello_first_paint": median(ratios),
    }


def at_rest(home: Home, newest: str, keys: int = 100) -> dict[str, float]:
    with Terminal([*APP, "--home", str(home.folder)]) as terminal:
        terminal.until(newest)
        terminal.settle()
        memory, before = terminal.memory(), terminal.cpu()
        terminal.watch(5.0)
        used = terminal.cpu() - before
        answers = []
        for number in range(keys):
            terminal.watch(0.03)
            begun = time.perf_counter()
            terminal.press("k" if number // 10 % 2 else "j")
            terminal.read(5.0)
            answers.append(1e3 * (time.perf_counter() - begun))
    return {
        "memory_mb_1k": memory,
        "idle_cpu_percent": 100 * used / 5.0,
        "key_ms": median(answers),
        "key_p99_ms": quantiles(answers, n=100)[98],
    }


def on_the_wire(home: Home, seconds: float = 10.0) -> dict[str, float]:
    with going_on(home, 8) as runs, Terminal([*APP, "--home", str(home.folder)]) as terminal:
        terminal.until(runs[-1])
        terminal.watch(3.0)
        at_list = terminal.watch(seconds)
        terminal.press("   4")  # marks three, and compares them
        terminal.watch(3.0)
        compared = terminal.watch(seconds)
    return {"wire_kb_s": at_list / seconds / 1e3, "wire_compare_kb_s": compared / seconds / 1e3}


# What is looked at from inside: the app itself, in a process of its own, with a heart that beats.

BEAT = 0.005


def beating(folder: str, answer: str, marked: str, seconds: str) -> None:
    """Runs the app, and writes how late its event loop was at worst: until a second after its first runs, and later.

    marked: runs whose comparison is shown, with commas between; none for the list. seconds: how long it is looked at.
    """
    import tui.app
    from tui.opening import open_app
    from tui.session import Session

    class Beating(tui.app.SciMLApp):
        opening = after = 0.0
        """Seconds that the loop was late by at worst."""

        def on_mount(self) -> None:
            self.heart = asyncio.create_task(self.beat())

        async def beat(self) -> None:
            while not self.library.complete:
                self.opening = max(self.opening, await self.late())
            begun = time.perf_counter()
            while (passed := time.perf_counter() - begun) < 1.0 + float(seconds):
                late = await self.late()
                if passed < 1.0:
                    self.opening = max(self.opening, late)
                else:
                    self.after = max(self.after, late)
            Path(answer).write_text(json.dumps({"opening": 1e3 * self.opening, "after": 1e3 * self.after}))
            self.exit()

        async def late(self) -> float:
            due = time.perf_counter() + BEAT
            await asyncio.sleep(BEAT)
            return time.perf_counter() - due

    tui.app.SciMLApp = Beating  # type: ignore[misc]
    runs = tuple(filter(None, marked.split(",")))
    open_app(Session(folder), first="compare" if runs else "runs", marked=runs)


def inside(home: Home, marked: Sequence[str], seconds: float) -> dict[str, float]:
    code = "import sys; from benchmarks import tui; tui.beating(*sys.argv[1:])"
    with tempfile.NamedTemporaryFile("r", suffix=".json") as answer:
        command = [sys.executable, "-c", code, str(home.folder), answer.name, ",".join(marked), str(seconds)]
        with Terminal(command) as terminal:
            while terminal.read(60.0):
                pass
        found: dict[str, float] = json.loads(answer.read())
    return found


def stalls(home: Home) -> dict[str, float]:
    with going_on(home, 5) as runs:
        at_list = inside(home, (), 8.0)
        compared = inside(home, runs[:3], 8.0)
    return {"stall_ms": max(at_list["after"], compared["after"]), "stall_opening_ms": at_list["opening"]}


def large(folder: Path, size: int = 100_000) -> dict[str, float]:
    home = a_store(folder, size)
    with Terminal([*APP, "--home", str(home.folder)]) as terminal:
        seconds = terminal.until(run_id(size))
        terminal.settle()
        memory = terminal.memory()
    opening = inside(home, (), 2.0)
    return {"populate_s_100k": seconds, "stall_ms_100k": opening["opening"], "memory_mb_100k": memory}


# The chart.


def chart(points: int = 100_000, curves: int = 10, redraws: int = 15) -> dict[str, float]:
    """Curves that grow by 1% between two drawings, on a logarithmic axis."""
    from tui import palette
    from tui.raster.spec import Axis, Plot, Series
    from tui.widgets.chart import Chart

    steps = np.arange(points + redraws * points // 100)
    noise = np.random.default_rng(0).normal(0.0, 0.3, (curves, len(steps)))
    values = np.exp(-3 * steps / points * (1 + np.arange(curves)[:, None] / curves) + noise)
    colours = palette.SERIES

    def plot(length: int) -> Plot:
        series = tuple(
            Series(f"curve {n}", steps[:length], values[n, :length], colours[n % len(colours)]) for n in range(curves)
        )
        return Plot(series, x=Axis("iteration"), y=Axis(log=True), live=True)

    async def redraw() -> tuple[list[float], list[float]]:
        from textual.app import App, ComposeResult

        class Alone(App[None]):
            def compose(self) -> ComposeResult:
                yield Chart(plot(points))

        raster, whole = [], []
        app = Alone()
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause()
            shown = app.query_one(Chart)
            for number in range(redraws):
                shown.content = plot(points + number * points // 100)
                begun = time.perf_counter()
                frame = shown._draw(shown._spec())
                drawn = time.perf_counter()
                shown.show(frame)
                for y in range(shown.size.height):
                    shown.render_line(y)
                raster.append(1e3 * (drawn - begun))
                whole.append(1e3 * (time.perf_counter() - begun))
                await pilot.pause()
        return raster, whole

    raster, whole = asyncio.run(redraw())
    return {"chart_ms_10x100k": median(whole), "chart_raster_ms_10x100k": median(raster)}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.tui")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--trials", type=int, default=11)
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-tui-") as folder:
        home = a_store(Path(folder, "1k"), 1_000)
        figures = first_paint(home, run_id(1_000), chosen.trials)
        figures |= at_rest(home, run_id(1_000))
        figures |= stalls(home)
        figures |= on_the_wire(home)
        figures |= large(Path(folder, "100k"))
    figures |= chart()
    report(figures, argv)


if __name__ == "__main__":
    main(sys.argv[1:])
