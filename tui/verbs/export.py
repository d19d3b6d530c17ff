"""`export`: runs, or groups of runs, as a table in a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from engine.errors import RequestError
from engine.exporters import FORMATS, exporter
from engine.filters import in_view, row
from engine.tables import JUDGED, THRESHOLD, grouped, runs_table
from tui.exports import averaged, columns_for, origin, write
from tui.render import hint, put
from tui.session import Session
from tui.verbs.listing import none_shown
from tui.verbs.options import Columns, Filter, split

Format = Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}; by default what the file's name says.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; by default standard output.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")]


def export(
    ctx: typer.Context,
    filter: Filter = "",
    columns: Columns = "",
    group_by: Annotated[
        str,
        typer.Option("--group-by", metavar="KEYS", help="One row a group: n, mean, std, min, median, success rate."),
    ] = "",
    threshold: Annotated[
        float, typer.Option("--threshold", help=f"A run succeeds when {JUDGED} is at most this.")
    ] = THRESHOLD,
    format: Format = "",
    output: Output = None,
    force: Force = False,
    all: Annotated[bool, typer.Option("--all", "-a", help="Archived runs too.")] = False,
) -> None:
    """Export runs as a table. With --group-by, --columns are the figures to average."""
    session: Session = ctx.obj
    chosen = format or format_of(output)
    made_by = exporter(chosen)
    now = time.time()
    if not threshold > 0:
        raise RequestError(f"threshold: required a number above 0, got {threshold:g}")
    found = session.client.runs(filter)
    runs = in_view(found, filter, all=all)
    rows = [row(run, now) for run in runs]
    if not rows and (filter or found):
        hint(none_shown(session, filter, archived=len(found)))
    if group_by:
        table = grouped(rows, split(group_by), split(columns) or averaged(rows), threshold=threshold)
    else:
        table = runs_table(rows, split(columns) or columns_for(chosen, rows))
    table = msgspec.structs.replace(table, meta=origin(filter, len(rows)))
    text = made_by.render(table)
    if output is None:
        put(text if isinstance(text, bytes) else text.rstrip("\n") + "\n")
        return
    write(output, text, force=force)
    hint(f"{output}: {len(table.rows)} rows from {len(rows)} runs")


def format_of(output: Path | None) -> str:
    """The format that a file's name asks for. Raises RequestError where it asks for none."""
    suffixes = {exporter(name).SUFFIX: name for name in FORMATS}
    if output is None or output.suffix not in suffixes:
        got = f"{output} and no format" if output else "no format"
        raise RequestError(f"format: required --format with one of {', '.join(FORMATS)}, got {got}")
    return suffixes[output.suffix]
