"""A Table -> the text of a file. One format a file, whose name is what people type; it is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from engine.components import modules
from engine.errors import UnknownName

if TYPE_CHECKING:
    from engine.tables import Table

DEFAULT = "csv"
FORMATS = {DEFAULT: f"{__name__}.{DEFAULT}", **modules(__name__)}
"""The module of each format, the default first."""


class Exporter(Protocol):
    """What a module of FORMATS has.

    SUFFIX: of its files, as ".csv". FOR_PROGRAMS: programs read it, so it has numbers at full precision, and of runs
    every column unless others are chosen; what people read has what tells something. TELLS_NAN: whether NaN, infinity
    and nothing are told from each other. KEEPS_NOTES: whether it has room for the table's notes.
    """

    SUFFIX: str
    FOR_PROGRAMS: bool
    TELLS_NAN: bool
    KEEPS_NOTES: bool

    def render(self, table: Table, /) -> str | bytes: ...


def exporter(format: str) -> Exporter:
    """Raises UnknownName for a format that is not in FORMATS."""
    if format not in FORMATS:
        raise UnknownName(f"format: required one of {', '.join(FORMATS)}, got {format}")
    return cast(Exporter, import_module(FORMATS[format]))


def export(table: Table, format: str) -> str | bytes:
    """The table in a format. Raises UnknownName for a format that is not in FORMATS."""
    return exporter(format).render(table)
