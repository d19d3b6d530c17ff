"""Moving about in a chart: the next view from the one drawn. Pure; fast enough for every key press."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tui.raster.dots import DOTS_X, rises
from tui.raster.frame import Frame
from tui.raster.scale import Scale
from tui.raster.spec import Plot, Range, View

_CLOSEST = 1e-9
"""Of the position: closer, floating-point numbers do not resolve an axis."""


def zoomed(view: View, frame: Frame, factor: float) -> View:
    """The x axis enlarged by `factor` about the crosshair, or its middle; heights follow what is seen."""
    if frame.x_limits is None:
        return view
    lo, hi = _along(frame.x_limits, frame.log_x)
    middle = (lo + hi) / 2 if view.crosshair is None else _along((view.crosshair, 1.0), frame.log_x)[0]
    new = (middle + (lo - middle) / factor, middle + (hi - middle) / factor)
    if new[1] - new[0] < _CLOSEST * max(abs(new[0]), abs(new[1]), 1e-300):
        return view
    return replace(view, x_range=_back(new, frame.log_x))


def panned(view: View, frame: Frame, right: float = 0.0, up: float = 0.0) -> View:
    """Moved by shares of what is seen."""
    if frame.x_limits is None or frame.y_limits is None:
        return view
    if right:
        view = replace(view, x_range=_moved(frame.x_limits, right, frame.log_x))
    if up:
        view = replace(view, y_range=_moved(frame.y_limits, up, frame.log_y))
    return view


def _moved(limits: Range, share: float, log: bool) -> Range:
    lo, hi = _along(limits, log)
    step = share * (hi - lo)
    return _back((lo + step, hi + step), log)


def _along(limits: Range, log: bool) -> Range:
    return (math.log10(limits[0]), math.log10(limits[1])) if log else limits


def _back(limits: Range, log: bool) -> Range:
    return (10.0 ** min(limits[0], 300.0), 10.0 ** min(limits[1], 301.0)) if log else limits


def crosshair_start(plot: Plot, frame: Frame) -> float | None:
    """Where the crosshair appears: at the last sample in view."""
    if frame.x_limits is None:
        return None
    return _sample_before(plot, frame, frame.x_limits[1])


def crosshair_moved(plot: Plot, frame: Frame, at: float, cells: int) -> float:
    """The sample at least one cell further, that many cells away if samples are dense; where there is none it stays."""
    if frame.x_limits is None:
        return at
    scale = Scale(*frame.x_limits, frame.area.width * DOTS_X, frame.log_x)
    dot = float(scale.place(np.array([at], float))[0])
    target = scale.value((math.floor(dot / DOTS_X) + cells) * DOTS_X + (0 if cells > 0 else DOTS_X - 1))
    found = _sample_after(plot, frame, target) if cells > 0 else _sample_before(plot, frame, target)
    return at if found is None else found


def _sample_after(plot: Plot, frame: Frame, target: float) -> float | None:
    """The first x, of all series, at or after the target."""
    assert frame.x_limits is not None
    found = [value for values in _all_x(plot) if (value := _first_from(values, target)) is not None]
    inside = [value for value in found if value <= frame.x_limits[1]]
    return min(inside) if inside else None


def _sample_before(plot: Plot, frame: Frame, target: float) -> float | None:
    assert frame.x_limits is not None
    found = [value for values in _all_x(plot) if (value := _last_until(values, target)) is not None]
    inside = [value for value in found if value >= frame.x_limits[0]]
    return max(inside) if inside else None


def _all_x(plot: Plot) -> list[np.ndarray]:
    return [x for series in plot.series if (x := np.asarray(series.x)).size]


def _first_from(x: np.ndarray, target: float) -> float | None:
    if rises(x):
        index = int(np.searchsorted(x, target, side="left"))
        return float(x[index]) if index < x.size else None
    later = x[x >= target]
    return float(later.min()) if later.size else None


def _last_until(x: np.ndarray, target: float) -> float | None:
    if rises(x):
        index = int(np.searchsorted(x, target, side="right")) - 1
        return float(x[index]) if index >= 0 else None
    earlier = x[x <= target]
    return float(earlier.max()) if earlier.size else None
