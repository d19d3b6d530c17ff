"""`models export`: a trained model as a file of its own. `docs/models.md` says how to use it without this program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.errors import StoreError
from tui.exports import copy
from tui.render import hint
from tui.session import Session
from tui.text import size
from tui.verbs.data import Name
from tui.verbs.export import Force


def export(
    ctx: typer.Context,
    name: Name,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="A file or a folder; by default NAME.safetensors here."),
    ] = None,
    force: Force = False,
) -> None:
    """Copy a model's weights to a safetensors file, its spec in the metadata. The copy is checked against the hash."""
    session: Session = ctx.obj
    item = session.client.catalog.shelf("model", name)
    source = session.client.home.folder / item.path
    if not source.is_file():
        raise StoreError(f"{source}: required the file of {name}, got none; {session.command(f'retry {item.run}')}")
    target = output or Path()
    if target.is_dir():
        target /= source.name
    copy(source, target, item.sha256, force=force)
    hint(f"{target}: {size(item.size)}")
