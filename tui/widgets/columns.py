"""Columns of a table: what they take from a record, how they show it, and how they share the width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from tui import palette, text
from tui.raster.spark import sparkline

GAP = 2
"""Cells between two columns."""

Part = tuple[str, str]
"""A piece of text and its colour: `#rrggbb`, `muted`, or empty for that of the table."""

Cell = str | Sequence[Part]


class Column(NamedTuple):
    """One column of a table of records.

    value: what it takes from a record; what it is sorted by (None and NaN last). show: (value, cells) -> the text, of
    which what does not fit is cut. unit: in the header, never in the cell.
    width: cells that it likes to have; least: that it can do with; most: that it can use. importance: of columns that
    do not fit, the least important go first.
    """

    key: str
    title: str
    value: Callable[[Any], Any]
    show: Callable[[Any, int], Cell]
    width: int
    least: int = 0
    most: int = 0
    unit: str = ""
    align: Literal["left", "right"] = "left"
    importance: int = 50
    sortable: bool = True

    @property
    def header(self) -> str:
        return f"{self.title} {self.unit}".strip()


class Placed(NamedTuple):
    """A column and the cells it was given."""

    column: Column
    x: int
    width: int


def layout(columns: Sequence[Column], width: int) -> list[Placed]:
    """Which columns fit into a width, in their order, and where. It depends on nothing else, so nothing jumps.

    Columns go, the least important first, until the rest has its least widths; what is left over goes first to those
    that have less than they like, then in turns to those that can use more.
    """
    chosen = list(columns)
    least = {column.key: column.least or column.width for column in columns}
    while len(chosen) > 1 and sum(least[column.key] for column in chosen) + GAP * (len(chosen) - 1) > width:
        chosen.remove(min(reversed(chosen), key=lambda column: column.importance))
    widths = {column.key: least[column.key] for column in chosen}
    spare = width - sum(widths.values()) - GAP * (len(chosen) - 1)
    for column in sorted(chosen, key=lambda column: -column.importance):
        given = max(min(spare, column.width - widths[column.key]), 0)
        widths[column.key] += given
        spare -= given
    spare = _shared_out(chosen, widths, spare)
    placed, x = [], 0
    for column in chosen:
        cells = min(widths[column.key], max(width - x, 0))
        placed.append(Placed(column, x, cells))
        x += cells + GAP
    return placed


def _shared_out(chosen: Sequence[Column], widths: dict[str, int], spare: int) -> int:
    growing = [column for column in chosen if column.most > widths[column.key]]
    while spare > 0 and growing:
        for column in growing[:spare]:
            widths[column.key] += 1
        spare -= len(growing[:spare])
        growing = [column for column in growing if column.most > widths[column.key]]
    return spare


def sort_order(keys: Sequence[str], values: Sequence[Any], reverse: bool) -> list[str]:
    """Keys by their values, equal ones in their order; those without a value (None, NaN) last either way."""
    known = [place for place, value in enumerate(values) if value is not None and value == value]
    try:
        known.sort(key=values.__getitem__, reverse=reverse)
    except TypeError:  # numbers and words in one column
        known.sort(key=lambda place: str(values[place]), reverse=reverse)
    unknown = [place for place, value in enumerate(values) if value is None or value != value]
    return [keys[place] for place in (*known, *unknown)]


# Ways to show a value.


def words(value: Any, _cells: int) -> Cell:
    """Text of others, harmless."""
    return text.shown("" if value is None else str(value))


def quiet(value: Any, cells: int) -> Cell:
    return [(str(words(value, cells)), "muted")]


def whole(value: int | None, _cells: int) -> Cell:
    return text.count(value)


def measured(digits: int = 3) -> Callable[[float | None, int], Cell]:
    """A number in the field's notation, with fewer digits where they have no room: cut off it would be another."""

    def shown(value: float | None, cells: int) -> Cell:
        written = (text.number(value, kept) for kept in range(digits, 0, -1))
        return next((words for words in written if text.width(words) <= cells), text.number(value, 1))

    return shown


def setting(value: Any, _cells: int) -> Cell:
    return text.setting(value)


def elapsed(value: float | None, _cells: int) -> Cell:
    return text.duration(value)


def ago(value: float | None, _cells: int) -> Cell:
    return text.age(value)


def memory(value: float | None, _cells: int) -> Cell:
    return text.size(value)


def state(value: tuple[str, str], cells: int) -> Cell:
    """(status, detail): the glyph in its colour, then what is to be said of it (`● β=20`).

    The status in its place where there is nothing to be said, or more than there is room for.
    """
    status, detail = value
    mark, colour = palette.status(status)
    said = text.shown(detail)
    fits = 0 < text.width(said) <= cells - text.width(mark) - 1
    return [(mark, colour), (" " + (said if fits else text.shown(status)), "")]


def trend(values: Sequence[float] | None, cells: int) -> Cell:
    return [(sparkline(values or (), cells), "muted")]
