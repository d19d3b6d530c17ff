"""A Table -> the text of a file. One format a file: `SUFFIX`, and `render(table)`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from engine.errors import UnknownName

if TYPE_CHECKING:
    from engine.tables import Table

FORMATS = {
    "csv": "engine.exporters.csv",
    "json": "engine.exporters.json",
    "markdown": "engine.exporters.markdown",
    "latex": "engine.exporters.latex",
}


class Exporter(Protocol):
    """What a module of FORMATS has."""

    SUFFIX: str

    def render(self, table: Table, /) -> str | bytes: ...


def exporter(format: str) -> Exporter:
    """Raises UnknownName for a format that is not in FORMATS."""
    if format not in FORMATS:
        raise UnknownName(f"format: required one of {', '.join(FORMATS)}, got {format}")
    return cast(Exporter, import_module(FORMATS[format]))


def export(table: Table, format: str) -> str | bytes:
    """The table in a format. Raises UnknownName for a format that is not in FORMATS."""
    return exporter(format).render(table)
