"""A Drawing -> SVG and PNG, by matplotlib, which comes with the extra `figures` and is imported only here.

Colours are those of Okabe and Ito, which people of any colour vision tell apart; lines also differ in their markers.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from engine.errors import ServiceError

if TYPE_CHECKING:
    from engine.drawing import Drawing, Line

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
MARKERS = "osD^vPX*"
FORMATS = ("svg", "png")
ACROSS = 3
"""Panels in a row."""


def render(drawing: Drawing) -> dict[str, bytes]:
    """{"svg": ..., "png": ...}: the same drawing gives the same bytes. Raises ServiceError without matplotlib."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise ServiceError(
            "figures: required matplotlib, got none that is installed; pip install 'sciml-tui[figures]', or leave them "
            "out with --no-figures"
        ) from None
    with matplotlib.rc_context({"svg.hashsalt": "sciml-tui", "svg.fonttype": "none", "font.size": 9}):
        figure = _maps(Figure, drawing) if drawing.panels else _lines(Figure, drawing)
        return {format: _saved(figure, format) for format in FORMATS}


def _saved(figure: Any, format: str) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format=format, dpi=150, metadata={"Date": None} if format == "svg" else {})
    return out.getvalue()


def _lines(make: Any, drawing: Drawing) -> Any:
    figure = make(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for line in drawing.lines:
        _draw(axes, line, drawing.log_y)
    axes.set_xscale("log" if drawing.log_x else "linear")
    axes.set_yscale("log" if drawing.log_y else "linear")
    axes.set_xlabel(drawing.x_title)
    axes.set_ylabel(drawing.y_title)
    axes.set_title(drawing.title, fontsize=10)
    axes.grid(True, which="major", linewidth=0.4, alpha=0.5)
    if drawing.lines:  # below the axes, so that it hides nothing
        figure.legend(loc="outside lower center", ncols=2, fontsize=7, frameon=False)
    return figure


def _draw(axes: Any, line: Line, log: bool) -> None:
    colour, marker = COLOURS[line.colour % len(COLOURS)], MARKERS[line.colour % len(MARKERS)]
    if line.published:
        hollow = {"markerfacecolor": "none", "linestyle": ":", "linewidth": 1.0, "markersize": 7}
        axes.plot(line.x, line.y, color=colour, marker=marker, label=line.label, **hollow)
        return
    many = len(line.x) > 30
    axes.plot(line.x, line.y, color=colour, marker="" if many else marker, markersize=4, label=line.label)
    if line.low:
        low = [max(value, 1e-300) for value in line.low] if log else line.low
        axes.fill_between(line.x, low, line.high, color=colour, alpha=0.18, linewidth=0)
    if line.dots:
        x, y = zip(*line.dots, strict=True)
        axes.plot(x, y, color=colour, marker=".", markersize=3, linestyle="", alpha=0.6)


def _maps(make: Any, drawing: Drawing) -> Any:
    """Each panel by itself, on its own scale; logarithmic where asked for and all is above 0."""
    count = len(drawing.panels)
    across = min(ACROSS, count)
    down = math.ceil(count / across)
    figure = make(figsize=(3.4 * across, 3.0 * down + 0.4), layout="constrained")
    for i, panel in enumerate(drawing.panels):
        axes = figure.add_subplot(down, across, i + 1)
        norm = "log" if drawing.log_y and panel.z.min() > 0 else None
        mesh = axes.pcolormesh(panel.x, panel.y, panel.z.T, norm=norm, shading="nearest", rasterized=True)
        axes.set_title(panel.label, fontsize=9)
        axes.set_xlabel(drawing.x_title)
        axes.set_ylabel(drawing.y_title)
        figure.colorbar(mesh, ax=axes)
    figure.suptitle(drawing.title, fontsize=10)
    return figure
