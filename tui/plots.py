"""From what runs report to what a chart shows: pure, arrays in, a `Plot` out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tui import palette, text
from tui.raster.spec import Axis, Plot, Rule, Series, Stage

if TYPE_CHECKING:
    import numpy as np

WORDS = {
    "loss": "loss",
    "loss_residual": "residual",
    "loss_initial": "initial",
    "loss_boundary": "boundary",
    "loss_data": "data",
    "rel_l2": "rel L2",
    "rel_l2_stage": "rel L2, stage",
    "validation_rel_l2": "rel L2, validation",
    "gradient_norm": "gradient norm",
}
"""What a legend calls a column; others by their names."""

STREAMING = "waiting for the first points"


class Curve(NamedTuple):
    """A run's stream, as far as it was read: columns {name: (points,)} and its label, colour and group."""

    run: str
    label: str
    colour: str
    columns: Mapping[str, np.ndarray]
    group: str = ""


def run_plot(
    columns: Mapping[str, np.ndarray],
    stages: Iterable[Mapping[str, Any]],
    quantities: Sequence[str],
    *,
    title: str = "",
    live: bool = False,
    waits: bool = False,
    x_title: str = "iteration",
) -> Plot:
    """Columns of one run over its steps, with its stages; quantities that it has not are left out.

    waits: the run has not begun, which is said where there is nothing to draw.
    """
    colours = palette.SERIES
    series = tuple(
        Series(WORDS.get(name, name), *_known(columns, name), colour=colours[i % len(colours)], key=name)
        for i, name in enumerate(quantities)
        if name in columns
    )
    return Plot(
        series=series,
        title=title,
        x=Axis(x_title, written_out=True),
        y=Axis(log=True),
        stages=stage_marks(stages),
        live=live,
        empty=STREAMING if live else "this run has not begun" if waits else "this run reported no points",
    )


def stage_marks(stages: Iterable[Mapping[str, Any]]) -> tuple[Stage, ...]:
    """Marks of stages, none where there is but one."""
    marks = tuple(Stage(float(stage["step"]), str(stage["name"])) for stage in stages)
    return marks if len(marks) > 1 else ()


def curves_plot(curves: Sequence[Curve], quantity: str, *, band: bool = False, live: bool = False) -> Plot:
    """The same quantity of several runs; `band`: runs of one group as their median and the range of all."""
    common, shown = _without_common([curve for curve in curves if quantity in curve.columns])
    if band:
        series = tuple(_band(members, quantity) for members in _groups(shown))
    else:
        first = {members[0].run for members in _groups(shown)}
        series = tuple(
            Series(
                curve.label,
                *_known(curve.columns, quantity),
                colour=curve.colour,
                key=curve.run,
                in_legend=curve.run in first,
            )
            for curve in shown
        )
    return Plot(
        series=series,
        title=f"{WORDS.get(quantity, quantity)}{common and f': {common}'}",
        x=Axis("iteration", written_out=True),
        y=Axis(log=True),
        live=live,
        empty=STREAMING if live else "no points yet",
    )


def _without_common(curves: Sequence[Curve]) -> tuple[str, list[Curve]]:
    """The words that all labels begin with, and the curves labelled by the others: a legend says what differs."""
    words = [curve.label.split() for curve in curves]
    if len({curve.label for curve in curves}) < 2:
        return "", list(curves)
    shared = 0
    while all(len(each) > shared + 1 for each in words) and len({each[shared] for each in words}) == 1:
        shared += 1
    rest = [" ".join(each[shared:]) for each in words]
    renamed = [curve._replace(label=label, group=label) for curve, label in zip(curves, rest, strict=True)]
    return " ".join(words[0][:shared]), renamed


def _known(columns: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """x and y of the points that have a value: a quantity reported now and then is one curve, not many dots."""
    import numpy as np

    values = columns[name]
    there = ~np.isnan(values)
    return (columns["step"], values) if there.all() else (columns["step"][there], values[there])


def _groups(curves: Iterable[Curve]) -> list[list[Curve]]:
    found: dict[str, list[Curve]] = {}
    for curve in curves:
        found.setdefault(curve.group or curve.run, []).append(curve)
    return list(found.values())


def _band(members: Sequence[Curve], quantity: str) -> Series:
    """Median and range over the runs of a group at common steps; one that has ended keeps its last value."""
    import numpy as np

    known = [_known(curve.columns, quantity) for curve in members]
    known = [(x, y) for x, y in known if len(x)]
    first = members[0]
    label = f"{first.group or first.label} ({len(members)})"
    if not known:
        return Series(label, np.empty(0), np.empty(0), colour=first.colour, key=first.run)
    end = max(x[-1] for x, _ in known)
    steps = np.linspace(min(x[0] for x, _ in known), end, 512)
    values = np.stack([np.interp(steps, x, y) for x, y in known])
    return Series(
        label,
        steps,
        np.median(values, axis=0),
        colour=first.colour,
        lo=values.min(axis=0),
        hi=values.max(axis=0),
        key=first.run,
    )


def solution_plot(arrays: Mapping[str, np.ndarray]) -> Plot:
    """A function of time: reference and prediction, (t,) each, and the observations (n, 2) that it was trained on."""
    shown = (("reference", palette.SKY), ("predicted", palette.ORANGE))
    series = [Series(name, arrays["t"], arrays[name], colour=colour) for name, colour in shown if name in arrays]
    if "observations" in arrays:
        t, u = arrays["observations"].T
        series.append(Series("observed", t, u, colour=palette.GREEN, kind="points"))
    return Plot(series=tuple(series), title="u(t)", x=Axis("t"))


def error_plot(arrays: Mapping[str, np.ndarray]) -> Plot:
    """The error of a function of time, (t,)."""
    return Plot(
        series=(Series("error", arrays["t"], arrays["error"], colour=palette.VERMILLION, in_legend=False),),
        title=" ".join(["error", relative_error(arrays)]).rstrip(),
        x=Axis("t"),
    )


def relative_error(arrays: Mapping[str, np.ndarray]) -> str:
    """The relative L2 error in words; empty without a reference that is not 0."""
    import numpy as np

    size = float(np.sqrt(np.mean(arrays["reference"] ** 2))) if "reference" in arrays else 0.0
    return f"rel L2 {text.number(float(np.sqrt(np.mean(arrays['error'] ** 2))) / size, digits=2)}" if size else ""


class Transfer(NamedTuple):
    """One operator run in the comparison: its mode, the number of examples it saw, and its error on the test set."""

    run: str
    mode: str
    samples: int
    error: float


MODES = {"finetune": ("fine-tuned", palette.SKY), "scratch": ("from scratch", palette.ORANGE)}


def transfer_plot(runs: Iterable[Transfer], *, live: bool = False, title: str = "") -> Plot:
    """Error against number of downstream examples, log-log, mean and range over seeds; zero-shot as a line."""
    import numpy as np

    known = [run for run in runs if run.error > 0]
    series = []
    for mode, (label, colour) in MODES.items():
        at: dict[int, list[float]] = {}
        for run in known:
            if run.mode == mode:
                at.setdefault(run.samples, []).append(run.error)
        if at:
            counts = sorted(at)
            series.append(
                Series(
                    label,
                    np.array(counts, dtype=float),
                    np.array([np.mean(at[n]) for n in counts]),
                    colour=colour,
                    kind="both",
                    lo=np.array([min(at[n]) for n in counts]),
                    hi=np.array([max(at[n]) for n in counts]),
                    key=mode,
                )
            )
    zero = [run.error for run in known if run.mode == "zeroshot"]
    rules = (Rule(float(np.mean(zero)), "zero-shot", palette.GREEN),) if zero else ()
    return Plot(
        series=tuple(series),
        title=title or "error against downstream examples",
        x=Axis("examples", log=True, written_out=True),
        y=Axis("rel L2", log=True),
        rules=rules,
        live=live,
        empty="no fine-tuned and scratch runs yet" if not live else "waiting for the first errors",
    )
