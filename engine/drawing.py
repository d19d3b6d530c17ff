"""A figure of a suite as data: what is to be drawn of its runs. `engine.figures` draws it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api import SuiteFigure
from engine.comparison import STATISTICS
from engine.errors import ServiceError
from engine.lazy import lazy_import
from engine.tables import Row, counted, finite, frozen
from engine.values import text

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")

Arrays = Callable[[str, Set[str]], Mapping[str, Any]]
"""What the run of an id stored last of these arrays together, by name; empty where it stored no such."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A curve with its band, all (points,). dots: (x, y) of every single run. published: only set beside ours."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    dots: tuple[tuple[float, float], ...] = ()
    colour: int = 0
    published: bool = False


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """A field over two axes. x: (n,), y: (m,), z: (n, m)."""

    label: str
    x: Any
    y: Any
    z: Any


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn: lines, or panels. It is empty where no run has what it asks for."""

    title: str
    x_title: str
    y_title: str
    log_x: bool
    log_y: bool
    lines: tuple[Line, ...] = ()
    panels: tuple[Panel, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.panels and all(line.published for line in self.lines)


def drawing(figure: SuiteFigure, rows: Sequence[Row], arrays: Arrays) -> Drawing:
    """The figure over the rows of its runs, series in the suite's order."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in counted(rows):
        groups.setdefault(tuple(frozen(row.get(key)) for key in figure.series), []).append(row)
    lines: list[Line] = []
    panels: list[Panel] = []
    if figure.kind == "lines":
        lines = [_line(figure, group, members, i) for i, (group, members) in enumerate(groups.items())]
        lines += _published(figure, list(groups))
        lines = [line for line in lines if line.x]
        notes: tuple[str, ...] = (f"line: {figure.statistic} over the seeds; band: best to worst; dots: every run",)
    elif figure.kind == "profiles":
        found = [_profile(figure, group, members, i, arrays) for i, (group, members) in enumerate(groups.items())]
        lines = [line for line in found if line]
        notes = ("line: median over the seeds; band: best to worst",)
    else:
        made = [_panel(figure, group, members, arrays) for group, members in groups.items()]
        panels = [panel for panel in made if panel]
        notes = ()
    return Drawing(
        title=figure.title,
        x_title=figure.x,
        y_title=figure.y or figure.value,
        log_x=figure.log_x,
        log_y=figure.log_y,
        lines=tuple(lines),
        panels=tuple(panels),
        notes=(*((figure.notes,) if figure.notes else ()), *notes),
    )


def _named(figure: SuiteFigure, group: Sequence[Any]) -> str:
    """What a legend calls a combination: a text by itself, a number with its name."""
    words = (
        value if isinstance(value, str) else f"{key.rpartition('.')[2]}={text(value)}"
        for key, value in zip(figure.series, group, strict=True)
    )
    return ", ".join(words) or figure.value


def _line(figure: SuiteFigure, group: Sequence[Any], rows: Sequence[Row], colour: int) -> Line:
    at: dict[float, list[Row]] = {}
    for row in rows:
        if isinstance(x := row.get(figure.x), int | float):
            at.setdefault(float(x), []).append(row)
    known = {x: values for x, members in sorted(at.items()) if (values := finite(members, figure.value))}
    return Line(
        label=_named(figure, group),
        x=tuple(known),
        y=tuple(float(STATISTICS[figure.statistic](values)) for values in known.values()),
        low=tuple(map(min, known.values())),
        high=tuple(map(max, known.values())),
        dots=tuple((x, value) for x, values in known.items() for value in values),
        colour=colour,
    )


def _published(figure: SuiteFigure, groups: Sequence[tuple[Any, ...]]) -> list[Line]:
    """Published figures by series, in the colours of ours."""
    series = dict.fromkeys(frozen(known.column) for known in figure.published)
    lines = []
    for i, column in enumerate(series):
        points = sorted(
            (float(known.row[0]), known.figure)  # type: ignore[arg-type]  # a figure's rows are its x
            for known in figure.published
            if frozen(known.column) == column
        )
        colour = groups.index((column,)) if (column,) in groups else len(groups) + i
        label = f"{column}, {figure.published_in}" if column is not None else figure.published_in
        x, y = zip(*points, strict=True)
        lines.append(Line(label=label, x=x, y=y, colour=colour, published=True))
    return lines


def _profile(
    figure: SuiteFigure, group: Sequence[Any], rows: Sequence[Row], colour: int, arrays: Arrays
) -> Line | None:
    """Runs whose axis is another than the first one's are left out."""
    stored = [found for row in rows if (found := arrays(str(row.get("id")), {figure.x, figure.value}))]
    if not stored:
        return None
    x = np.asarray(stored[0][figure.x], dtype=float)
    same = [found for found in stored if np.array_equal(np.asarray(found[figure.x], dtype=float), x)]
    values = np.stack([np.asarray(found[figure.value], dtype=float) for found in same])
    return Line(
        label=_named(figure, group),
        x=tuple(x.tolist()),
        y=tuple(np.median(values, axis=0).tolist()),
        low=tuple(values.min(axis=0).tolist()),
        high=tuple(values.max(axis=0).tolist()),
        colour=colour,
    )


def _panel(figure: SuiteFigure, group: Sequence[Any], rows: Sequence[Row], arrays: Arrays) -> Panel | None:
    for row in rows:
        if found := arrays(str(row.get("id")), {figure.x, figure.y, figure.value}):
            x, y, z = (np.asarray(found[name], dtype=float) for name in (figure.x, figure.y, figure.value))
            if z.shape == (len(y), len(x)) != (len(x), len(y)):
                z = z.T
            if z.shape != (len(x), len(y)):
                required = f"{figure.value} over {figure.x} and {figure.y}, ({len(x)}, {len(y)}) or the other way round"
                raise ServiceError(f"figure {figure.title}: required {required}, got {z.shape} of run {row.get('id')}")
            return Panel(label=_named(figure, group), x=x, y=y, z=z)
    return None
