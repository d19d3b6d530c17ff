"""Cells of tables as data and as people read them: numbers, times, means with their spread, success rates."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from engine.values import text

Kind = Literal["text", "integer", "number", "exact", "seconds", "time", "measure", "rate"]
"""Of a column. number: measured, shown in three significant digits; exact: a number that somebody set, shown as set."""


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """Mean and sample standard deviation of a figure over `n` runs, of the `of` that are counted.

    Both are None for n = 0, the deviation also for n = 1: it is undefined.
    """

    mean: float | None
    std: float | None
    n: int
    of: int


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs succeeded, of those that are counted."""

    succeeded: int
    of: int


Cell = bool | int | float | str | list[Any] | None | Measure | Rate


def shown(cell: Cell, kind: Kind = "text") -> str:
    """A cell for people, a dash where there is nothing."""
    match cell:
        case None:
            return "–"
        case bool():
            return "yes" if cell else "no"
        case Measure(mean=mean, std=std, n=n, of=of):
            spread = digits(mean) + ("" if std is None else f" ± {digits(std)}")
            return spread if n == of else f"{spread} ({n} of {of})"
        case Rate(succeeded=succeeded, of=of):
            return f"{succeeded}/{of}"
        case int() | float() if kind == "time":
            return moment(cell)
        case float() if kind == "seconds" and 100 <= cell < math.inf:
            return f"{cell:.0f}"
        case float() if kind not in ("text", "exact"):
            return digits(cell)
        case _:
            return text(cell)


def digits(value: float | None, significant: int = 3) -> str:
    """A measured number in the field's notation, with so many significant digits: 9.83e-1, 15.2, 1.23e4, 1.04e-4."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.{significant - 1}e}".partition("e")
    power = int(exponent)
    if 0 <= power < significant:
        return f"{value:.{significant - 1 - power}f}"
    return f"{mantissa}e{power}"


def moment(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
