"""A chart as cells: curves, bands, points with error bars, stages, rules, axes and legend.

`render_chart` is a pure function that a thread can run; nothing here touches a screen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tui import palette, text
from tui.raster import dots, legend
from tui.raster.frame import FAINT, MUTED, SHADE, TITLE, Box, Canvas, Frame, Ink, notice
from tui.raster.scale import Scale, Tick, limits_of, stepped, ticks
from tui.raster.smooth import moving_average
from tui.raster.spec import ChartSpec, Range, Series, Stage

_SMALLEST = (16, 4)
_TICKS = 6
"""Cells under the axis that its title leaves to labels, however narrow the chart."""
_NO_POSITIVE = "no positive values for a logarithmic axis"


def render_chart(spec: ChartSpec) -> Frame:
    """Draws a chart of exactly spec.width x spec.height cells."""
    if spec.width < _SMALLEST[0] or spec.height < _SMALLEST[1]:
        return notice(spec.width, spec.height, "")
    drawn = _drawn_series(spec)
    limits = _limits(spec, drawn)
    if limits is None:
        has_data = any(np.isfinite(series.y).any() for series in drawn)
        return notice(spec.width, spec.height, _NO_POSITIVE if has_data else spec.plot.empty)
    return _Drawing(spec, drawn, limits).frame()


def read_values(series: tuple[Series, ...], at: float | None) -> list[tuple[float, float] | None]:
    """The sample (x, y) of each series nearest to x = `at`, its last for None; None where there is none."""
    return [_last_sample(each) if at is None else _nearest_sample(each, at) for each in series]


def _last_sample(series: Series) -> tuple[float, float] | None:
    for x, y in zip(series.x[:-4097:-1], series.y[:-4097:-1], strict=False):  # rarely more than one step back
        if np.isfinite(x) and np.isfinite(y):
            return float(x), float(y)
    return None


def _nearest_sample(series: Series, at: float) -> tuple[float, float] | None:
    """None beyond the ends of a curve: what a run had not reached it has no value for."""
    x = np.asarray(series.x)
    if x.size == 0 or not np.nanmin(x) <= at <= np.nanmax(x):
        return None
    if dots.rises(x):
        after = int(np.searchsorted(x, at))
        best = after if after == 0 or x[after] - at <= at - x[after - 1] else after - 1
    else:
        best = int(np.nanargmin(np.abs(x - at)))
    return (float(x[best]), float(series.y[best])) if np.isfinite(series.y[best]) else None


# -- what is drawn, and between which limits ---------------------------------------------------------------------------


class _Limits(NamedTuple):
    x: Range
    y: Range
    log_x: bool
    log_y: bool
    automatic: tuple[Range, Range]


def _logs(spec: ChartSpec) -> tuple[bool, bool]:
    view, plot = spec.view, spec.plot
    return (
        plot.x.log if view.log_x is None else view.log_x,
        plot.y.log if view.log_y is None else view.log_y,
    )


def _drawn_series(spec: ChartSpec) -> tuple[Series, ...]:
    """The series as arrays, curves smoothed in the space of the axis: on a log axis a spike weighs as it looks."""
    log_y = _logs(spec)[1]
    return tuple(_smoothed(series, spec.view.smoothing, log_y) for series in spec.plot.series)


def _smoothed(series: Series, weight: float, log: bool) -> Series:
    x, y = np.asarray(series.x), np.asarray(series.y)
    size = min(x.size, y.size)
    x, y = x[:size], y[:size]
    if weight > 0 and series.kind == "line":
        with np.errstate(all="ignore"):
            y = np.exp(moving_average(np.log(y), weight)) if log else moving_average(y, weight)
    return replace(series, x=x, y=y)


def _limits(spec: ChartSpec, drawn: tuple[Series, ...]) -> _Limits | None:
    """None where nothing can be drawn."""
    log_x, log_y = _logs(spec)
    view, plot = spec.view, spec.plot
    before_x, before_y = spec.previous or (None, None)
    whole = _union(_extent(series.x, log_x) for series in drawn)
    if whole is None:
        return None
    automatic_x = stepped(*whole, log_x, _usable(before_x, log_x)) if plot.live else limits_of(*whole, log_x)
    x = view.x_range or automatic_x
    heights = [_heights(series, x, log_y) for series in drawn]
    seen = _union(heights)
    if seen is None and view.x_range is None:
        return None
    seen = _union([seen, *(_extent(np.array([rule.y]), log_y) for rule in plot.rules)]) or (0.1, 1.0)
    automatic_y = stepped(*seen, log_y, _usable(before_y, log_y))
    return _Limits(x, view.y_range or automatic_y, log_x, log_y, (automatic_x, automatic_y))


def _usable(previous: Range | None, log: bool) -> Range | None:
    return None if previous is None or (log and previous[0] <= 0) else previous


def _heights(series: Series, x_range: Range, log: bool) -> Range | None:
    """Least and greatest of what is seen of a series between two x."""
    if dots.rises(series.x) if series.x.size else True:
        seen: slice | np.ndarray = _between(series.x, x_range)
    else:
        seen = (series.x >= x_range[0]) & (series.x <= x_range[1])
    spread = [] if series.lo is None or series.hi is None else [series.lo, series.hi]
    return _union(_extent(np.asarray(values)[seen], log) for values in (series.y, *spread))


def _between(x: np.ndarray, limits: Range) -> slice:
    return slice(int(np.searchsorted(x, limits[0], side="left")), int(np.searchsorted(x, limits[1], side="right")))


def _extent(values: np.ndarray, log: bool) -> Range | None:
    """Least and greatest of the values that have a place on the axis."""
    if values.size == 0:
        return None
    lo, hi = values.min(), values.max()
    if not (np.isfinite(lo) and np.isfinite(hi) and (lo > 0 or not log)):
        values = values[(values > 0) & (values < np.inf)] if log else values[np.isfinite(values)]
        if values.size == 0:
            return None
        lo, hi = values.min(), values.max()
    return float(lo), float(hi)


def _union(ranges: Iterable[Range | None]) -> Range | None:
    found = [each for each in ranges if each is not None]
    return (min(lo for lo, _ in found), max(hi for _, hi in found)) if found else None


# -- drawing -----------------------------------------------------------------------------------------------------------


@dataclass
class _Layer:
    """Dots gathered in cells: the last to touch a cell gives it its colour, and no dot of a curve is ever lost."""

    cells: np.ndarray
    owner: np.ndarray

    @staticmethod
    def blank(area: Box) -> _Layer:
        shape = (area.height, area.width)
        return _Layer(np.zeros(shape, np.uint8), np.full(shape, -1, np.int16))

    def add(self, mask: np.ndarray, owner: int, *, keep: bool = True) -> None:
        """keep: add to the dots that are there, instead of taking the cell over."""
        cells = dots.bits(mask)
        hit = cells != 0
        self.cells[hit] = (self.cells[hit] if keep else 0) | cells[hit]
        self.owner[hit] = owner


class _Drawing:
    """One chart being drawn: the layout first, then from the ground up."""

    def __init__(self, spec: ChartSpec, drawn: tuple[Series, ...], limits: _Limits) -> None:
        self.spec, self.plot, self.series, self.limits = spec, spec.plot, drawn, limits
        self.canvas = Canvas(spec.width, spec.height)
        self.samples = read_values(drawn, spec.view.crosshair)
        values = [None if sample is None else sample[1] for sample in self.samples]
        self.tags = legend.tags(drawn)
        self.tagged: set[tuple[int, int]] = set()
        self.legend = legend.place(legend.entries(self.plot, values, spec.tagged), spec.width, spec.height)
        self.area, self.y_ticks = self._layout()
        self.sx = Scale(*limits.x, self.area.width * dots.DOTS_X, limits.log_x)
        self.sy = self._y_scale(self.area.height)

    def _y_scale(self, height: int) -> Scale:
        return Scale(*self.limits.y, height * dots.DOTS_Y, self.limits.log_y, flipped=True)

    def _layout(self) -> tuple[Box, list[Tick]]:
        """The cells of the data: what title, legend, labels of stages and axes leave."""
        spec = self.spec
        top = 1 + len(self.legend.rows)
        foot = bool(self.plot.stages) and spec.height >= 10
        height = max(spec.height - top - 2 - foot, 1)
        y_ticks = ticks(
            self._y_scale(height), max(3 if height > 4 else 2, (height + 1) // 3), written_out=self.plot.y.written_out
        )
        left = max([4, *(text.width(tick.label) for tick in y_ticks)]) + 2
        return Box(left, top, max(spec.width - left - self.legend.side, 1), height), y_ticks

    def frame(self) -> Frame:
        self._shade()
        self._marks()
        self._data()
        self._points()
        self._crosshair()
        self._y_axis()
        self._x_axis()
        self._stage_labels()
        self._title()
        area, spec = self.area, self.spec
        if self.legend.side:
            right = area.x + area.width
            legend.draw(self.canvas, self.legend, Box(right, area.y, self.legend.side, spec.height - area.y - 1))
        else:
            legend.draw(self.canvas, self.legend, Box(0, 1, spec.width, len(self.legend.rows)))
        limits = self.limits
        return self.canvas.frame(area, limits.x, limits.y, (limits.log_x, limits.log_y), limits.automatic)

    def _column(self, x: float) -> int | None:
        """The column of cells, counted from the left of the area, in which x lies."""
        dot = np.rint(self.sx.place(np.array([x], float)))[0]
        return int(dot) // dots.DOTS_X if 0 <= dot < self.sx.dots else None

    # The ground: stages, shaded in turns and parted by thin lines.

    def _stages(self) -> list[tuple[int, int, int, Stage]]:
        """(index, first column, column after the last, stage) of the stages in view."""
        stages, (lo, hi) = self.plot.stages, self.limits.x
        ends = [stage.x for stage in stages[1:]] + [np.inf]
        found = []
        for index, (stage, end) in enumerate(zip(stages, ends, strict=False)):
            if stage.x <= hi and end > lo:
                first = self._column(max(stage.x, lo)) or 0
                last = self._column(end) if end <= hi else self.area.width
                found.append((index, first, last if last is not None else self.area.width, stage))
        return found

    def _shade(self) -> None:
        if self.plot.shade_stages:
            for index, first, end, _ in self._stages():
                if index % 2:
                    height = self.area.height + (self.spec.height - self.area.y - self.area.height - 2)
                    self.canvas.ground(Box(self.area.x + first, self.area.y, end - first, height), SHADE)

    def _marks(self) -> None:
        for _, first, _, stage in self._stages():
            if first > 0 and stage.x >= self.limits.x[0]:
                self._upright(first, palette.glyph("stage"), FAINT)

    def _upright(self, column: int, character: str, ink: Ink) -> None:
        for row in range(self.area.height):
            self.canvas.write(self.area.x + column, self.area.y + row, character, ink)

    # The data, in dots.

    def _data(self) -> None:
        layer = _Layer.blank(self.area)
        inks = [Ink(series.colour) for series in self.series]
        inks += [Ink(series.colour, faded=True) for series in self.series]
        inks += [Ink(rule.colour) for rule in self.plot.rules]
        count = len(self.series)
        for index, series in enumerate(self.series):
            if series.kind == "line" and series.lo is not None and series.hi is not None:
                layer.add(self._band(series), count + index, keep=False)
        for index, rule in enumerate(self.plot.rules):
            layer.add(self._rule(rule.y), 2 * count + index, keep=False)
        curves = _Layer.blank(self.area)
        for index, series in enumerate(self.series):
            curves.add(self._dots(series), index)
        hit = curves.owner >= 0
        layer.cells[hit], layer.owner[hit] = curves.cells[hit], curves.owner[hit]
        chars = (dots.plain if palette.is_ascii() else dots.braille)(layer.cells)
        for owner in np.unique(layer.owner[layer.owner >= 0]).tolist():
            self.canvas.cells(self.area, chars, layer.owner == owner, inks[owner])

    def _band(self, series: Series) -> np.ndarray:
        assert series.lo is not None and series.hi is not None
        mask = dots.band(series.x, series.lo, series.hi, self.sx, self.sy)
        rows, columns = np.indices(mask.shape)
        return mask & ((rows + 2 * columns) % 4 == 0)  # a quarter of the dots: lightly

    def _rule(self, y: float) -> np.ndarray:
        mask = np.zeros((self.sy.dots, self.sx.dots), bool)
        row = np.rint(self.sy.place(np.array([y], float)))[0]
        if 0 <= row < self.sy.dots:
            mask[int(row), np.arange(self.sx.dots) % 4 < 2] = True
        return mask

    def _dots(self, series: Series) -> np.ndarray:
        mask = np.zeros((self.sy.dots, self.sx.dots), bool)
        if series.kind != "points":
            mask |= dots.curve(series.x, series.y, self.sx, self.sy)
        if series.kind != "line" and series.lo is not None and series.hi is not None:
            mask |= dots.bars(series.x, series.lo, series.hi, self.sx, self.sy)
        return mask

    def _points(self) -> None:
        for index, series in enumerate(self.series):
            if series.kind != "line":
                shape = self.tags[index] if self.spec.tagged else legend.marker(index)
                for column, row in zip(*dots.points(series.x, series.y, self.sx, self.sy), strict=True):
                    self.canvas.write(self.area.x + int(column), self.area.y + int(row), shape, Ink(series.colour))
            elif self.spec.tagged:
                self._tag_curve(index, series)

    def _tag_curve(self, index: int, series: Series) -> None:
        """The letter of a curve, at its end; before it where the letter of another curve is there already."""
        columns, rows = dots.points(series.x[-512:], series.y[-512:], self.sx, self.sy)
        if columns.size == 0:
            columns, rows = dots.points(series.x, series.y, self.sx, self.sy)
        for at in zip(columns[::-1].tolist(), rows[::-1].tolist(), strict=True):
            if at not in self.tagged:
                self.tagged.add(at)
                x, y = self.area.x + at[0], self.area.y + at[1]
                self.canvas.write(x, y, self.tags[index], Ink(series.colour, bold=True))
                return

    def _crosshair(self) -> None:
        at = self.spec.view.crosshair
        column = None if at is None else self._column(at)
        if column is None:
            return
        x, area = self.area.x + column, self.area
        for row in range(area.y, area.y + area.height):
            if chr(self.canvas.chars[row, x]) in (" ", palette.glyph("stage")):
                self.canvas.write(x, row, palette.glyph("upright"), MUTED)
        for series, sample in zip(self.series, self.samples, strict=True):
            if sample is not None:
                columns, rows = dots.points(np.array(sample[:1]), np.array(sample[1:]), self.sx, self.sy)
                for mark_x, mark_y in zip(columns.tolist(), rows.tolist(), strict=True):
                    self.canvas.write(
                        area.x + mark_x, area.y + mark_y, palette.glyph("cursor"), Ink(series.colour, bold=True)
                    )

    # Around the data: axes, labels, title.

    def _y_axis(self) -> None:
        area = self.area
        for row in range(area.y, self.spec.height - 2):
            self.canvas.write(area.x - 1, row, palette.glyph("upright"), FAINT)
        rows = np.rint(self.sy.place(np.array([tick.value for tick in self.y_ticks]))).astype(int) // dots.DOTS_Y
        for tick, row in zip(self.y_ticks, rows.tolist(), strict=True):
            self.canvas.write(area.x - 2 - text.width(tick.label), area.y + row, tick.label, MUTED)
            self.canvas.write(area.x - 1, area.y + row, palette.glyph("tick_y"), FAINT)

    def _x_axis(self) -> None:
        area, row = self.area, self.spec.height - 2
        line = palette.glyph("corner") + palette.glyph("rule") * area.width
        self.canvas.write(area.x - 1, row, line, FAINT)
        end = area.x + area.width
        title = text.truncate(text.shown(self.plot.x.title), max(area.width - _TICKS, 0))
        title_at = end - text.width(title)
        self.canvas.write(title_at, row + 1, title, MUTED)
        for tick, column, label_at in self._x_ticks(title_at - 1 if title else end):
            self.canvas.write(area.x + column, row, palette.glyph("tick_x"), FAINT)
            self.canvas.write(label_at, row + 1, tick.label, MUTED)

    def _x_ticks(self, end: int) -> list[tuple[Tick, int, int]]:
        """(tick, its column, where its label begins): as many as fit side by side before `end`.

        One alone says nothing of the scale: closer ones are tried before that is taken.
        """
        most = max(3, self.area.width // 9)
        alone: list[tuple[Tick, int, int]] = []
        for count in (*range(most, 0, -1), *range(most + 1, 2 * most + 1)):
            placed = [self._label(tick) for tick in ticks(self.sx, count, written_out=self.plot.x.written_out)]
            placed = [each for each in placed if each[2] + text.width(each[0].label) <= end]
            if all(a[2] + text.width(a[0].label) < b[2] for a, b in pairwise(placed)):
                if len(placed) > 1:
                    return placed
                alone = alone or placed
        return alone

    def _label(self, tick: Tick) -> tuple[Tick, int, int]:
        column = self._column(tick.value) or 0
        wide = text.width(tick.label)
        return tick, column, max(self.area.x + column - (wide - 1) // 2, self.area.x - 1)

    def _stage_labels(self) -> None:
        """At the foot, the first in full (`β=5`), those after it without what they share with it (`10`)."""
        row = self.area.y + self.area.height
        if row >= self.spec.height - 2:
            return
        found, free, shared = self._stages(), self.area.x, ""
        for _, first, end, stage in found:
            label = text.shown(stage.label)
            short = label.removeprefix(shared) if shared else label
            x = self.area.x + first + (1 if first else 0)
            if first:
                self.canvas.write(self.area.x + first, row, palette.glyph("stage"), FAINT)
            if short and x >= free and x + text.width(short) <= max(self.area.x + end, x + 1):
                free = self.canvas.write(x, row, short, MUTED) + 1
                shared = shared or label[: label.find("=") + 1]

    def _title(self) -> None:
        """The title, which gives way to how it is looked at, and at the right to where the crosshair is."""
        view, room = self.spec.view, self.spec.width
        if view.crosshair is not None:
            words = f"{text.shown(self.plot.x.title)} {_original(view.crosshair)}".strip()
            words = text.truncate(words, room)
            room -= text.width(words)
            self.canvas.write(room, 0, words)
            room -= 2
        notes = [f"smoothed {view.smoothing:g}"] if view.smoothing else []
        notes += ["zoomed"] if view.x_range or view.y_range else []
        said = text.truncate(", ".join(notes), room)
        title = text.truncate(text.shown(self.plot.title), room - text.width(said) - 2 if said else room)
        x = self.canvas.write(0, 0, title, TITLE)
        self.canvas.write(x + 2 if title else x, 0, said, MUTED)


def _original(value: float) -> str:
    return text.count(round(value)) if abs(value) >= 100 else text.setting(float(f"{value:.4g}"))
