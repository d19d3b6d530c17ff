"""`watch`, and the progress that `run --wait`, `suite run` and `demo` show.

On a terminal a live table; anywhere else plain lines: one at each change of a run, and now and then one of each run
that goes on, so that a log stays short and its reader knows that something is happening.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Protocol, TextIO

import typer

from engine.records import ENDED, WAITING, Run, Status
from tui.live import LiveRun
from tui.render import hint, is_terminal, paint, status
from tui.session import Session
from tui.text import duration, number, shown, truncate
from tui.verbs.listing import run_lines
from tui.verbs.options import Json
from tui.verbs.records import emit_runs

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    from engine.report import Report

FIGURES = (("loss", "loss"), ("rel L2", "rel_l2"))
"""(title, key) of what a line shows of a run that goes on."""
GLANCE = 0.5
"""Seconds between two looks at the runs."""
TOLD = ENDED | {Status.RUNNING, Status.UNKNOWN}
"""States whose beginning has a line of its own."""
REMINDER = 10.0
"""Seconds between two plain lines of a run in which nothing changed."""
LONGEST_REASON = 200
"""Cells of why a run ended: what torch says can be many lines long; `show` has it all."""


class Display(Protocol):
    """How progress is shown."""

    def show(self, runs: Sequence[LiveRun]) -> None: ...


def follow(session: Session, ids: Sequence[str], out: TextIO) -> list[Run]:
    """Shows progress on `out` until all runs have ended; the runs as they are then."""
    from engine.report import Report

    reports = {run: Report(session.client.home, run) for run in ids}
    known: dict[str, Run] = {}
    glanced = float("-inf")

    def see(run: Run) -> None:
        known[run.id] = run

    with _display(out) as display:

        def glance() -> bool:
            nonlocal glanced
            if time.monotonic() - glanced >= GLANCE:
                glanced = time.monotonic()
                display.show([_live(known[run], reports[run]) for run in ids])
            return False

        ended = session.client.wait(ids, see, stop=glance)
        display.show([_live(run, reports[run.id]) for run in ended])
    return ended


def _live(run: Run, report: Report) -> LiveRun:
    if run.status in WAITING:
        return LiveRun(run)
    report.poll()
    progress, stages = report.progress, report.stages
    share = progress["done"] / progress["total"] if progress and progress["total"] else None
    return LiveRun(run, report.last, stage=str(stages[-1]["name"]) if stages else "", progress=share)


@contextmanager
def _display(out: TextIO) -> Iterator[Display]:
    if not is_terminal(out):
        yield Lines(out)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=out)
    with Live(console=console, auto_refresh=False) as live:
        yield Screen(live, console)


class Screen:
    """A table that is drawn over itself."""

    def __init__(self, live: Live, console: Console) -> None:
        self._live, self._console = live, console

    def show(self, runs: Sequence[LiveRun]) -> None:
        from rich.text import Text

        lines = run_lines(fitting(runs, self._console.height - 4), time.time(), self._console.width)
        self._live.update(Text.from_ansi("\n".join([*lines, counted(runs)]), no_wrap=True), refresh=True)


class Lines:
    """Plain lines, for files and pipes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._begun = time.monotonic()
        self._seen: dict[str, Status] = {}
        self._told: dict[str, float] = {}

    def show(self, runs: Sequence[LiveRun]) -> None:
        now = time.monotonic()
        if not self._seen:
            self._line(counted(runs))
            self._seen = {it.run.id: it.run.status for it in runs if it.run.status is Status.DONE}
        for live in runs:
            run = live.run
            changed = run.status is not self._seen.get(run.id) and run.status in TOLD
            reminded = live.active and now - self._told.get(run.id, now) >= REMINDER
            if changed or reminded:
                self._told[run.id] = now
                self._line(f"{_told(live)}  {_ended(runs)}" if run.status in ENDED else _told(live))
            self._seen[run.id] = run.status

    def _line(self, text: str) -> None:
        self._out.write(f"{duration(time.monotonic() - self._begun):>6}  {text}\n")
        self._out.flush()


def fitting(runs: Sequence[LiveRun], room: int) -> list[LiveRun]:
    """At most that many runs, in their order: what goes on, then what ended last, then what waits."""
    if len(runs) <= room:
        return list(runs)
    rank = sorted(runs, key=lambda it: (not it.active, it.run.status in WAITING, -(it.run.ended or 0.0)))
    kept = {it.run.id for it in rank[: max(room, 1)]}
    return [it for it in runs if it.run.id in kept]


def counted(runs: Sequence[LiveRun]) -> str:
    """`12 runs: 2 running, 7 queued, 3 done`"""
    counts = Counter(str(it.run.status) for it in runs)
    parts = ", ".join(f"{counts[name]} {name}" for name in Status if counts[name])
    return f"{len(runs)} run{'s' if len(runs) > 1 else ''}: {parts}"


def _told(live: LiveRun) -> str:
    run = live.run
    parts = [run.id, paint(status(run.status)), shown(run.spec.name), shown(run.label or run.spec.task)]
    parts.append(f"seed {run.spec.seed}")
    if live.active and live.stage:
        parts.append(shown(live.stage))
    if live.active and live.progress is not None:
        parts.append(f"{100 * live.progress:.0f}%")
    if "step" in live.latest:
        parts.append(f"iter {live.latest['step']:.0f}")
    parts += [f"{title} {number(value)}" for title, key in FIGURES if (value := live.figure(key)) is not None]
    if run.reason:
        parts.append(f"({truncate(shown(run.reason), LONGEST_REASON)})")
    return "  ".join(part for part in parts if part)


def _ended(runs: Sequence[LiveRun]) -> str:
    return f"[{sum(it.run.status in ENDED for it in runs)} of {len(runs)} ended]"


def watch(
    ctx: typer.Context,
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="By default all that go on.")] = None,
    json: Json = False,
) -> None:
    """Watch runs until they have ended. Ctrl-C leaves them running."""
    session: Session = ctx.obj
    if runs:
        ids = [session.client.run(text).id for text in runs]
    else:
        ids = [run.id for run in session.client.runs("") if run.status not in ENDED]
    if not ids:
        hint("nothing goes on")
    ended = follow(session, ids, sys.stderr if json else sys.stdout) if ids else []
    if json:
        emit_runs(ended)
