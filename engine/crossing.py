"""Where a curve that is behind reaches what another has at one point: pure, and as a table over a suite's runs.

A curve is a figure (an error: less is better) over x (the number of examples). Between its points it is straight in
log-log, where a power law is a line.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.api import SuiteCrossing
from engine.cells import Cell, Rate
from engine.lazy import lazy_import
from engine.tables import SPREAD, Column, Row, Table, counted, finite, frozen, measure, titled

if TYPE_CHECKING:
    import statistics
else:
    statistics = lazy_import("statistics")

Curve = Mapping[float, float]
"""{x: figure}, both above 0."""


class Crossing(NamedTuple):
    """Where a curve reaches a figure. `beyond`: not within its points; `x` is then the last of them, and a bound."""

    x: float
    beyond: bool = False
    before: bool = False
    """It is there from its first point on; `x` is then that, and a bound."""


def crossing(curve: Curve, figure: float) -> Crossing | None:
    """The first x at which a curve comes down to a figure; None for a curve without points."""
    points = sorted(curve.items())
    if not points:
        return None
    if points[0][1] <= figure:
        return Crossing(points[0][0], before=True)
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if y1 <= figure:
            share = math.log(y0 / figure) / math.log(y0 / y1)
            return Crossing(math.exp(math.log(x0) + share * math.log(x1 / x0)))
    return Crossing(points[-1][0], beyond=True)


def value_at(curve: Curve, x: float) -> float | None:
    """The figure of a curve at x; None outside its points."""
    points = sorted(curve.items())
    if x in curve:
        return curve[x]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x0 < x < x1:
            share = math.log(x / x0) / math.log(x1 / x0)
            return math.exp(math.log(y0) + share * math.log(y1 / y0))
    return None


class _Found(NamedTuple):
    """Of one pair of curves: what is to be reached, and where it is."""

    figure: float
    at: Crossing


def crossing_table(described: SuiteCrossing, rows: Sequence[Row]) -> Table:
    """One row a group: the figure to be reached, where the curve behind reaches it, the factor, each over the pairs."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in counted(rows):
        groups.setdefault(tuple(frozen(row.get(key)) for key in described.rows), []).append(row)
    keys = [titled(key, [group[i] for group in groups], True) for i, key in enumerate(described.rows)]
    at, ahead, behind = f"{described.x}={described.at:g}", described.ahead, described.behind
    columns = (
        *keys,
        Column(key="n", header="pairs", kind="integer"),
        Column(key="reached", header=f"{described.value}, {ahead} at {at}", kind="measure"),
        Column(key="crossing", header=f"{described.x} at which {behind} reaches it", kind="measure"),
        Column(key="factor", kind="measure"),
        Column(key="factor_min", header="least", kind="number"),
        Column(key="factor_median", header="median", kind="number"),
        Column(key="factor_max", header="most", kind="number"),
        Column(key="beyond", header="beyond the last point", kind="rate"),
    )
    found = {group: _pairs(described, members) for group, members in groups.items()}
    notes = [described.notes] if described.notes else []
    notes += [
        f"factor: {described.x} at which {behind} reaches what {ahead} has at {at}, over {described.at:g}; each pair "
        f"of runs of one {described.by} by itself, straight in log-log between the points",
        "where it is not reached, the last point stands for it, and means and factors are lower bounds",
        SPREAD,
    ]
    if any(pair.at.before for pairs in found.values() for pair in pairs):
        notes.append(f"where {behind} is there from its first point on, that stands for it, and is an upper bound")
    return Table(
        title=described.title,
        columns=columns,
        rows=tuple((*group, *_cells(described, pairs)) for group, pairs in found.items()),
        notes=tuple(notes),
    )


def _pairs(described: SuiteCrossing, rows: Sequence[Row]) -> list[_Found]:
    """Those of a group that have both curves."""
    found = []
    for pair in dict.fromkeys(frozen(row.get(described.by)) for row in rows):
        mine = [row for row in rows if frozen(row.get(described.by)) == pair]
        ahead, behind = (_curve(described, mine, series) for series in (described.ahead, described.behind))
        figure = value_at(ahead, described.at)
        where = crossing(behind, figure) if figure is not None else None
        if figure is not None and where is not None:
            found.append(_Found(figure, where))
    return found


def _curve(described: SuiteCrossing, rows: Sequence[Row], series: Any) -> dict[float, float]:
    """Of the runs of one series; of several at one x, their mean."""
    at: dict[float, list[Row]] = {}
    for row in rows:
        if row.get(described.series) == series and isinstance(x := row.get(described.x), int | float) and x > 0:
            at.setdefault(float(x), []).append(row)
    known = {x: [value for value in finite(members, described.value) if value > 0] for x, members in at.items()}
    return {x: float(statistics.mean(values)) for x, values in known.items() if values}


def _cells(described: SuiteCrossing, pairs: Sequence[_Found]) -> list[Cell]:
    n = len(pairs)
    factors = [pair.at.x / described.at for pair in pairs]
    return [
        n,
        measure([pair.figure for pair in pairs], n),
        measure([pair.at.x for pair in pairs], n),
        measure(factors, n),
        min(factors, default=None),
        statistics.median(factors) if factors else None,
        max(factors, default=None),
        Rate(succeeded=sum(pair.at.beyond for pair in pairs), of=n),
    ]
