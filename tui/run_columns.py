"""The columns in which runs are listed."""

from __future__ import annotations

from tui import palette, text
from tui.live import LiveRun
from tui.widgets import columns
from tui.widgets.columns import Cell, Column

_SHORT_REASON = 24


def what(live: LiveRun) -> tuple[str, str]:
    """(label, name): what a run is, and what a person called it."""
    return live.run.label, live.run.spec.name


def _what(value: tuple[str, str], _cells: int) -> Cell:
    label, name = value
    named = [(f"{text.shown(name)} ", "muted")] if name else []
    return [*named, (text.shown(label), "")]


def step_of(live: LiveRun) -> int | None:
    """How far it got: the newest step of its stream, or what its summary says of it."""
    for name in ("step", "iterations", "steps"):
        value = live.figure(name)
        if value is not None:
            return int(value)
    return None


def status_of(live: LiveRun) -> tuple[str, str]:
    """(status, what is to be said of it): the stage it is in, why it stopped, what went wrong."""
    run = live.run
    if live.active:
        share = "" if live.progress is None or live.stage else text.percent(live.progress)
        return run.status, live.stage or share or run.status
    detail = run.reason or str(run.summary.get("stop_reason", ""))
    return run.status, detail if len(detail) <= _SHORT_REASON else run.status


def error_of(live: LiveRun) -> tuple[float, bool] | None:
    """(relative L2 error, whether the run warns of something); sorted by the error."""
    value = live.figure("rel_l2")
    return None if value is None else (value, bool(live.run.warnings))


def _error(value: tuple[float, bool] | None, _cells: int) -> Cell:
    error, warned = value or (None, False)
    mark = (f" {palette.glyph('warning')}", palette.ORANGE) if warned else ("  ", "")
    return [(text.number(error), ""), mark]


RUN_COLUMNS = (
    Column("id", "run", lambda live: live.run.id, columns.words, width=6, importance=100),
    Column("label", "what", what, _what, width=28, least=24, most=48, importance=96),
    Column("seed", "seed", lambda live: live.run.spec.seed, columns.whole, width=4, align="right", importance=60),
    Column("dtype", "dtype", lambda live: live.run.spec.params.get("dtype"), columns.quiet, width=7, importance=20),
    Column("status", "status", status_of, columns.state, width=16, least=9, most=24, importance=95),
    Column("step", "iter", step_of, columns.whole, width=7, align="right", importance=50),
    Column("loss", "loss", lambda live: live.figure("loss"), columns.measured(), width=8, align="right", importance=70),
    Column("rel_l2", "rel L2", error_of, _error, width=9, align="right", importance=85),
    Column("trend", "trend", lambda live: live.trend, columns.trend, width=10, most=16, importance=30, sortable=False),
    Column("elapsed", "elapsed", lambda live: live.seconds, columns.elapsed, width=7, align="right", importance=40),
)
