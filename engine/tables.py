"""Runs -> tables as data: columns with units, groups with mean, spread and success rate; drawn elsewhere.

A row is a run's flat dict (`engine.filters.row`). Which runs enter a statistic, and how:
- done, diverged and failed runs count in n and in the success rate: a method that diverges is not excused;
- means, spreads, minima and medians are over the done runs whose value is finite; a cell says "2 of 3" where they are
  fewer than n;
- runs that have not ended, or ended for a reason that says nothing of the method (stopped by hand, lost in a power cut,
  skipped), are not counted, and the table's notes say how many.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from engine.api import SuiteTable
from engine.cells import Cell, Kind, Measure, Rate
from engine.errors import UnknownName
from engine.filters import row as flat_row
from engine.lazy import lazy_import
from engine.records import Status
from engine.schema import suggestion
from engine.values import text

if TYPE_CHECKING:
    import statistics

    from engine.suites import SuiteState
else:
    statistics = lazy_import("statistics")

Row = Mapping[str, Any]

THRESHOLD = 0.1
"""A run succeeds when its relative L2 error is at most this, unless its suite says otherwise."""

JUDGED = "rel_l2"
"""What success is judged on, unless a suite names another figure."""

COUNTED = (Status.DONE, Status.DIVERGED, Status.FAILED)
"""Ends that say something of the method: these runs are the n of a statistic."""

NOT_RUN = "not run"
"""What stands for the status of a suite's run that is missing."""

SPREAD = "± is the sample standard deviation (n - 1)"


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a table. `best`: its lowest value, or that of each row, is worth marking (`Table.across`)."""

    key: str
    header: str = ""
    unit: str = ""
    kind: Kind = "text"
    best: bool = False

    @property
    def title(self) -> str:
        header = self.header or self.key
        return f"{header} ({self.unit})" if self.unit else header

    @property
    def align(self) -> Literal["left", "right"]:
        return "left" if self.kind in ("text", "time") else "right"


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table as data. `notes` are for its reader; `meta` says where it comes from (filter, date, version).

    across: columns are what is compared, on the problem of each row: the best of a row is marked, not that of a column.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    meta: dict[str, str] = {}
    across: bool = False


_KNOWN = {
    column.key: column
    for column in (
        Column(key="id", header="run"),
        Column(key="seed", kind="integer"),
        Column(key="attempt", kind="integer"),
        Column(key="created", kind="time"),
        Column(key="started", kind="time"),
        Column(key="ended", kind="time"),
        Column(key="seconds", header="time", unit="s", kind="seconds"),
    )
}


def runs_table(rows: Sequence[Row], columns: Sequence[str], title: str = "runs") -> Table:
    """One row a run. Raises UnknownName for a column that none of the runs has."""
    _require(rows, columns)
    made = tuple(titled(key, [row.get(key) for row in rows], is_setting(key, rows)) for key in columns)
    return Table(title=title, columns=made, rows=tuple(tuple(row.get(key) for key in columns) for row in rows))


def grouped(
    rows: Sequence[Row],
    by: Sequence[str],
    values: Sequence[str] = (JUDGED,),
    *,
    threshold: float | None = THRESHOLD,
    judged: str = JUDGED,
    title: str = "",
    ordered: bool = True,
    extremes: bool = True,
) -> Table:
    """One row a group: n; of each value mean ± std, minimum and median; and how many succeeded (`judged` <= threshold).

    ordered: groups in the order of their keys; else as they come. threshold None: no success rate. extremes: False for
    means alone.
    Raises UnknownName for a key or value that none of the runs has.
    """
    _require(rows, [*by, *values])
    judges = threshold is not None and any(_has(row, judged) for row in rows)
    groups = _groups(counted(rows), by, ordered)
    columns = [titled(key, [key_values[i] for key_values in groups], True) for i, key in enumerate(by)]
    columns.append(Column(key="n", kind="integer"))
    for value in values:
        columns += _value_columns(value, best=_compared(groups))[: None if extremes else 1]
    if judges:
        columns.append(Column(key="succeeded", kind="rate"))

    def cells(members: Sequence[Row]) -> list[Cell]:
        made: list[Cell] = [len(members)]
        for value in values:
            found = finite(members, value)
            made.append(measure(found, len(members)))
            if extremes:
                made += [min(found, default=None), statistics.median(found) if found else None]
        return [*made, rate(members, judged, threshold)] if judges and threshold is not None else made

    return Table(
        title=title or f"{', '.join(values)} by {', '.join(by) or 'all runs'}",
        columns=tuple(columns),
        rows=tuple((*key_values, *cells(members)) for key_values, members in groups.items()),
        notes=_notes(rows, values, judged if judges else "", threshold),
    )


def pivot(
    rows: Sequence[Row],
    index: Sequence[str],
    columns: str,
    value: str,
    *,
    threshold: float | None = None,
    title: str = "",
    ordered: bool = True,
) -> Table:
    """One row a group of `index`, one column a value of the key `columns`; cells: mean ± std of `value`.

    With a threshold, a last column says how many runs of the row succeeded.
    """
    _require(rows, [*index, columns, value])
    known = counted(rows)
    across = sorted({frozen(row.get(columns)) for row in known}, key=_order)
    groups = _groups(known, index, ordered)
    name = columns.rpartition(".")[2]
    made = [titled(key, [key_values[i] for key_values in groups], True) for i, key in enumerate(index)]
    sideways = bool(across) and all(isinstance(at, str) for at in across)
    made += [
        Column(key=f"{name}={_at(at)}", header=f"{name}={_at(at)}", kind="measure", best=sideways or _compared(groups))
        for at in across
    ]
    if threshold is not None:
        made.append(Column(key="succeeded", kind="rate"))

    def cells(members: Sequence[Row]) -> Iterable[Cell]:
        for at in across:
            here = [row for row in members if frozen(row.get(columns)) == at]
            yield measure(finite(here, value), len(here)) if here else None
        if threshold is not None:
            yield rate(members, value, threshold)

    return Table(
        title=title or f"{value} by {columns}",
        columns=tuple(made),
        rows=tuple((*key_values, *cells(members)) for key_values, members in groups.items()),
        notes=_notes(rows, [value], value, threshold),
        across=sideways,
    )


def _compared(groups: Iterable[tuple[Any, ...]]) -> bool:
    """Whether groups are compared with each other: methods, which have names. By a number, one problem is harder."""
    return all(len(keys) == 1 and isinstance(keys[0], str) for keys in groups)


def suite_rows(state: SuiteState, prefix: str = "") -> list[dict[str, Any]]:
    """A row for each run of a suite whose key begins so, in the suite's order, with its labels.

    One that is missing has its parameters, its seed and the status "not run".
    """
    rows: list[dict[str, Any]] = []
    for member in state.suite.runs:
        if member.key.startswith(prefix):
            run = state.runs.get(member.key)
            absent = {**state.params.get(member.key, {}), "seed": member.spec.seed, "status": NOT_RUN}
            row: dict[str, Any] = flat_row(run) if run else absent
            row.update(member.labels)
            rows.append(row)
    return rows


def suite_table(table: SuiteTable, rows: Sequence[dict[str, Any]]) -> Table:
    """The table of a suite over its rows, in the suite's order."""
    values = [value for value in table.values if any(_has(flat, value) for flat in rows)] or list(table.values[:1])
    keys = [key for key in (*table.rows, table.columns, *values) if key]
    rows = [_with(flat, keys) for flat in rows]  # the first table is drawn before there is any figure
    if table.columns:
        made = pivot(
            rows, table.rows, table.columns, values[0], threshold=table.threshold, title=table.title, ordered=False
        )
    else:
        made = grouped(
            rows,
            table.rows,
            values,
            threshold=table.threshold,
            judged=table.values[0],
            title=table.title,
            ordered=False,
            extremes=False,
        )
    columns = made.columns
    if not table.lowest_is_best:
        columns = tuple(msgspec.structs.replace(column, best=False) for column in columns)
    notes = (*((table.notes,) if table.notes else ()), *made.notes)
    return msgspec.structs.replace(made, columns=columns, notes=notes)


def _with(row: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """The row with nothing at the keys that it lacks."""
    found = copy.copy(row)
    found.update((key, None) for key in keys if not _has(row, key))
    return found


def differing(rows: Sequence[Row], keys: Iterable[str] | None = None) -> list[str]:
    """The keys whose values are not the same in all rows, in their order; a missing key counts as None."""
    candidates = dict.fromkeys(keys if keys is not None else (key for row in rows for key in row))
    return [key for key in candidates if len({frozen(row.get(key)) for row in rows}) > 1]


def flat(table: Table) -> tuple[list[str], list[list[Any]]]:
    """The table in plain scalars: a measure becomes `key_mean`, `key_std`, `key_n`; a rate `key`, `key_of`."""
    names: list[str] = []
    for column in table.columns:
        suffixes = {"measure": ("_mean", "_std", "_n"), "rate": ("", "_of")}.get(column.kind, ("",))
        names += [column.key + suffix for suffix in suffixes]
    return names, [
        [part for cell, column in zip(row, table.columns, strict=True) for part in _parts(cell, column)]
        for row in table.rows
    ]


def best_cells(table: Table) -> set[tuple[int, int]]:
    """(row, column) of the lowest mean of each line, where at least two have one: of columns marked `best`, or rows."""
    lines: dict[int, dict[tuple[int, int], float]] = {}
    for i, row in enumerate(table.rows):
        for j, (cell, column) in enumerate(zip(row, table.columns, strict=True)):
            if column.best and isinstance(cell, Measure) and cell.mean is not None:
                lines.setdefault(i if table.across else j, {})[i, j] = cell.mean
    lowest = {line: min(means.values()) for line, means in lines.items() if len(means) > 1}
    return {at for line, least in lowest.items() for at, mean in lines[line].items() if mean == least}


def _require(rows: Sequence[Row], keys: Iterable[str]) -> None:
    if not rows:
        return
    if unknown := [key for key in keys if not any(_has(row, key) for row in rows)]:
        known = list(dict.fromkeys(key for row in rows for key in row))
        meant = [words for key in unknown if (words := suggestion(key, known))]
        raise UnknownName(
            f"column: required a key that one of the {len(rows)} runs has, got {', '.join(unknown)}; "
            + (" ".join(meant) if meant else f"there are {', '.join(known)}")
        )


def _has(row: Row, key: str) -> bool:
    """Not `key in row`: a run's row also answers to `param.x` and `summary.x`."""
    try:
        row[key]
    except KeyError:
        return False
    return True


def is_setting(key: str, rows: Sequence[Row]) -> bool:
    """Whether the key means a parameter, in the first row that has it.

    In a run's row `param.x` is the parameter, whatever else is called `x`.
    """
    having = next((row for row in rows if row.get(key) is not None), {})
    return _has(having, f"param.{key}") and having[key] is having[f"param.{key}"]


def titled(key: str, values: Sequence[Any], exact: bool, kind: Kind | None = None) -> Column:
    """A column under the name and the unit that people know, of the kind that its values are of, or of this one."""
    if key in _KNOWN:
        return msgspec.structs.replace(_KNOWN[key], kind=kind) if kind else _KNOWN[key]
    if kind:
        return Column(key=key, kind=kind)
    there = [value for value in values if value is not None]
    numbers = bool(there) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in there)
    if not numbers:
        return Column(key=key)
    if all(isinstance(value, int) for value in there):
        return Column(key=key, kind="integer")
    return Column(key=key, kind="exact" if exact else "number")


def _value_columns(value: str, best: bool) -> list[Column]:
    header, unit = (_KNOWN[value].header, _KNOWN[value].unit) if value in _KNOWN else ("", "")
    return [
        Column(key=value, header=header, unit=unit, kind="measure", best=best),
        Column(key=f"{value}_min", header="min", unit=unit, kind="number"),
        Column(key=f"{value}_median", header="median", unit=unit, kind="number"),
    ]


def counted(rows: Iterable[Row]) -> list[Row]:
    """The runs that are the n of a statistic."""
    return [row for row in rows if row["status"] in COUNTED]


def _groups(rows: Iterable[Row], by: Sequence[str], ordered: bool) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(frozen(row.get(key)) for key in by), []).append(row)
    if not ordered:
        return groups
    return dict(sorted(groups.items(), key=lambda item: [_order(value) for value in item[0]]))


def frozen(value: Any) -> Any:
    """As a key of groups: lists as tuples, and what a task of one's own may report besides as pairs."""
    if isinstance(value, dict):
        return tuple((key, frozen(part)) for key, part in value.items())
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def _order(value: Any) -> tuple[int, float, str]:
    if value is None:
        return (2, 0.0, "")
    if isinstance(value, int | float):
        return (0, float(value), "")
    return (1, 0.0, text(value))


def _at(value: Any) -> str:
    return "–" if value is None else text(value)


def finite(rows: Iterable[Row], value: str) -> list[float]:
    """The values of the done runs that are finite numbers."""
    found = (row.get(value) for row in rows if row["status"] == Status.DONE)
    return [v for v in found if isinstance(v, int | float) and math.isfinite(v)]


def measure(values: Sequence[float], of: int) -> Measure:
    """Mean and spread of the finite values that `of` runs gave."""
    n = len(values)
    return Measure(
        mean=float(statistics.mean(values)) if n else None,
        std=float(statistics.stdev(values)) if n > 1 else None,
        n=n,
        of=of,
    )


def rate(rows: Sequence[Row], judged: str, threshold: float) -> Rate:
    """How many of the runs that count have a figure up to the threshold."""
    return Rate(succeeded=sum(value <= threshold for value in finite(rows, judged)), of=len(rows))


def _notes(rows: Sequence[Row], values: Sequence[str], judged: str, threshold: float | None) -> tuple[str, ...]:
    notes = []
    if judged and threshold is not None:
        notes.append(f"a run succeeds when {judged} <= {threshold:g}")
    notes.append(SPREAD)
    bad = Counter(str(row["status"]) for row in rows if row["status"] in (Status.DIVERGED, Status.FAILED))
    for value in values:
        done = sum(row["status"] == Status.DONE for row in rows)
        if missing := done - len(finite(rows, value)):
            bad[f"done without a finite {value}"] += missing
    if bad:
        notes.append(f"in n, but not in means: {_listed(bad)}")
    if left_out := Counter(str(row["status"]) for row in rows if row["status"] not in COUNTED):
        notes.append(f"not counted: {_listed(left_out)}")
    return tuple(notes)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _parts(cell: Cell, column: Column) -> list[Any]:
    if column.kind == "measure":
        return [cell.mean, cell.std, cell.n] if isinstance(cell, Measure) else [None, None, 0]
    if column.kind == "rate":
        return [cell.succeeded, cell.of] if isinstance(cell, Rate) else [None, None]
    return [list(cell) if isinstance(cell, tuple) else cell]
