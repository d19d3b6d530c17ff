"""`data` and `models`: what runs have published, which outlives them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from engine import schema
from engine.api import Finding
from engine.errors import UnknownName
from engine.records import Shelved
from engine.values import text
from tui import palette
from tui.facts import parted, soundness
from tui.render import Align, Styled, Text, confirmed, definitions, emit, figure, grid, hint, say, terminal_width
from tui.session import Session
from tui.text import clock, listed, setting, shown, size
from tui.verbs.options import Json, Yes
from tui.verbs.run import deliver

FACTS = 5

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `ls` prints it.")]
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="As `ls` prints them.")]


def ls_datasets(
    ctx: typer.Context,
    cases: Annotated[bool, typer.Option("--cases", help="Instead, the published cases that `case=` can name.")] = False,
    json: Json = False,
) -> None:
    """List datasets."""
    if cases:
        _list_cases(ctx.obj, json)
        return
    _list(
        ctx.obj.client.datasets(), "no datasets yet: sciml-tui data make key=value ... makes one", json, verified=True
    )


def ls_models(ctx: typer.Context, json: Json = False) -> None:
    """List trained models."""
    _list(ctx.obj.client.models(), "no models yet: runs publish them when they end", json)


def show_dataset(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """Show all that is known of a dataset."""
    _show(ctx.obj, "dataset", name, json)


def show_model(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """Show all that is known of a model."""
    _show(ctx.obj, "model", name, json)


def make(
    ctx: typer.Context,
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="As system=poisson range=1:5 samples=256.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    name: Annotated[str, typer.Option("--name", help="A name to find the run by.")] = "",
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Until it is made.")] = False,
    json: Json = False,
) -> None:
    """Make a dataset, in the background: the same as `run dataset`."""
    session: Session = ctx.obj
    specs = session.writer.plan("dataset", schema.assignments(settings or []), seeds=[seed], name=name)
    deliver(session, specs, wait=wait, json=json)


def verify(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """Read a dataset to its end and solve samples of it again; exit code 1 unless it is sound."""
    name = _named(ctx.obj, "dataset", name).name
    findings = ctx.obj.client.verify_dataset(name)
    sound = all(finding.passed for finding in findings)
    if json:
        emit({"name": name, "sound": sound, "findings": findings})
    else:
        rows = [[_mark(each), each.what, each.part, each.found, each.required] for each in findings]
        head = ["", "looked at", "of", "found", "required"]
        for line in grid([head, *([*map(_safe, row)] for row in rows)], _left(5)):
            say(line)
        failed = sum(not finding.passed for finding in findings)
        say(f"{shown(name)} is sound" if sound else f"{shown(name)}: {failed} of {len(findings)} are not as required")
    if not sound:
        raise typer.Exit(1)


def _mark(finding: Finding) -> Text:
    mark, colour = palette.status("done" if finding.passed else "failed")
    return Styled(mark, colour)


def _safe(cell: Text) -> Text:
    return shown(cell) if isinstance(cell, str) else cell


def import_dataset(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A dataset of another home: its .h5 file.")],
    name: Annotated[str, typer.Option("--name", help="Another name than its own.")] = "",
    json: Json = False,
) -> None:
    """Copy a dataset that was made elsewhere, once it is verified."""
    item = ctx.obj.writer.import_dataset(file, name)
    if json:
        emit(item)
    else:
        say(shown(item.name))


def rm_datasets(ctx: typer.Context, names: Names, yes: Yes = False, json: Json = False) -> None:
    """Remove datasets with their files. One that a run needs which has not ended is refused."""
    _rm(ctx.obj, "dataset", names, yes, json)


def rm_models(ctx: typer.Context, names: Names, yes: Yes = False, json: Json = False) -> None:
    """Remove models with their files. The runs that made them keep their own weights."""
    _rm(ctx.obj, "model", names, yes, json)


def _rm(session: Session, kind: Literal["dataset", "model"], names: list[str], yes: bool, json: bool) -> None:
    writer = session.writer
    found = list(dict.fromkeys(_named(session, kind, name).name for name in names))
    files = "its file" if len(found) == 1 else "their files"
    if not yes and not confirmed(f"remove {kind}{'s' * (len(found) > 1)} {shown(listed(found))} and {files}?"):
        raise typer.Exit(1)
    removed = writer.discard(kind, found)
    if json:
        emit(removed)
        return
    for item in removed:
        say(shown(item.name))


def _list_cases(session: Session, json: bool) -> None:
    from engine.planning import described

    schema = described(session.client.describe(), "dataset").schema
    cases = schema.get("x-presets", {}).get("case", {})
    if json:
        emit([{"case": name, **case["params"], "summary": case["summary"]} for name, case in cases.items()])
        return
    keys = list(dict.fromkeys(key for case in cases.values() for key in case["params"]))
    rows = [
        [name, *(text(case["params"].get(key, "")) for key in keys), case["summary"]] for name, case in cases.items()
    ]
    for line in grid([["case", *keys, "what it is for"], *rows], _left(len(keys) + 2)):
        say(shown(line))


def _left(columns: int) -> list[Align]:
    return ["left"] * columns


def _list(items: list[Shelved], nothing: str, json: bool, *, verified: bool = False) -> None:
    if json:
        emit(items)
        return
    if not items:
        hint(nothing)
        return
    head: list[Text] = ["name", "run", "size", "created", *["sound"] * verified, "facts"]
    aligns: list[Align] = ["left", "left", "right", *_left(len(head) - 3)]
    rows = [
        [
            shown(item.name),
            item.run or "imported",
            size(item.size),
            clock(item.created),
            *[soundness(item)] * verified,
            shown(_brief(item)),
        ]
        for item in items
    ]
    for line in grid([head, *rows], aligns, room=terminal_width(), flexible=len(head) - 1):
        say(line)


def _brief(item: Shelved) -> str:
    """Its first facts that are one value, or a range."""
    facts = [f"{key}={setting(value, key)}" for key, value in item.facts.items() if _is_short(value)]
    return " ".join(facts[:FACTS])


def _is_short(value: object) -> bool:
    is_range = (
        isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(end, int | float) for end in value)
    )
    return is_range or isinstance(value, int | float | str)


def _named(session: Session, kind: str, name: str) -> Shelved:
    """The dataset or model of a name, or the one that a run made: `--name` names the run. Raises UnknownName."""
    catalog = session.client.catalog
    try:
        return catalog.shelf(kind, name)
    except UnknownName:
        with suppress(UnknownName):
            run = catalog.find(name).id
            if len(made := [item for item in catalog.shelved(kind) if item.run == run]) == 1:
                return made[0]
        raise


def _show(session: Session, kind: str, name: str, json: bool) -> None:
    item = _named(session, kind, name)
    if json:
        emit(item)
        return
    path = session.client.home.folder / item.path
    plain, tables = parted(item.facts)
    facts: list[tuple[str, Text]] = [
        ("file", shown(str(path)) if path.exists() else f"{shown(str(path))} (missing: make it again)"),
        ("size", size(item.size)),
        ("sha256", item.sha256),
        *_making(session, item),
        ("created", clock(item.created)),
        *((shown(key), shown(setting(value, key))) for key, value in plain.items()),
    ]
    if kind == "dataset":
        facts.append(("sound", soundness(item)))
    say(shown(f"{item.kind} {item.name}"))
    for line in definitions(facts):
        say(line)
    for key, rows in tables.items():
        say()
        say(shown(key))
        for line in _table(rows):
            say(line)


def _making(session: Session, item: Shelved) -> Iterator[tuple[str, Text]]:
    """The run that made it, and what it was made with."""
    if not item.run:
        yield "run", "imported"
        return
    try:
        run = session.client.run(item.run)
    except UnknownName:
        yield "run", f"{item.run} (removed)"
        return
    yield "run", shown(f"{run.id}  {run.label}")
    code = " ".join(text(value)[:12] for key, value in run.code.items() if key == "commit")
    versions = " ".join(f"{name} {version}" for name, version in run.versions.items())
    yield "made with", shown(" ".join(filter(None, (code, versions))))


def _table(rows: list[dict[str, Any]]) -> list[str]:
    """Rows of one kind, numbers to the right."""
    keys = list(rows[0])
    numeric = [isinstance(rows[0][key], float) for key in keys]
    aligns: list[Align] = ["right" if each else "left" for each in numeric]
    cells = [[shown(figure(row[key])) for key in keys] for row in rows]
    return [f"  {line}" for line in grid([keys, *cells], aligns)]
