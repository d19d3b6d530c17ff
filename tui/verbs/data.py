"""`data` and `models`: what runs have published, which outlives them."""

from __future__ import annotations

from typing import Annotated

import typer

from engine import schema
from engine.records import Shelved
from engine.values import text
from tui.render import Align, Text, definitions, emit, grid, hint, say, terminal_width
from tui.session import Session
from tui.text import clock, shown, size
from tui.verbs.options import Json
from tui.verbs.run import deliver

HEAD: tuple[Text, ...] = ("name", "run", "size", "created", "facts")
ALIGNS: tuple[Align, ...] = ("left", "left", "right", "left", "left")
FACTS = 4

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `ls` prints it.")]


def ls_datasets(ctx: typer.Context, json: Json = False) -> None:
    """List datasets."""
    _list(ctx.obj.client.datasets(), "no datasets yet: sciml-tui data make key=value ... makes one", json)


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


def _list(items: list[Shelved], nothing: str, json: bool) -> None:
    if json:
        emit(items)
        return
    if not items:
        hint(nothing)
        return
    rows = [[shown(item.name), item.run, size(item.size), clock(item.created), shown(_brief(item))] for item in items]
    for line in grid([HEAD, *rows], ALIGNS, room=terminal_width(), flexible=len(HEAD) - 1):
        say(line)


def _brief(item: Shelved) -> str:
    facts = [f"{key}={text(value)}" for key, value in item.facts.items() if isinstance(value, int | float | str)]
    return " ".join(facts[:FACTS])


def _show(session: Session, kind: str, name: str, json: bool) -> None:
    item = session.client.catalog.shelf(kind, name)
    if json:
        emit(item)
        return
    path = session.client.home.folder / item.path
    facts: list[tuple[str, Text]] = [
        ("file", shown(str(path)) if path.exists() else f"{shown(str(path))} (missing: make it again)"),
        ("size", size(item.size)),
        ("sha256", item.sha256),
        ("run", item.run),
        ("created", clock(item.created)),
        *((shown(key), shown(text(value))) for key, value in item.facts.items()),
    ]
    say(shown(f"{item.kind} {item.name}"))
    for line in definitions(facts):
        say(line)
