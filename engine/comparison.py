"""Published figures beside ours: a row a cell of a suite's table, with the spread over its runs, its cost, a verdict.

The verdict is about one statistic of ours (the mean, the median or the best over the runs that count), beside the
figure that was published, where less is better:

- not run: no run of the cell has ended in a way that counts;
- reproduced: at most the published figure; or, where the published method fails (its figure is above FAILS thresholds
  of the table), ours does not succeed either;
- better: at most HALF of the published figure; or ours succeeds where the published method fails;
- not reached: above the published figure, though that is no failure; or no run gave a figure.

Of figures beside the one that success is judged on there is no verdict where the published method fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api import Published, Statistic, SuiteTable, Value
from engine.cells import Cell
from engine.lazy import lazy_import
from engine.tables import SPREAD, Column, Row, Table, counted, finite, frozen, measure, rate, titled

if TYPE_CHECKING:
    import statistics
else:
    statistics = lazy_import("statistics")

HALF = 0.5
"""Of the published figure or less is better, not merely reproduced."""
FAILS = 5.0
"""Times the figure up to which a run succeeds: a published one above that is a failure, and how large it is says
nothing. Between the two a method half succeeds, and its figure is one to be reached."""


class Verdict(StrEnum):
    BETTER = "better"
    REPRODUCED = "reproduced"
    NOT_REACHED = "not reached"
    NOT_RUN = "not run"


STATISTICS: dict[Statistic, Callable[[Sequence[float]], float]] = {
    "mean": lambda values: statistics.mean(values),
    "median": lambda values: statistics.median(values),
    "best": min,
}


def verdict(values: Sequence[float], count: int, published: float, statistic: Statistic, threshold: float) -> Verdict:
    """Of the finite figures of `count` runs, beside a published one; `threshold`: up to which a run succeeds.

    A run that diverged, or failed, is not excused: without a figure it counts as infinitely wrong.
    """
    if count == 0:
        return Verdict.NOT_RUN
    ours = STATISTICS[statistic]([*values, *[float("inf")] * (count - len(values))])
    if published > FAILS * threshold:
        return Verdict.REPRODUCED if ours > threshold else Verdict.BETTER
    if ours <= HALF * published:
        return Verdict.BETTER
    return Verdict.REPRODUCED if ours <= published else Verdict.NOT_REACHED


class _Cell(msgspec.Struct):
    """What is in one cell of a table: its keys, its runs that count, and what was published of it."""

    row: tuple[Any, ...]
    column: Any
    runs: list[Row]
    published: Published | None = None


def comparisons(table: SuiteTable, rows: Sequence[Row]) -> list[Table]:
    """For each figure that was published of a table, ours beside it; of one without, the spread of its first figure."""
    values = dict.fromkeys(known.value or table.values[0] for known in table.published) or table.values[:1]
    return [_comparison(table, rows, value) for value in values]


def _comparison(table: SuiteTable, rows: Sequence[Row], value: str) -> Table:
    cells = _cells(table, rows, value)
    published = any(cell.published for cell in cells)
    costs = [cost for cost in ("closures", "seconds") if any(cost in row for row in rows)]
    succeeds = table.threshold is not None and value == table.values[0]
    columns = [titled(key, [cell.row[i] for cell in cells], True) for i, key in enumerate(table.rows)]
    if table.columns:
        columns.append(titled(table.columns, [cell.column for cell in cells], True))
    if published:
        columns.append(Column(key="published", header=table.published_in, kind="number"))
    columns += [
        Column(key=value, header="ours" if published else value, kind="measure"),
        *(Column(key=f"{value}_{name}", header=name, kind="number") for name in ("median", "best", "worst")),
        Column(key="n", kind="integer"),
    ]
    if succeeds:
        columns.append(Column(key="succeeded", kind="rate"))
    columns += [titled(cost, [], False, kind="measure") for cost in costs]
    if published:
        columns.append(Column(key="verdict"))

    def made(cell: _Cell) -> Iterable[Cell]:
        found = finite(cell.runs, value)
        yield from cell.row
        if table.columns:
            yield cell.column
        if published:
            yield cell.published.figure if cell.published else None
        yield measure(found, len(cell.runs)) if cell.runs else None
        yield from (STATISTICS["median"](found), min(found), max(found)) if found else (None, None, None)
        yield len(cell.runs)
        if succeeds and table.threshold is not None:
            yield rate(cell.runs, value, table.threshold)
        for cost in costs:
            yield measure(finite(cell.runs, cost), len(cell.runs)) if cell.runs else None
        if published:
            yield _verdict(table, cell, value, found)

    title = f"{table.title}: {value}" + (f" beside {table.published_in}" if published else "")
    return Table(
        title=title, columns=tuple(columns), rows=tuple(tuple(made(cell)) for cell in cells), notes=_notes(table, value)
    )


def _verdict(table: SuiteTable, cell: _Cell, value: str, found: Sequence[float]) -> Cell:
    if cell.published is None or (value != table.values[0] and _fails(table, cell)):
        return None
    threshold = _threshold(table, value)
    return str(verdict(found, len(cell.runs), cell.published.figure, table.statistic, threshold))


def _fails(table: SuiteTable, cell: _Cell) -> bool:
    """Whether the published method fails in this cell: how large its other figures are says nothing."""
    failure = FAILS * _threshold(table, table.values[0])
    return any(
        known.figure > failure and (_frozen(known.row), frozen(known.column)) == (cell.row, cell.column)
        for known in table.published
        if (known.value or table.values[0]) == table.values[0]
    )


def _threshold(table: SuiteTable, value: str) -> float:
    """Up to which a figure is a success; of another than the one that success is judged on there is no such."""
    return table.threshold if table.threshold is not None and value == table.values[0] else float("inf")


def _cells(table: SuiteTable, rows: Sequence[Row], value: str) -> list[_Cell]:
    """In the suite's order, those that nothing was run of as well; then what is published and not in the suite."""
    cells: dict[tuple[Any, ...], _Cell] = {}

    def cell(row: tuple[Any, ...], column: Any) -> _Cell:
        return cells.setdefault((row, column), _Cell(row, column, []))

    for row in rows:
        at = cell(tuple(frozen(row.get(key)) for key in table.rows), frozen(row.get(table.columns)))
        at.runs += counted([row])
    for known in table.published:
        if (known.value or table.values[0]) == value:
            cell(_frozen(known.row), frozen(known.column)).published = known
    return list(cells.values())


def _frozen(values: Iterable[Value]) -> tuple[Any, ...]:
    return tuple(frozen(value) for value in values)


def _notes(table: SuiteTable, value: str) -> tuple[str, ...]:
    notes = [table.notes] if table.notes else []
    threshold = _threshold(table, value)
    if threshold < float("inf"):
        notes.append(f"a run succeeds when {value} <= {threshold:g}")
    if table.published:
        fails = (
            f"; where that is above {FAILS * threshold:g}, so that the method fails there, reproduced: ours does not "
            "succeed either, better: it does"
            if any(known.figure > FAILS * threshold for known in table.published if (known.value or value) == value)
            else ""
        )
        notes.append(
            f"verdict on the {table.statistic} beside {table.published_in}: better at {HALF:g} of it or less, "
            f"reproduced at it or less, else not reached{fails}; a run without a figure counts as infinitely wrong"
        )
    return (*notes, SPREAD)
