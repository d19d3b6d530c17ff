"""Scales and ticks: values to dots and back, limits that move in steps, ticks at round values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tui import text
from tui.raster.spec import Range

_FAR = 1e12
"""Dots beyond this are as good as there: keeps the arithmetic of clipping finite."""

_ROUND = (1.0, 2.0, 5.0, 10.0)
_KEEP = 0.4
"""Limits are kept while the data fill at least this share of them."""


@dataclass(frozen=True)
class Scale:
    """Values between `lo` and `hi` (lo < hi; both positive on a log scale) onto dots 0 .. dots - 1.

    flipped: the highest value on dot 0, as rows are counted.
    """

    lo: float
    hi: float
    dots: int
    log: bool = False
    flipped: bool = False

    def place(self, values: np.ndarray) -> np.ndarray:
        """Where values lie, in dots, as floats; what is on the scale is within [0, dots - 1]. NaN stays NaN."""
        with np.errstate(all="ignore"):
            lo, hi = self._along(self.lo), self._along(self.hi)
            along = np.log10(values) if self.log else np.asarray(values, float)
            share = (hi - along) / (hi - lo) if self.flipped else (along - lo) / (hi - lo)
            return np.clip(share * (self.dots - 1), -_FAR, _FAR)

    def value(self, dot: float) -> float:
        """The value at a place in dots: the inverse of `place`."""
        share = dot / max(self.dots - 1, 1)
        along = self._along(self.lo) + (self._along(self.hi) - self._along(self.lo)) * (
            1 - share if self.flipped else share
        )
        return self._back(along)

    def edges(self) -> np.ndarray:
        """(dots + 1,) values half way between dots, in rising order."""
        lo, hi = self._along(self.lo), self._along(self.hi)
        along = lo + (np.arange(self.dots + 1) - 0.5) / max(self.dots - 1, 1) * (hi - lo)
        with np.errstate(over="ignore"):
            return 10.0**along if self.log else along

    def drawable(self, values: np.ndarray) -> np.ndarray:
        """Which values have a place at all: finite ones, and positive ones on a log scale."""
        return (values > 0) & (values < np.inf) if self.log else np.isfinite(values)

    def _along(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def _back(self, along: float) -> float:
        if not self.log:
            return along
        return 10.0**along if along < 308 else math.inf


class Tick(NamedTuple):
    value: float
    label: str


def limits_of(lo: float, hi: float, log: bool) -> Range:
    """Limits that hold [lo, hi] tightly, with some room where the two are the same."""
    if hi > lo and (math.log10(hi / lo) if log else (hi - lo) / max(abs(lo), abs(hi))) > 1e-9:
        return lo, hi
    if log:
        return lo / 2, hi * 2
    room = abs(lo) / 10 or 0.5
    return lo - room, hi + room


def stepped(lo: float, hi: float, log: bool, previous: Range | None = None) -> Range:
    """Limits at round values that hold [lo, hi]; the previous ones as long as the data fit and fill them enough."""
    lo, hi = limits_of(lo, hi, log)
    if previous is not None and previous[0] <= lo and hi <= previous[1]:  # noqa: SIM102
        if _extent(lo, hi, log) >= _KEEP * _extent(*previous, log):
            return previous
    return _round_log(lo, hi) if log else _round_linear(lo, hi)


def _extent(lo: float, hi: float, log: bool) -> float:
    return math.log10(hi / lo) if log else hi - lo


def _round_linear(lo: float, hi: float) -> Range:
    step = nice_step((hi - lo) / 3)
    return math.floor(lo / step + 1e-9) * step, math.ceil(hi / step - 1e-9) * step


def _round_log(lo: float, hi: float) -> Range:
    """Down to a whole decade where there are two or more (losses fall), else to 1, 2 or 5; up to 1, 2 or 5."""
    if hi / lo >= 100:
        return 10.0 ** math.floor(math.log10(lo) + 1e-9), _round_up(hi)
    return 1 / _round_up(1 / lo), _round_up(hi)


def _round_up(value: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is not below the value."""
    power = 10.0 ** math.floor(math.log10(value) + 1e-12)
    return next(step * power for step in _ROUND if step * power >= value * (1 - 1e-9))


def nice_step(least: float) -> float:
    """The least step of 1, 2 or 5 times a power of ten that is not below `least` (> 0)."""
    return _round_up(least)


def ticks(scale: Scale, most: int, *, written_out: bool = False) -> list[Tick]:
    """At most `most` ticks at round values within the scale, lowest first, labelled in the original values.

    written_out: it counts, as in `spec.Axis`.
    """
    if most < 1:
        return []
    return (_log_ticks if scale.log else _linear_ticks)(scale, most, written_out)


def _linear_ticks(scale: Scale, most: int, whole: bool) -> list[Tick]:
    step = nice_step(max((scale.hi - scale.lo) / most, 1.0 if whole else 0.0))
    while True:
        first, last = math.ceil(scale.lo / step - 1e-9), math.floor(scale.hi / step + 1e-9)
        if last - first + 1 <= most:
            break
        step = nice_step(step * 1.01)
    return [Tick(index * step, linear_label(index * step, step)) for index in range(first, last + 1)]


def linear_label(value: float, step: float) -> str:
    """A tick's value with as many decimals as its step needs; powers of ten where it would be long."""
    largest = max(abs(value), step)
    if largest >= 1e7 or step < 1e-4:
        if value == 0:
            return "0"
        digits = max(math.floor(math.log10(abs(value)) + 1e-9) - math.floor(math.log10(step) + 1e-9), 0) + 1
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value + 0.0:,.{decimals}f}"


def _log_ticks(scale: Scale, most: int, written_out: bool) -> list[Tick]:
    first, last = math.ceil(math.log10(scale.lo) - 1e-9), math.floor(math.log10(scale.hi) + 1e-9)
    decades = list(range(first, last + 1))
    if math.log10(scale.hi / scale.lo) < 2:
        for factors in ((1, 2, 5), (1, 3), (1,)):
            values = [
                (factor, power)
                for power in range(first - 1, last + 1)
                for factor in factors
                if scale.lo * (1 - 1e-9) <= factor * 10.0**power <= scale.hi * (1 + 1e-9)
            ]
            if 2 <= len(values) <= most:
                return [Tick(factor * 10.0**power, _log_label(factor, power, written_out)) for factor, power in values]
        if len(decades) < 2:
            return _linear_ticks(scale, most, written_out)
    every = next((k for k in (1, 2, 3, 5, 10, 20, 50, 100) if _multiples(decades, k) <= most), 200)
    return [Tick(10.0**power, _log_label(1, power, written_out)) for power in decades if power % every == 0]


def _multiples(decades: list[int], every: int) -> int:
    return sum(power % every == 0 for power in decades)


def _log_label(factor: int, power: int, written_out: bool) -> str:
    if written_out and 0 <= power <= 5:
        return text.count(factor * 10**power)
    return text.power_of_ten(power) if factor == 1 else f"{factor}e{power}"
