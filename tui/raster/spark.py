"""A curve in one line of text: the trend of a run in a list."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tui import palette

_LEVELS, _ASCII_LEVELS = "▁▂▃▄▅▆▇", "_.-~=^"


def sparkline(values: Sequence[float], width: int, *, log: bool = True) -> str:
    """At most `width` characters, from the least to the greatest of the values; a blank where there is none.

    More values than cells: the last one of each cell's share. log: by magnitude where all are positive, as losses are.
    """
    if not values or width < 1:
        return ""
    count = len(values)
    shown = [values[(cell + 1) * count // width - 1] for cell in range(width)] if count > width else list(values)
    finite = [value for value in shown if math.isfinite(value)]
    if not finite:
        return " " * len(shown)
    if log and min(finite) > 0:
        shown = [math.log(value) if math.isfinite(value) else value for value in shown]
        finite = [math.log(value) for value in finite]
    lo, extent = min(finite), max(finite) - min(finite)
    levels = _ASCII_LEVELS if palette.is_ascii() else _LEVELS
    return "".join(_level(value, lo, extent, levels) for value in shown)


def _level(value: float, lo: float, extent: float, levels: str) -> str:
    if not math.isfinite(value):
        return " "
    return levels[min(int((value - lo) / extent * len(levels)), len(levels) - 1)] if extent > 0 else levels[0]
