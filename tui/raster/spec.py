"""What to draw, as data: a `Plot` is the content, a `View` what the person at the keyboard made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tui.palette import ColourMap

if TYPE_CHECKING:
    import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Series:
    """A curve, or points with error bars.

    x, y: (n,) numbers; a curve has a gap wherever one of them is not finite (or not positive, on a log axis). x rises
    along a curve as a rule (other orders are drawn too, only slower).
    lo, hi: (n,) or None: the spread: a light band about a curve, error bars at points.
    key: whose curve it is (a run's id), for the legend to be asked about; colour: of `tui.palette`.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    colour: str
    kind: Literal["line", "points", "both"] = "line"
    lo: np.ndarray | None = None
    hi: np.ndarray | None = None
    key: str = ""
    in_legend: bool = True


@dataclass(frozen=True)
class Stage:
    """A stage that begins at `x`: a mark, with its label at the foot of the chart (`β=5`)."""

    x: float
    label: str = ""


@dataclass(frozen=True)
class Rule:
    """A horizontal line of reference: the zero-shot error."""

    y: float
    label: str
    colour: str


@dataclass(frozen=True)
class Axis:
    """An axis: its title with its unit; whether it is logarithmic.

    written_out: it counts, as iterations: powers of ten are written out (1,000), and no tick lies between two numbers.
    """

    title: str = ""
    log: bool = False
    written_out: bool = False


@dataclass(frozen=True, eq=False)
class Plot:
    """The content of a chart.

    live: more data will come: limits move in steps, so that nothing jumps. empty: what is said where there is nothing
    to draw; its first line is the message, the others say what to press.
    """

    series: tuple[Series, ...] = ()
    title: str = ""
    x: Axis = Axis(written_out=True)
    y: Axis = Axis()
    stages: tuple[Stage, ...] = ()
    shade_stages: bool = True
    rules: tuple[Rule, ...] = ()
    live: bool = False
    empty: str = "nothing to draw yet"


@dataclass(frozen=True)
class View:
    """What is looked at, and how. None leaves the choice to the data.

    smoothing: weight of the past in an exponential moving average, 0 (none) to below 1. crosshair: the x where values
    are read.
    """

    x_range: Range | None = None
    y_range: Range | None = None
    log_x: bool | None = None
    log_y: bool | None = None
    smoothing: float = 0.0
    crosshair: float | None = None


@dataclass(frozen=True, eq=False)
class ChartSpec:
    """Everything `render_chart` needs. previous: the automatic limits last drawn, which are kept while they still fit.

    tagged: a letter on each curve and in the legend, for where there is no colour.
    """

    plot: Plot
    width: int
    height: int
    view: View = field(default_factory=View)
    previous: tuple[Range, Range] | None = None
    tagged: bool = False


@dataclass(frozen=True, eq=False)
class Field:
    """A two-dimensional field: values (rows, columns), the first row at the bottom.

    limits: the range of the colours; None for the field's own (symmetrical about 0 for the diverging map). Fields to be
    compared are given the same (`heatmap.shared_limits`). note: at the right of the title, as `rel L2 1.5e-2`.
    """

    title: str
    values: np.ndarray
    colours: ColourMap = "viridis"
    limits: Range | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class HeatmapSpec:
    """Everything `render_heatmap` needs. plain: no colour to be had, so shades. depth: bits of a colour."""

    field: Field | None
    width: int
    height: int
    empty: str = "no fields yet"
    plain: bool = False
    depth: Literal[8, 24] = 24
