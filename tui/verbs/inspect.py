"""`show` and `diff`: all that is known of a run, and what sets runs apart."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from engine import schema
from engine.errors import ScimlError
from engine.filters import row
from engine.records import Run
from engine.tables import Column, Table, differing
from engine.values import text
from tui.render import Align, Text, definitions, emit, figure, grid, paint, say, status, table_lines, terminal_width
from tui.session import Session
from tui.text import clock, duration, number, shown, size
from tui.verbs.options import Json, OneRun
from tui.verbs.records import emit_runs, report_of, run_record

SETTINGS: tuple[Align, ...] = ("left", "left", "left", "left")
Properties = Mapping[str, Mapping[str, Any]]


def show(ctx: typer.Context, run: OneRun, json: Json = False) -> None:
    """Show a run. Its settings, stages, result, warnings, where it ran, its files."""
    session: Session = ctx.obj
    found = session.client.run(run)
    if json:
        emit({**run_record(found), "stages": report_of(session, found).stages, "files": dict(files(session, found))})
        return
    for title, lines in _sections(session, found):
        if lines:
            say(title)
            for line in lines:
                say(line)


def _sections(session: Session, run: Run) -> Iterator[tuple[str, list[str]]]:
    head = " ".join(shown(part) for part in (run.id, run.spec.name, run.label) if part)
    reason = f"  {shown(run.reason)}" if run.reason else ""
    yield f"{head}  {paint(status(run.status))}{reason}", definitions(_facts(run))
    yield "settings (* not the default)", _settings(run, _properties(session, run))
    yield "stages", _stage_lines(report_of(session, run).stages)
    yield "result", definitions((key, figure(value)) for key, value in run.summary.items())
    yield "warnings", [f"  {shown(warning)}" for warning in run.warnings]
    origin = {**run.versions, **{key: text(value) for key, value in run.code.items()}}
    yield "code", definitions((key, shown(value)) for key, value in origin.items())
    yield "files", definitions((name, size(amount)) for name, amount in files(session, run))


def _facts(run: Run) -> Iterator[tuple[str, Text]]:
    spec, asked = run.spec, run.spec.resources
    yield "task", shown(spec.task)
    yield "seed", str(spec.seed)
    for key, names in (("needs", spec.needs), ("tags", spec.tags)):
        if names:
            yield key, shown(", ".join(names))
    for key, value in (("retry of", run.retry_of), ("pack", run.pack), ("note", run.note)):
        if value:
            yield key, shown(value)
    yield "asked for", shown(f"gpus {text(asked.gpus)}, cpus {asked.cpus}, launcher {asked.launcher}")
    if run.device:
        yield "device", shown(run.device)
    for key, at in (("created", run.created), ("started", run.started), ("ended", run.ended)):
        if at is not None:
            yield key, clock(at)
    yield "time", duration(row(run, time.time())["seconds"])
    if run.attempt > 1:
        yield "attempts", str(run.attempt)
    if run.archived:
        yield "archived", "yes"


def _properties(session: Session, run: Run) -> Properties:
    """The described settings of the run's task, or none where they cannot be had: the run is shown all the same."""
    with suppress(ScimlError):
        described = session.client.describe().tasks.get(run.spec.task)
        if described is not None:
            return schema.active(described.schema, run.spec.params)
    return {}


def _settings(run: Run, properties: Properties) -> list[str]:
    rows: list[list[Text]] = []
    for key, value in run.spec.params.items():
        property = properties.get(key, {})
        changed = bool(property) and property.get("default") != value
        rows.append(
            [
                f"{'*' if changed else ' '} {shown(key)}",
                shown(text(value, property)) or '""',
                shown(property.get("x-unit", "")),
                shown(property.get("description", "")),
            ]
        )
    return grid(rows, SETTINGS, room=terminal_width(), flexible=3) if rows else []


def _stage_lines(found: list[dict[str, Any]]) -> list[str]:
    if not found:
        return []
    keys = list(dict.fromkeys(key for stage in found for key in stage if key not in ("time", "at")))
    body = [[figure(stage.get(key)) for key in keys] for stage in found]
    aligns = ["right" if isinstance(found[0].get(key), int | float) else "left" for key in keys]
    return [f"  {line}" for line in grid([[shown(key) for key in keys], *body], aligns)]  # type: ignore[arg-type]


def files(session: Session, run: Run) -> Iterator[tuple[str, int]]:
    """(path in the run's folder, bytes), in order."""
    folder: Path = session.client.home.run(run.id).folder
    for path in sorted(folder.rglob("*")):
        with suppress(OSError):  # gone in between: a run that goes on replaces its checkpoints
            if path.is_file():
                yield str(path.relative_to(folder)), path.stat().st_size


def diff(
    ctx: typer.Context,
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="Two runs or more.")],
    json: Json = False,
) -> None:
    """Show what sets runs apart. Settings, versions and results that differ, and nothing else."""
    session: Session = ctx.obj
    if len(runs) < 2:
        raise typer.BadParameter("required two runs or more, got one")
    found = [session.client.run(run) for run in runs]
    if json:
        emit_runs(found)
        return
    for title, parts in (
        ("settings", [{"task": r.spec.task, "seed": r.spec.seed, **r.spec.params} for r in found]),
        ("code", [{**r.versions, **r.code} for r in found]),
        ("result", [{"status": str(r.status), "seconds": r.seconds, **r.summary} for r in found]),
    ):
        keys = differing(parts)
        for line in table_lines(_beside(title, found, keys, parts)) if keys else [f"{title}: the same"]:
            say(line)


def _beside(title: str, runs: Iterable[Run], keys: list[str], parts: list[dict[str, Any]]) -> Table:
    columns = [Column(key="setting", header=title), *(Column(key=run.id) for run in runs)]
    rows = tuple((key, *told_apart([part.get(key) for part in parts])) for key in keys)
    return Table(title="", columns=tuple(columns), rows=rows)


def told_apart(values: list[Any]) -> list[Any]:
    """Numbers in three digits where that tells all of them apart, else in full."""
    exact = [None if value is None else text(value) for value in values]
    short = [number(value) if isinstance(value, float) else it for value, it in zip(values, exact, strict=True)]
    return short if len(set(short)) == len(set(exact)) else exact
