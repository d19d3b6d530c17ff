"""`suite` and `demo`: figures and tables of the papers, run and reported. Only what is missing is run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import msgspec
import typer

from engine.api import SCALES, Suite
from engine.errors import RequestError, UnknownName
from tui.exports import made_by, write
from tui.render import Align, definitions, emit, grid, hint, is_for_app, put, say, table_lines, terminal_width
from tui.session import Session
from tui.text import clock, shown, width
from tui.verbs.export import Force, Format, format_of
from tui.verbs.options import Json
from tui.verbs.records import run_record
from tui.verbs.watching import follow

if TYPE_CHECKING:
    from engine.suites import SuiteState
    from engine.tables import Table

DEMO = "demo"
USUAL = "quick"
"""The scale that is meant where none is named, of a suite that comes in several."""

Key = Annotated[str, typer.Argument(metavar="NAME", help="As `suite ls` prints it.")]
Scale = Annotated[
    str,
    typer.Option(
        "--scale",
        help="smoke (seconds), quick (CPU, minutes), gpu (one GPU, minutes) or paper (in full); `suite ls` lists them.",
    ),
]


def ls(ctx: typer.Context, json: Json = False) -> None:
    """List the suites."""
    session: Session = ctx.obj
    known = session.client.describe().suites
    if json:
        emit([_listed(key, scales) for key, scales in known.items()])
        return
    head = ("suite", *SCALES, "title")
    aligns: list[Align] = ["right" if word in SCALES else "left" for word in head]
    rows = [
        [shown(key), *(_cost(scales.get(scale)) for scale in SCALES), shown(_usual(scales).title)]
        for key, scales in known.items()
    ]
    room = terminal_width()
    lines = grid([head, *rows], aligns, room=room, flexible=len(head) - 1)
    if room and max(map(width, lines)) > room:  # no room for titles: names have to do
        lines = grid([row[:-1] for row in (head, *rows)], aligns[:-1])
    for line in lines:
        say(line)
    say("runs and minutes at each scale, on two CPU cores or one GPU;")
    say("of several, quick is meant where none is named")


def _listed(key: str, scales: Mapping[str, Suite]) -> dict[str, Any]:
    usual = _usual(scales)
    of_each = [
        {"scale": scale, "minutes": suite.minutes, "runs": [run.key for run in suite.runs]}
        for scale, suite in scales.items()
    ]
    return {"key": key, "title": usual.title, "summary": usual.summary, "scales": of_each}


def _cost(suite: Suite | None) -> str:
    """`30 runs 12 min`, or nothing for a scale that there is not."""
    if suite is None:
        return ""
    runs = f"{len(suite.runs)} runs"
    return runs if suite.minutes is None else f"{runs} {suite.minutes:g} min"


def demo(ctx: typer.Context, json: Json = False) -> None:
    """Run the two comparisons.

    A PINN with and without curriculum, an operator fine-tuned and from scratch: a few minutes on two cores. On a
    terminal they stream in the app; elsewhere their progress is printed. A second time it shows what is there.
    """
    suite = find(ctx.obj, DEMO)
    if not json and is_for_app() and not ctx.obj.readonly:
        _stream(ctx.obj, suite)
    carry_out(ctx.obj, suite, again=DEMO, json=json)


def _stream(session: Session, suite: Suite) -> None:
    """Starts what is missing and opens the app on its comparison, until it is left; says so where it is left early."""
    from engine.suites import start, state
    from tui.opening import open_app

    begun = start(session.writer, suite)
    if not begun.on_their_way:
        return
    open_app(session, first="compare", marked=tuple(run.id for run in begun.runs.values()))
    if left := state(session.client, suite).on_their_way:
        hint(f"{len(left)} of {len(suite.runs)} runs go on in the background; {session.command(DEMO)} shows them again")
        raise typer.Exit


def run(ctx: typer.Context, name: Key, scale: Scale = "", json: Json = False) -> None:
    """Run what is missing of a suite, wait for it, and print its tables."""
    suite = find(ctx.obj, name, scale)
    carry_out(ctx.obj, suite, again=f"suite run {command_of(suite)}", json=json)


def report(
    ctx: typer.Context,
    name: Key,
    scale: Scale = "",
    table: Annotated[int | None, typer.Option("--table", min=1, help="Only this one, counted from 1.")] = None,
    format: Format = "",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="A folder for the whole report: Markdown, CSV and LaTeX tables, figures; or a file for the tables.",
        ),
    ] = None,
    figures: Annotated[bool, typer.Option(help="With a folder: draw the figures, by matplotlib.")] = True,
    force: Force = False,
    json: Json = False,
) -> None:
    """Print the tables of a suite from the runs that are there, or write its whole report; nothing is run."""
    from engine.suites import state

    session: Session = ctx.obj
    found = state(session.client, find(session, name, scale))
    if output is not None and not format and not output.suffix:
        _write_report(session, found, output, figures=figures, force=force)
        return
    tables = tables_of(found)
    if table is not None:
        if table > len(tables):
            raise RequestError(f"table: required a number from 1 to {len(tables)}, got {table}")
        tables = tables[table - 1 : table]
    if format or output:
        text = rendered(tables, format or format_of(output))
        if output is None:
            put(text)
        else:
            write(output, text, force=force)
    elif json:
        emit(_record(found, tables))
    else:
        _print(tables)
    if found.without_result:
        absent = f"{found.without_result} of {len(found.suite.runs)} runs have no result yet"
        hint(f"{absent}: {session.command(f'suite run {command_of(found.suite)}')}")


def _write_report(session: Session, state: SuiteState, folder: Path, *, figures: bool, force: bool) -> None:
    """The whole report into a folder. Raises RequestError where a report is there already, unless forced."""
    from engine.suite_report import REPORT, files

    if (folder / REPORT).exists() and not force:
        raise RequestError(f"output: required a folder without a report, got {folder}; --force writes it anew")
    name = command_of(state.suite)
    place = folder.name if folder.is_absolute() else folder
    commands = [f"sciml-tui suite run {name}", f"sciml-tui suite report {name} -o {place}"]
    made = files(session.client, state, made_by=made_by(), commands=commands, figures=figures)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"output: required a folder that can be made, got {folder} ({error.strerror})") from None
    for file, data in made.items():
        write(folder / file, data, force=True)
    count = len(state.suite.runs)
    hint(f"{folder / REPORT}: {len(made)} files, {count - state.without_result} of {count} runs have a result")


def find(session: Session, name: str, scale: str = "") -> Suite:
    """The suite of a name at a scale; without one, at the usual. Raises UnknownName."""
    from engine.schema import suggestion

    catalogue = session.client.describe()
    known = catalogue.suites
    if name not in known:
        broken = "".join(f"\n{it.key} cannot be loaded: {it.error}" for it in catalogue.broken)
        close = suggestion(name, known)
        raise UnknownName(
            f"suite: required one of {', '.join(known) or 'none that is installed'}, got {name}"
            f"{close and f'; {close}'}{broken}"
        )
    scales = known[name]
    if scale and scale not in scales:
        raise UnknownName(f"scale: required one of {', '.join(scales)} for the suite {name}, got {scale}")
    return scales[scale] if scale else _usual(scales)


def _usual(scales: Mapping[str, Suite]) -> Suite:
    return scales.get(USUAL) or next(iter(scales.values()))


def command_of(suite: Suite) -> str:
    """What the command line calls a suite."""
    return suite.key if suite.scale == USUAL else f"{suite.key} --scale {suite.scale}"


def carry_out(session: Session, suite: Suite, *, again: str, json: bool) -> None:
    """Starts what is missing, shows how it goes, then the tables. Exit code 1 if a run came to nothing."""
    from engine.suites import start, state

    out = sys.stderr if json else sys.stdout
    begun = start(session.writer, suite)
    if begun.on_their_way:
        _introduce(session, begun, out)
        try:
            follow(session, [run.id for run in begun.runs.values()], out)
        except KeyboardInterrupt:
            hint(_interrupted(session, begun, again))
            raise
        begun = state(session.client, suite)
    elif not json:
        _say_earlier(begun)
    tables = tables_of(begun)
    if json:
        emit(_record(begun, tables))
    else:
        _print(tables)
        _say_where(session, begun, again)
    if not begun.is_complete:
        raise typer.Exit(1)


def tables_of(state: SuiteState) -> list[Table]:
    """The suite's tables over the runs that are there, with where they come from."""
    from engine.suite_report import tables

    meta = {
        "made by": made_by(),
        "suite": f"{state.suite.key} ({state.suite.scale}), {len(state.runs)} of {len(state.suite.runs)} runs",
    }
    return [msgspec.structs.replace(table, meta=meta) for table in tables(state).values()]


def rendered(tables: list[Table], format: str) -> str:
    """Tables one after another. Raises RequestError where the format holds one, and there are several."""
    from engine.exporters import export

    if format == "csv" and len(tables) != 1:
        raise RequestError(f"table: required one table for CSV, got {len(tables)}; choose with --table 1")
    return "\n".join(str(export(table, format)) for table in tables)


def _record(state: SuiteState, tables: list[Table]) -> dict[str, Any]:
    from engine.exporters.json import document

    return {
        "suite": state.suite.key,
        "scale": state.suite.scale,
        "missing": state.missing,
        "runs": {key: run_record(run) for key, run in state.runs.items()},
        "tables": [document(table) for table in tables],
    }


def _print(tables: list[Table]) -> None:
    for table in tables:
        say()
        for line in table_lines(table) if table.rows else (shown(table.title), "  no run of it has ended yet"):
            say(line)


def _introduce(session: Session, state: SuiteState, out: TextIO) -> None:
    suite, there = state.suite, len(state.runs) - len(state.on_their_way)
    minutes = "" if suite.minutes is None else f", about {suite.minutes:g} minutes in all"
    lines = [
        f"{suite.title}: {len(suite.runs)} runs in background processes{minutes}",
        f"kept in {session.client.home.folder}",
        *([f"{there} of them are there already and are not run again"] if there else []),
    ]
    out.write("".join(f"{shown(line)}\n" for line in lines))
    out.flush()


def _say_earlier(state: SuiteState) -> None:
    ended = [run.ended for run in state.runs.values() if run.ended is not None]
    say(shown(state.suite.title))
    if ended:
        say(f"Nothing is run again: these are the results of {clock(min(ended))} to {clock(max(ended))}.")


def _say_where(session: Session, state: SuiteState, again: str) -> None:
    """Where the results are, and how to look at them again."""
    from engine.suites import RESULTS

    ids = [run.id for run in state.runs.values()]
    shared = set.intersection(*(set(run.spec.tags) for run in state.runs.values())) if ids else set()
    only = f" --filter tags={min(shared)}" if shared else ""
    say()
    for run in state.runs.values():
        if run.status not in RESULTS:
            say(f"{run.id} {run.status}: {shown(run.reason)} ({session.command(f'logs {run.id}')})")
    if state.missing or not state.is_complete:
        say(f"Not complete: {session.command(again)} goes on with what is missing.")
    say(f"The runs are kept in {session.client.home.folder}. To look at them again:")
    looks = [
        (f"ls{only}", "the runs"),
        *([(f"show {ids[0]}", "all that is known of one")] if ids else []),
        (f"suite report {command_of(state.suite)}", "these tables; -o FOLDER writes the report"),
        ("", "the app"),
    ]
    for line in definitions((session.command(words), what) for words, what in looks):
        say(line)


def _interrupted(session: Session, state: SuiteState, again: str) -> str:
    ids = " ".join(run.id for run in state.on_their_way)
    return (
        f"the runs go on in the background. {session.command('watch')} shows them, {session.command(again)} comes back "
        f"to this; to end them: {session.command(f'stop {ids}')}"
    )
