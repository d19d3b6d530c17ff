"""`logs` and `metrics`: what a run printed and what it measured."""

from __future__ import annotations

import math
import sys
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from engine.errors import RequestError, UnknownName
from engine.exporters import export
from engine.tables import Column, Table
from tui.render import Align, Text, emit, figure, grid, hint, put, say
from tui.session import PROGRAM, Session
from tui.text import number, shown
from tui.verbs.options import Json, OneRun, split

if TYPE_CHECKING:
    from engine.store.stream import StreamReader

HEAD: tuple[Text, ...] = ("metric", "last", "least", "at step")
ALIGNS: tuple[Align, ...] = ("left", "right", "right", "right")
Curves = Annotated[
    str, typer.Option("--columns", metavar="KEYS", help="Curves, separated by commas: step,loss,rel_l2.")
]
AXES = ("step", "time")
"""Columns of every stream that are no measurement."""


def logs(
    ctx: typer.Context,
    run: OneRun,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    lines: Annotated[int | None, typer.Option("--lines", "-n", min=0, help="Begin with the last so many.")] = None,
) -> None:
    """Print the log of a run. Escape sequences are taken out."""
    session: Session = ctx.obj
    first, empty = 0, True
    if lines is not None:
        first = max(sum(1 for _ in session.client.log_lines(run)) - lines, 0)
    for line in islice(session.client.log_lines(run, follow=follow), first, None):
        empty = False
        say(shown(line.expandtabs()))
        if follow:
            sys.stdout.flush()
    if empty and lines != 0:
        found = session.client.run(run)
        hint(f"run {found.id} printed nothing; `{PROGRAM} metrics {found.id}` shows what it measured")


def metrics(
    ctx: typer.Context,
    run: OneRun,
    columns: Curves = "",
    csv: Annotated[bool, typer.Option("--csv", help="Every point, as CSV.")] = False,
    json: Json = False,
) -> None:
    """Print what a run measured. The last and least value of each curve; with --json or --csv every point."""
    if csv and json:
        raise RequestError("metrics: required --csv or --json, got both; leave one out")
    session: Session = ctx.obj
    found = session.client.run(run)
    stream = session.client.stream(found.id)
    keys = chosen(stream, split(columns))
    if csv:
        put(export(points(stream, keys), "csv"))
    elif json:
        curves = {key: stream.columns[key].tolist() for key in keys}
        if "step" in curves:
            curves["step"] = [int(step) for step in curves["step"]]
        emit({"run": found.id, "status": found.status, "columns": curves}, compact=True)
    elif stream.length:
        rows = [_extremes(stream, key) for key in keys if key not in AXES]
        for line in grid([HEAD, *rows], ALIGNS):
            say(line)
    else:
        hint(f"run {found.id} has measured nothing yet; it is {found.status}")


def chosen(stream: StreamReader, keys: list[str]) -> list[str]:
    """The columns of a stream that are asked for, or all. Raises UnknownName."""
    known = list(stream.columns)
    if unknown := [key for key in keys if key not in known]:
        raise UnknownName(f"column: required one of {', '.join(known) or 'none yet'}, got {', '.join(unknown)}")
    return keys or known


def points(stream: StreamReader, keys: list[str]) -> Table:
    """Every point: None where it has no value, NaN where NaN was measured."""
    return Table(
        title="metrics",
        columns=tuple(Column(key=key, kind="number") for key in keys),
        rows=tuple(tuple(document.get(key) for key in keys) for document in stream.points()),
    )


def _extremes(stream: StreamReader, key: str) -> list[Text]:
    values, steps = stream.columns[key].tolist(), stream.columns["step"].tolist()
    finite = [(value, step) for value, step in zip(values, steps, strict=True) if math.isfinite(value)]
    least, step = min(finite, default=(None, None))
    return [
        shown(key),
        figure(stream.last.get(key)),
        figure(least),
        number(None) if step is None else f"{step:.0f}",
    ]
