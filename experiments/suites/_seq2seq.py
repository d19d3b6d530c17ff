"""Training on all of time beside windows of it, over a coefficient: what Tab. 2, E.1 and E.2 of the paper share.

Each in two settings: the authors', and ours. Every window may take as many evaluations as the worst of them needs; most
take few. What was spent is in the tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.api import Published, Suite, SuiteFigure, SuiteTable
from experiments.suites._pinn import (
    AUTHORS,
    AUTHORS_WORDS,
    FIGURES,
    OURS,
    OURS_WORDS,
    SEEDS,
    SUCCEEDS,
    Params,
    runs,
    told,
)

FULL, SHORT, LONG = "full", "seq2seq Δt=0.05", "seq2seq Δt=0.1"
WINDOWS = {SHORT: 0.05, LONG: 0.1}
METHODS = (FULL, SHORT, LONG)


class Windows(NamedTuple):
    """target: the loss that ends a window. closures: evaluations that each may take. renewed: iterations between new
    points in one, or 0."""

    target: float
    closures: int
    renewed: int


AUTHORS_WINDOWS = Windows(target=0.0, closures=1500, renewed=0)
OUR_WINDOWS = Windows(target=1e-9, closures=5000, renewed=50)
"""Few windows take more than 1500 evaluations, but what one misses is in all that follow. A window of 0.05 has 50
points, and where they stay as they are the network met the equation there alone on one seed of three."""

Figures = Mapping[str, Mapping[float, tuple[float, ...]]]
"""{method: {coefficient: (relative L2 error, mean absolute error where there is one)}}, as published."""


def suite(
    *,
    key: str,
    title: str,
    summary: str,
    system: Params,
    coefficient: str,
    coefficients: Sequence[float],
    figures: Figures,
    published_in: str,
    closures: int,
    points: int = 1000,
    authors_windows: bool = True,
    minutes: float,
    scale: str,
) -> Suite:
    """closures: evaluations on all of time, in our setting. authors_windows: whether theirs has the windows too."""
    ours = {**OURS, "points": points, "optimizer.closures": closures}
    settings = {
        "authors": ({**AUTHORS, "points": points}, AUTHORS_WORDS, AUTHORS_WINDOWS),
        "ours": (ours, OURS_WORDS, OUR_WINDOWS),
    }
    made, tables, drawn = [], [], []
    for setting, (params, words, windows) in settings.items():
        methods = METHODS if setting == "ours" or authors_windows else (FULL,)
        for method in methods:
            chosen = {**params, **strategy(method, windows)}
            for value in coefficients:
                made += runs(
                    f"{setting}/{method}/{value:g}",
                    {**system, coefficient: value, **chosen},
                    SEEDS[scale],
                    {"method": method, "setting": setting},
                    tag=key,
                    smoke=scale == "smoke",
                )
        known = _published(figures, methods, coefficients)
        more = f"; {points} points in all" if points != 1000 else ""
        more += f"; all of time by at most {params['optimizer.closures']} evaluations"
        more += f"; windows share the collocation points and may take {windows.closures} evaluations each"
        more += f"; in them points are drawn anew every {windows.renewed} iterations" if windows.renewed else ""
        tables.append(
            SuiteTable(
                title=f"{title}: {words.partition(':')[0]}",
                runs=f"{setting}/",
                rows=(coefficient,),
                columns="method",
                values=FIGURES,
                threshold=SUCCEEDS,
                published=known,
                published_in=published_in,
                notes=told(f"{words}{more}", scale),
            )
        )
        drawn.append(
            SuiteFigure(
                title=f"{title}: {words.partition(':')[0]}",
                runs=f"{setting}/",
                x=coefficient,
                value="rel_l2",
                series=("method",),
                published=tuple(figure for figure in known if figure.value == "rel_l2"),
                notes=told(words, scale),
            )
        )
    return Suite(
        key=key,
        title=f"{title} ({published_in})",
        summary=summary,
        runs=tuple(made),
        tables=tuple(tables),
        figures=tuple(drawn),
        minutes=minutes,
        scale=scale,
    )


def strategy(method: str, windows: Windows) -> Params:
    if method == FULL:
        return {"strategy": "regular"}
    window = WINDOWS[method]
    return {
        "strategy": "seq2seq",
        "strategy.window": window,
        "strategy.target": windows.target,
        "strategy.closures": windows.closures,
        "optimizer.closures": round(windows.closures / window),
        "optimizer.target": windows.target,
        "resample_every": windows.renewed,
    }


def _published(figures: Figures, methods: Sequence[str], coefficients: Sequence[float]) -> tuple[Published, ...]:
    return tuple(
        Published(row=(value,), column=method, value=name, figure=figure)
        for method in methods
        for value, pair in figures.get(method, {}).items()
        if value in coefficients
        for name, figure in zip(("rel_l2", "abs_err"), pair, strict=False)
    )
