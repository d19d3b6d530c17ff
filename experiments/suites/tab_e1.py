"""Convection at β = 30 and 40 with 10,000 points, all of time against windows of it: Tab. E.1 of Krishnapriyan et al.
2021.
"""

from __future__ import annotations

from engine.api import Suite
from experiments.suites._pinn import SCALES
from experiments.suites._seq2seq import FULL, LONG, SHORT, suite

BETAS = {"smoke": (30.0,), "quick": (30.0,), "paper": (30.0, 40.0)}
MINUTES = {"smoke": 0.1, "quick": 8.0, "paper": 300.0}

PUBLISHED = {
    FULL: {30.0: (7.38e-1,), 40.0: (8.25e-1,)},
    SHORT: {30.0: (2.13e-1,), 40.0: (4.58e-1,)},
    LONG: {30.0: (1.05e-1,), 40.0: (2.41e-1,)},
}


def at(scale: str) -> Suite:
    return suite(
        key="tab_e1",
        title="Convection in windows of time",
        summary="Windows of time help where training on all of it fails; the errors of the windows add up",
        system={"system": "convection"},
        coefficient="beta",
        coefficients=BETAS[scale],
        figures=PUBLISHED,
        published_in="Tab. E.1",
        closures=6000,
        points=10_000,
        authors_windows=scale != "quick",
        minutes=MINUTES[scale],
        scale=scale,
    )


SUITE = tuple(map(at, SCALES))
