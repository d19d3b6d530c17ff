"""`export`: runs, or groups of runs, as a table in a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from engine.errors import RequestError
from engine.exporters import FORMATS, exporter
from engine.filters import row
from engine.tables import JUDGED, THRESHOLD, differing, grouped, is_setting, runs_table
from tui.render import hint, say
from tui.session import Session
from tui.verbs.options import Columns, Filter, split

Format = Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}; by default what the file's name says.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; by default standard output.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")]

FIRST = ("id", "name", "task", "status", "reason", "seed")
FIGURES = ("loss", JUDGED, "abs_err", "linf", "closures", "stop_reason", "seconds")
"""What a reader looks for first; of them, those that the runs have are in a table for people."""


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
    runs = [run for run in session.client.runs(filter) if all or not run.archived]
    rows = [row(run, now) for run in runs]
    if group_by:
        table = grouped(rows, split(group_by), split(columns) or _averaged(rows), threshold=threshold)
    else:
        table = runs_table(rows, split(columns) or (_all(rows) if chosen in ("csv", "json") else _telling(rows)))
    table = msgspec.structs.replace(table, meta=_meta(filter, len(rows)))
    text = made_by.render(table)
    if output is None:
        say(text.rstrip("\n") if isinstance(text, str) else text.decode())
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


def write(path: Path, text: str | bytes, *, force: bool) -> None:
    """The whole file or none. Raises RequestError if it exists, unless forced."""
    from engine import atomic

    if path.exists() and not force:
        raise RequestError(f"output: required a file that does not exist, got {path}; --force overwrites it")
    if not path.parent.is_dir():
        raise RequestError(f"output: required a folder that exists, got {path.parent}")
    atomic.write(path, text.encode() if isinstance(text, str) else text)


def made_by() -> str:
    """The program with its version, and when."""
    from importlib.metadata import version

    from engine.cells import moment

    return f"sciml-tui {version('sciml-tui')}, {moment(time.time())}"


def _averaged(rows: list[dict[str, Any]]) -> list[str]:
    return [key for key in (JUDGED, "seconds") if any(key in row for row in rows)] or ["seconds"]


def _all(rows: list[dict[str, Any]]) -> list[str]:
    """Every column of the runs, settings in their order before figures in theirs."""
    return list(dict.fromkeys((*FIRST, *(key for row in rows for key in row))))


def _telling(rows: list[dict[str, Any]]) -> list[str]:
    """What a table on paper can hold: which run, the settings that differ, the result."""
    settings = [key for key in differing(rows) if is_setting(key, rows)]
    figures = [key for key in FIGURES if any(key in row for row in rows)]
    return list(dict.fromkeys(("id", "status", "seed", *settings, *figures)))


def _meta(filter: str, count: int) -> dict[str, str]:
    return {
        "made by": made_by(),
        "runs": f"{count} ({filter or 'all'})",
    }
