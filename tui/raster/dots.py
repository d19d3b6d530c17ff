"""Polylines, bands and bars as braille dots: a cell is 2 x 4 of them. O(n) in NumPy, no loop over points.

A curve covers, in each column of dots, an interval of heights. `spans` finds these intervals: samples that follow one
another in one column are one interval, their least and their greatest value, so that no spike is ever lost; between
neighbouring columns lies a straight line, cut exactly at the borders of the columns. `fill` lights the dots.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tui.raster.scale import Scale

DOTS_X, DOTS_Y = 2, 4
_BRAILLE = 0x2800
_BITS = ((0, 0, 0), (1, 1, 0), (2, 2, 0), (3, 0, 1), (4, 1, 1), (5, 2, 1), (6, 3, 0), (7, 3, 1))
"""(bit, row, column) of the dots in a braille character (Unicode 15, block 2800)."""


class Spans(NamedTuple):
    """Intervals of rows, `top` <= `bottom`, in columns; as floats, in dots."""

    column: np.ndarray
    top: np.ndarray
    bottom: np.ndarray


class _Runs(NamedTuple):
    """Samples that follow one another within one column of dots; samples with a gap among them are not one run."""

    first: np.ndarray
    last: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    drawable: np.ndarray


def spans(x: np.ndarray, y: np.ndarray, sx: Scale, sy: Scale) -> tuple[Spans, Spans]:
    """What a curve covers: (its samples, the lines between them). x, y: (n,), with gaps where either has no place."""
    x, y = np.asarray(x), np.asarray(y)
    empty = Spans(np.empty(0, int), np.empty(0), np.empty(0))
    if x.size == 0:
        return empty, empty
    runs = _sorted_runs(x, y, sx, sy) if rises(x) else _any_runs(x, y, sx, sy)
    if runs is None:
        return empty, empty
    u = np.stack([sx.place(x[runs.first]), sx.place(x[runs.last])])
    v = np.stack([sy.place(y[runs.first]), sy.place(y[runs.last])])
    good = runs.drawable
    samples = Spans(np.rint(u[0][good]).astype(int), sy.place(runs.top[good]), sy.place(runs.bottom[good]))
    joined = good[:-1] & good[1:]  # runs follow one another without a sample between them
    return samples, _lines(u[1][:-1][joined], v[1][:-1][joined], u[0][1:][joined], v[0][1:][joined], sx.dots)


def rises(x: np.ndarray) -> bool:
    """Whether x never falls (and has no NaN)."""
    return bool((x[1:] >= x[:-1]).all()) and bool(x[0] == x[0])


def _sorted_runs(x: np.ndarray, y: np.ndarray, sx: Scale, sy: Scale) -> _Runs | None:
    """x rises: the runs are found by bisection, and the y of those in view are read once."""
    edges = np.searchsorted(x, sx.edges(), side="left")
    start, stop = max(int(edges[0]) - 1, 0), min(int(edges[-1]) + 1, x.size)  # one neighbour on each side
    if start >= stop:
        return None
    starts = np.unique(np.concatenate([[start], edges[(edges > start) & (edges < stop)]]))
    clean = bool(sx.drawable(x[[start, stop - 1]]).all())
    return _reduced(x, y, sx, sy, starts, start, stop, clean)


def _any_runs(x: np.ndarray, y: np.ndarray, sx: Scale, sy: Scale) -> _Runs:
    """x goes back and forth: every sample's column is computed."""
    column = np.rint(sx.place(x))
    starts = np.concatenate([[0], np.flatnonzero(column[1:] != column[:-1]) + 1])
    return _reduced(x, y, sx, sy, starts, 0, x.size, bool(sx.drawable(x).all()))


def _reduced(
    x: np.ndarray, y: np.ndarray, sx: Scale, sy: Scale, starts: np.ndarray, start: int, stop: int, clean: bool
) -> _Runs:
    """The runs that begin at `starts`, of the samples from start to stop; `clean`: every x among them has a place."""
    part, begin = y[start:stop], starts - start
    low, high = np.minimum.reduceat(part, begin), np.maximum.reduceat(part, begin)  # NaN comes through
    if not (clean and sy.drawable(low).all() and sy.drawable(high).all()):
        gaps = np.flatnonzero(~(sx.drawable(x[start:stop]) & sy.drawable(part)))
        begin = np.unique(np.concatenate([begin, gaps, gaps[gaps < part.size - 1] + 1]))
        low, high = np.minimum.reduceat(part, begin), np.maximum.reduceat(part, begin)
    first = begin + start
    last = np.append(first[1:], stop) - 1
    return _Runs(first, last, high, low, sx.drawable(x[first]) & sy.drawable(y[first]))


def _lines(u0: np.ndarray, v0: np.ndarray, u1: np.ndarray, v1: np.ndarray, columns: int) -> Spans:
    """Straight lines, as one interval for each column they pass.

    The intervals hold whole rows only, so that neighbouring columns share none: a line one dot thick.
    """
    swap = u1 < u0
    u0, u1, v0, v1 = (np.where(swap, b, a) for a, b in ((u0, u1), (u1, u0), (v0, v1), (v1, v0)))
    leftmost, rightmost = np.clip(np.rint(u0), 0, columns), np.clip(np.rint(u1), -1, columns - 1)
    count = np.maximum(rightmost - leftmost + 1, 0).astype(int)
    line = np.repeat(np.arange(count.size), count)
    column = leftmost[line] + np.arange(line.size) - np.repeat(np.cumsum(count) - count, count)
    u0, v0, u1, v1 = u0[line], v0[line], u1[line], v1[line]
    width = np.where(u1 > u0, u1 - u0, 1.0)
    at = [(np.clip(column + side, u0, u1) - u0) / width for side in (-0.5, 0.0, 0.5)]
    left, middle, right = (v0 + share * (v1 - v0) for share in at)
    right = np.where(u1 > u0, right, v1)  # straight up
    top, bottom = np.ceil(np.minimum(left, right)), np.floor(np.maximum(left, right))
    inner = (column - 0.5 >= u0) & (
        column + 0.5 <= u1
    )  # columns without an end have at least the dot nearest to the line
    top, bottom = (
        np.where(inner, np.minimum(top, np.rint(middle)), top),
        np.where(inner, np.maximum(bottom, np.rint(middle)), bottom),
    )
    return Spans(column.astype(int), top, bottom)


def fill(covered: Spans, columns: int, rows: int) -> np.ndarray:
    """Dots (rows, columns) whose centre is nearest to, or within, an interval; what lies off the grid is left out."""
    top, bottom = np.rint(covered.top), np.rint(covered.bottom)
    inside = (covered.column >= 0) & (covered.column < columns) & (bottom >= 0) & (top <= rows - 1) & (top <= bottom)
    column = covered.column[inside]
    begin = np.clip(top[inside], 0, rows - 1).astype(int) * columns + column
    end = (np.clip(bottom[inside], 0, rows - 1).astype(int) + 1) * columns + column
    size = (rows + 1) * columns
    change = np.bincount(begin, minlength=size) - np.bincount(end, minlength=size)
    return np.cumsum(change.reshape(rows + 1, columns), axis=0)[:rows] > 0


def curve(x: np.ndarray, y: np.ndarray, sx: Scale, sy: Scale) -> np.ndarray:
    """Dots (sy.dots, sx.dots) of a curve."""
    samples, lines = spans(x, y, sx, sy)
    return fill(samples, sx.dots, sy.dots) | fill(lines, sx.dots, sy.dots)


def band(x: np.ndarray, lo: np.ndarray, hi: np.ndarray, sx: Scale, sy: Scale) -> np.ndarray:
    """Dots between two curves over the same x, from the foot where lo is not positive on a log scale."""
    top, bottom = _reach(x, hi, sx, sy)[0], _reach(x, _above_zero(lo, sy), sx, sy)[1]
    there = np.flatnonzero(np.isfinite(top) & np.isfinite(bottom))
    return fill(Spans(there, top[there], bottom[there]), sx.dots, sy.dots)


def _reach(x: np.ndarray, y: np.ndarray, sx: Scale, sy: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Highest and lowest place (columns,) of a curve in each column; NaN where it is not."""
    top, bottom = np.full(sx.dots, np.inf), np.full(sx.dots, -np.inf)
    for part in spans(x, y, sx, sy):
        inside = (part.column >= 0) & (part.column < sx.dots) & (part.top <= part.bottom)
        np.minimum.at(top, part.column[inside], part.top[inside])
        np.maximum.at(bottom, part.column[inside], part.bottom[inside])
    return np.where(np.isinf(top), np.nan, top), np.where(np.isinf(bottom), np.nan, bottom)


def bars(x: np.ndarray, lo: np.ndarray, hi: np.ndarray, sx: Scale, sy: Scale) -> np.ndarray:
    """Dots of upright bars from lo to hi, from the foot where lo is not positive on a log scale; none where NaN is."""
    u, top, bottom = sx.place(np.asarray(x)), sy.place(np.asarray(hi)), sy.place(_above_zero(lo, sy))
    good = np.isfinite(u) & np.isfinite(top) & np.isfinite(bottom)
    return fill(Spans(np.rint(u[good]).astype(int), top[good], bottom[good]), sx.dots, sy.dots)


def _above_zero(values: np.ndarray, scale: Scale) -> np.ndarray:
    """A spread that reaches below zero goes off a log scale at its foot, instead of vanishing."""
    return np.where(np.asarray(values) <= 0, 1e-300, values) if scale.log else np.asarray(values)


def points(x: np.ndarray, y: np.ndarray, sx: Scale, sy: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Cells (columns, rows) of the samples that are on both scales, in their order."""
    u, v = np.rint(sx.place(np.asarray(x))), np.rint(sy.place(np.asarray(y)))
    good = (u >= 0) & (u < sx.dots) & (v >= 0) & (v < sy.dots)
    return u[good].astype(int) // DOTS_X, v[good].astype(int) // DOTS_Y


def bits(dots: np.ndarray) -> np.ndarray:
    """Braille bits (rows / 4, columns / 2) of a grid of dots."""
    cells = np.zeros((dots.shape[0] // DOTS_Y, dots.shape[1] // DOTS_X), np.uint8)
    for bit, row, column in _BITS:
        cells |= dots[row::DOTS_Y, column::DOTS_X].astype(np.uint8) << bit
    return cells


def braille(cells: np.ndarray) -> np.ndarray:
    """Code points of braille bits; a blank for none."""
    return np.where(cells == 0, ord(" "), _BRAILLE + cells.astype(np.uint32))


def plain(cells: np.ndarray) -> np.ndarray:
    """Braille bits as ASCII: the height of what is lit in a cell, or a stroke through three rows or more."""
    rows = [(cells & mask) != 0 for mask in (0b00001001, 0b00010010, 0b00100100, 0b11000000)]
    lit = np.sum(rows, axis=0)
    chars = np.full(cells.shape, ord(" "), np.uint32)
    for row, character in zip(reversed(rows), "_.-'", strict=True):
        chars[row] = ord(character)
    chars[lit >= 3] = ord("|")
    return chars
