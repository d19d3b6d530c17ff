"""Where the legend goes, and what it says: a swatch, a label and a value for each series and rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tui import palette, text
from tui.raster.frame import MUTED, TEXT, Box, Canvas, Ink
from tui.raster.spec import Plot, Series

_SIDE_FROM = 64
"""Cells of width from which the legend stands beside the chart; below, it is a line above it."""
_WIDEST = 38
_GAP = 3


class Entry(NamedTuple):
    swatch: str
    label: str
    value: str
    ink: Ink


class Legend(NamedTuple):
    """Entries and their place: in a column of `side` cells beside the chart, or in `rows` above it."""

    entries: tuple[Entry, ...] = ()
    side: int = 0
    rows: tuple[tuple[Entry, ...], ...] = ()


def tags(series: Sequence[Series]) -> list[str]:
    """The letters of series, where there is no colour; those of one label, as the seeds of a setting, share theirs."""
    letters: dict[str, str] = {}
    return [letters.setdefault(each.label, chr(ord("a") + len(letters) % 26)) for each in series]


def entries(plot: Plot, values: list[float | None], tagged: bool) -> tuple[Entry, ...]:
    """One for each series that wants one, then the rules. values: what is read of each series, None for nothing."""
    letters = tags(plot.series) if tagged else [""] * len(plot.series)
    made = [
        Entry(_swatch(series, index, letter), text.shown(series.label), text.number(value), Ink(series.colour))
        for index, (series, value, letter) in enumerate(zip(plot.series, values, letters, strict=True))
        if series.in_legend
    ]
    dashes = palette.glyph("dashes") * 2
    made += [Entry(dashes, text.shown(rule.label), text.number(rule.y), Ink(rule.colour)) for rule in plot.rules]
    return tuple(made)


def _swatch(series: Series, index: int, letter: str) -> str:
    line, point = palette.glyph("line"), marker(index)
    shape = {"line": line * 2, "points": f" {point}", "both": line + point}[series.kind]
    return letter + shape[1] if letter else shape


def marker(index: int) -> str:
    shapes = palette.markers()
    return shapes[index % len(shapes)]


def place(made: tuple[Entry, ...], width: int, height: int) -> Legend:
    """Beside the chart where that is wide enough, else in a row or two above it: without values, if only so all fit."""
    if not made or height < 6:
        return Legend()
    if width >= _SIDE_FROM:
        widest = max(text.width(entry.label) for entry in made) + _value_width(made)
        return Legend(made, side=min(widest + 8, _WIDEST, width * 2 // 5))
    most = 1 if height < 12 else 2
    rows = _rows(made, width)
    if len(rows) > most:
        rows = _rows(tuple(entry._replace(value="") for entry in made), width)
    return Legend(made, rows=rows[:most])


def _rows(made: tuple[Entry, ...], width: int) -> tuple[tuple[Entry, ...], ...]:
    """Entries in rows of at most that width, as words in lines."""
    rows: list[list[Entry]] = [[]]
    used = 0
    for entry in made:
        if rows[-1] and used + _width(entry) > width:
            rows.append([])
            used = 0
        rows[-1].append(entry)
        used += _width(entry) + _GAP
    return tuple(map(tuple, rows))


def _value_width(made: tuple[Entry, ...]) -> int:
    """Room for any value, so that the chart does not move when one changes."""
    return max(7, *(len(entry.value) for entry in made))


def _width(entry: Entry) -> int:
    words = (entry.swatch, entry.label, entry.value)
    return sum(text.width(word) + 1 for word in words if word) - 1


def draw(canvas: Canvas, legend: Legend, box: Box) -> None:
    """Into its place: a column of lines, or words in rows; what does not fit is counted."""
    if legend.side:
        _draw_column(canvas, legend.entries, box)
    for row, made in enumerate(legend.rows):
        _draw_row(canvas, made, box.x, box.y + row, box.width)
    left = len(legend.entries) - sum(map(len, legend.rows))
    if legend.rows and left:
        rest = f"  and {left} more"
        canvas.write(box.x + box.width - len(rest), box.y + len(legend.rows) - 1, rest, MUTED)


def _draw_column(canvas: Canvas, made: tuple[Entry, ...], box: Box) -> None:
    fits = len(made) if len(made) <= box.height else box.height - 1
    values = _value_width(made)
    label = box.width - values - 7
    for row, entry in enumerate(made[:fits]):
        x = canvas.write(box.x + 2, box.y + row, entry.swatch, entry.ink)
        x = canvas.write(x + 1, box.y + row, text.fit(entry.label, label), TEXT)
        canvas.write(x + 1, box.y + row, entry.value.rjust(values), TEXT)
    if fits < len(made):
        canvas.write(box.x + 5, box.y + fits, f"and {len(made) - fits} more", MUTED)


def _draw_row(canvas: Canvas, made: tuple[Entry, ...], x: int, y: int, width: int) -> None:
    for entry in made:
        label = text.truncate(entry.label, width - (_width(entry) - text.width(entry.label)))
        for words, ink in ((entry.swatch, entry.ink), (label, TEXT), (entry.value, MUTED)):
            x = canvas.write(x, y, words, ink) + 1 if words else x
        x += _GAP - 1
