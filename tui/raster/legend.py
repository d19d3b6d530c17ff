"""Where the legend goes, and what it says: a swatch, a label and a value for each series and rule."""

from __future__ import annotations

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
    """Entries and their place: beside the chart (`side` cells) or above it (`above` rows)."""

    entries: tuple[Entry, ...]
    side: int = 0
    above: int = 0


def tag(index: int) -> str:
    """The letter of a series, where there is no colour."""
    return chr(ord("a") + index % 26)


def entries(plot: Plot, values: list[float | None], tagged: bool) -> tuple[Entry, ...]:
    """One for each series that wants one, then the rules. values: what is read of each series, None for nothing."""
    made = [
        Entry(_swatch(series, index, tagged), text.shown(series.label), text.number(value), Ink(series.colour))
        for index, (series, value) in enumerate(zip(plot.series, values, strict=True))
        if series.in_legend
    ]
    dashes = palette.glyph("dashes") * 2
    made += [Entry(dashes, text.shown(rule.label), text.number(rule.y), Ink(rule.colour)) for rule in plot.rules]
    return tuple(made)


def _swatch(series: Series, index: int, tagged: bool) -> str:
    line, point = palette.glyph("line"), marker(index)
    shape = {"line": line * 2, "points": f" {point}", "both": line + point}[series.kind]
    return tag(index) + shape[1] if tagged else shape


def marker(index: int) -> str:
    shapes = palette.markers()
    return shapes[index % len(shapes)]


def place(made: tuple[Entry, ...], width: int, height: int) -> Legend:
    """Beside the chart where that is wide enough, else in one or two rows above it; none where there is no room."""
    if not made or height < 6:
        return Legend(())
    if width >= _SIDE_FROM:
        widest = max(text.width(entry.label) for entry in made) + _value_width(made)
        return Legend(made, side=min(widest + 8, _WIDEST, width * 2 // 5))
    needed = sum(_width(entry) + _GAP for entry in made)
    return Legend(made, above=1 if needed <= width or height < 12 else 2)


def _value_width(made: tuple[Entry, ...]) -> int:
    """Room for any value, so that the chart does not move when one changes."""
    return max(7, *(len(entry.value) for entry in made))


def _width(entry: Entry) -> int:
    return len(entry.swatch) + text.width(entry.label) + len(entry.value) + 2


def draw(canvas: Canvas, legend: Legend, box: Box) -> None:
    """Into its place: a column of lines, or words in a row; what does not fit is counted."""
    if legend.side:
        _draw_column(canvas, legend.entries, box)
    elif legend.above:
        _draw_rows(canvas, legend.entries, box)


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


def _draw_rows(canvas: Canvas, made: tuple[Entry, ...], box: Box) -> None:
    x, row, end = box.x, 0, box.x + box.width
    for index, entry in enumerate(made):
        left = len(made) - index
        rest = f"and {left} more"
        last_row = row == box.height - 1
        after = len(rest) + _GAP if last_row and left > 1 else 0
        if x > box.x and x + _width(entry) + after > end:
            if last_row:
                canvas.write(x, box.y + row, rest, MUTED)
                return
            x, row = box.x, row + 1
        label = text.truncate(entry.label, end - x - (_width(entry) - text.width(entry.label)) - after)
        for words, ink in ((entry.swatch, entry.ink), (label, TEXT), (entry.value, MUTED)):
            x = canvas.write(x, box.y + row, words, ink) + 1
        x += _GAP - 1
