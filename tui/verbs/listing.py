"""`ls`: runs, one a line, the newest last, next to the prompt."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer

from engine.filters import in_view, parse, row
from engine.records import WAITING, Run, Status
from tui.live import LiveRun
from tui.render import Align, Text, emit, grid, hint, is_terminal, say, status, table_lines, terminal_width
from tui.session import Session
from tui.slips import slips
from tui.text import duration, number, shown
from tui.verbs.options import Columns, Filter, Json, split
from tui.verbs.records import run_record

MOST_LINES = 50
"""On a terminal, unless asked for otherwise; a pipe gets them all."""

HEAD: tuple[Text, ...] = ("run", "what", "seed", "status", "iter", "loss", "rel L2", "time")
ALIGNS: tuple[Align, ...] = ("left", "left", "right", "left", "right", "right", "right", "right")
FLEXIBLE = 1
NO_RUNS = "no runs yet: sciml-tui demo, or sciml-tui run TASK key=value ..."
NO_STREAM = WAITING | {Status.DONE, Status.SKIPPED}
"""The summary of a run that is done says all; the others have streamed nothing."""


def ls(
    ctx: typer.Context,
    filter: Filter = "",
    all: Annotated[bool, typer.Option("--all", "-a", help="Archived runs too.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=0, help="The newest so many; 0 for all. [50 on a terminal]")
    ] = None,
    columns: Columns = "",
    ids: Annotated[bool, typer.Option("--ids", "-q", help="Print the ids alone, for other commands.")] = False,
    json: Json = False,
) -> None:
    """List runs."""
    session: Session = ctx.obj
    found = session.client.runs(filter)
    runs = in_view(found, filter, all=all)
    most = limit if limit is not None else MOST_LINES if is_terminal() and not json else 0
    chosen = runs[-most:] if most else runs
    now = time.time()
    if json:
        emit([run_record(run, now) for run in chosen])
    elif ids:
        for run in chosen:
            say(run.id)
    elif not chosen:
        hint(none_shown(session, filter, archived=len(found)))
    elif wanted := split(columns):
        from engine.tables import runs_table

        table = runs_table([row(run, now) for run in runs], wanted)  # of all: the newest need not have every column
        for line in table_lines(msgspec.structs.replace(table, rows=table.rows[-len(chosen) :])):
            say(line)
    else:
        for line in run_lines([live_run(session, run) for run in chosen], now):
            say(line)
    if len(chosen) < len(runs) and not (json or ids):
        hint(f"{len(runs) - len(chosen)} older ones are not shown (--limit 0)")


def none_shown(session: Session, filter: str, *, archived: int) -> str:
    """That there is nothing to show, and why, where that is a slip of the pen. archived: how many are left out."""
    if archived:
        return f"{archived} archived run{'s' * (archived > 1)} left out (--all)"
    if not filter:
        return NO_RUNS
    rows = [row(run) for run in session.client.runs()]
    return "; ".join(("no runs match", *slips(parse(filter), rows))) if rows else NO_RUNS


def live_run(session: Session, run: Run) -> LiveRun:
    """The run with the last values that it streamed, if it goes on or was cut off: only the end of its file is read."""
    if run.status in NO_STREAM:
        return LiveRun(run)
    from engine.store.stream import tail

    last = tail(session.client.home.run(run.id).stream, ("step", "loss", "rel_l2"), 1)
    return LiveRun(run, {name: values[-1] for name, values in last.items() if values})


def run_lines(runs: Sequence[LiveRun], now: float, room: int | None = None) -> list[str]:
    """Aligned lines under a head, fitted to that many cells or to the terminal."""
    rows = [HEAD, *(run_cells(live, now) for live in runs)]
    return grid(rows, ALIGNS, room=room or terminal_width(), flexible=FLEXIBLE)


def run_cells(live: LiveRun, now: float) -> list[Text]:
    """What a line shows of a run; the name, if it has one, before what it does."""
    run = live.run
    what = " ".join(part for part in (run.spec.name, run.label or run.spec.task) if part)
    counts = ("step",) if live.active else ("iterations", "steps", "closures", "step")
    iterations = next((count for key in counts if (count := live.figure(key)) is not None), None)
    return [
        run.id,
        shown(what),
        str(run.spec.seed),
        status(run.status),
        number(None) if iterations is None else f"{iterations:.0f}",
        number(live.figure("loss")),
        number(live.figure("rel_l2")),
        duration(row(run, now)["seconds"]),
    ]
