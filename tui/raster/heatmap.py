"""A field as half blocks: two pixels a cell, colours in at most 32 steps, so that little goes over the wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tui import palette, text
from tui.raster.frame import MUTED, TEXT, TITLE, Box, Canvas, Frame, Ink, notice
from tui.raster.spec import Field, HeatmapSpec, Range

_UPPER_HALF = ord("▀")
_MISSING = "#3a3a3a"
_SMALLEST = (8, 3)


def render_heatmap(spec: HeatmapSpec) -> Frame:
    """Draws title, field and colour bar in exactly spec.width x spec.height cells."""
    field = spec.field
    if spec.width < _SMALLEST[0] or spec.height < _SMALLEST[1]:
        return notice(spec.width, spec.height, "")
    if field is None or np.size(field.values) == 0 or not np.isfinite(field.values).any():
        return notice(spec.width, spec.height, spec.empty if field is None else "no finite values")
    canvas = Canvas(spec.width, spec.height)
    limits = field.limits or shared_limits([field])
    box = Box(0, 1, spec.width, spec.height - 2)
    _title(canvas, field)
    if spec.plain or palette.is_ascii():
        _draw_shades(canvas, box, field, limits)
        _bar(canvas, limits, [(shade, TEXT) for shade in palette.ramp()])
    else:
        colours = palette.colour_map(field.colours, spec.depth)
        _draw_colours(canvas, box, field, limits, colours)
        _bar(canvas, limits, [("█", Ink(colour)) for colour in colours])
    return canvas.frame(box)


def shared_limits(fields: Iterable[Field]) -> Range:
    """One range for several fields: from the least to the greatest value, symmetrical about 0 for the diverging map."""
    fields = list(fields)
    finite = [values[np.isfinite(values)] for values in (np.asarray(field.values) for field in fields)]
    finite = [values for values in finite if values.size]
    if not finite:
        return (0.0, 1.0)
    lo, hi = float(min(values.min() for values in finite)), float(max(values.max() for values in finite))
    if any(field.colours == "diverging" for field in fields):
        hi = max(abs(lo), abs(hi))
        lo = -hi
    return (lo, hi) if hi > lo else (lo - 0.5, hi + 0.5)


def pixels(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """(rows, columns) means of a field over the areas of the pixels, the first row of the field at the bottom.

    Borders between pixels cut values in proportion. Values that are not finite are left out of a mean; a pixel of
    which nothing is known is NaN.
    """
    values = np.asarray(values, float)
    finite = np.isfinite(values)
    down, across = _shares(values.shape[0], rows), _shares(values.shape[1], columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = down @ np.where(finite, values, 0.0) @ across.T
        mean = total if finite.all() else total / (down @ finite.astype(float) @ across.T)
    return mean[::-1]


def _shares(length: int, pixels: int) -> np.ndarray:
    """(pixels, length): the share of each value in each pixel; a row sums to 1."""
    edges = np.linspace(0.0, length, pixels + 1)
    index = np.arange(length)
    overlap = np.minimum(edges[1:, None], index + 1) - np.maximum(edges[:-1, None], index)
    return np.clip(overlap, 0.0, None) * (pixels / length)


def levels(values: np.ndarray, limits: Range, count: int) -> np.ndarray:
    """Which of `count` equal steps between the limits a value is in, beyond them the first or last; -1 for NaN."""
    lo, hi = limits
    share = (np.clip(values, lo, hi) - lo) / (hi - lo)
    return np.where(np.isnan(share), -1, np.minimum(np.nan_to_num(share) * count, count - 1)).astype(int)


def _draw_colours(canvas: Canvas, box: Box, field: Field, limits: Range, colours: tuple[str, ...]) -> None:
    index = levels(pixels(field.values, 2 * box.height, box.width), limits, len(colours))
    inks = np.array([canvas.ink_of(Ink(colour)) for colour in (*colours, _MISSING)])  # the last one for -1
    papers = np.array([canvas.paper_of(colour) for colour in (*colours, _MISSING)])
    rows, columns = slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)
    canvas.chars[rows, columns] = _UPPER_HALF
    canvas.ink[rows, columns] = inks[index[0::2]]
    canvas.paper[rows, columns] = papers[index[1::2]]


def _draw_shades(canvas: Canvas, box: Box, field: Field, limits: Range) -> None:
    shades = np.array([ord(character) for character in palette.ramp() + "?"], np.uint32)
    index = levels(pixels(field.values, box.height, box.width), limits, len(shades) - 1)
    canvas.cells(box, shades[index], np.ones(index.shape, bool), TEXT)


def _title(canvas: Canvas, field: Field) -> None:
    note = text.truncate(text.shown(field.note), canvas.width)
    title = text.truncate(text.shown(field.title), canvas.width - text.width(note) - 1 if note else canvas.width)
    canvas.write(0, 0, title, TITLE)
    canvas.write(canvas.width - text.width(note), 0, note, MUTED)


def _bar(canvas: Canvas, limits: Range, steps: Sequence[tuple[str, Ink]]) -> None:
    """The last row: the least value, what stands for the values between, the greatest."""
    y = canvas.height - 1
    lo, hi = (text.number(value, digits=2) for value in limits)
    start = canvas.write(0, y, lo, MUTED) + 1
    end = canvas.width - text.width(hi) - 1
    canvas.write(end + 1, y, hi, MUTED)
    for x in range(start, end):
        character, ink = steps[(x - start) * len(steps) // (end - start)]
        canvas.write(x, y, character, ink)
