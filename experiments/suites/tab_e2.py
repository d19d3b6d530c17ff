"""Reaction over the rate ρ, all of time against windows of it: Tab. E.2 of Krishnapriyan et al. 2021."""

from __future__ import annotations

from engine.api import Suite
from experiments.suites._pinn import SCALES
from experiments.suites._seq2seq import FULL, LONG, SHORT, suite

RHOS = {"smoke": (5.0,), "quick": (5.0, 6.0, 7.0, 8.0, 9.0, 10.0), "paper": (5.0, 6.0, 7.0, 8.0, 9.0, 10.0)}
MINUTES = {"smoke": 0.1, "quick": 10.0, "paper": 90.0}

PUBLISHED = {
    FULL: {
        5.0: (0.979, 0.540),
        6.0: (0.988, 0.588),
        7.0: (0.992, 0.631),
        8.0: (0.994, 0.669),
        9.0: (0.995, 0.702),
        10.0: (0.996, 0.731),
    },
    SHORT: {
        5.0: (7.06e-2, 2.52e-2),
        6.0: (8.25e-2, 3.02e-2),
        7.0: (8.16e-2, 3.03e-2),
        8.0: (8.19e-2, 3.10e-2),
        9.0: (7.02e-2, 2.83e-2),
        10.0: (6.88e-2, 2.85e-2),
    },
    LONG: {
        5.0: (7.09e-2, 2.39e-2),
        6.0: (7.78e-2, 2.65e-2),
        7.0: (7.56e-2, 2.69e-2),
        8.0: (7.44e-2, 2.73e-2),
        9.0: (8.63e-2, 3.21e-2),
        10.0: (7.47e-2, 2.85e-2),
    },
}


def at(scale: str) -> Suite:
    return suite(
        key="tab_e2",
        title="Reaction",
        summary="Training on all of time fails; window after window does not",
        system={"system": "reaction"},
        coefficient="rho",
        coefficients=RHOS[scale],
        figures=PUBLISHED,
        published_in="Tab. E.2",
        closures=3000,
        authors_windows=scale != "quick",
        minutes=MINUTES[scale],
        scale=scale,
    )


SUITE = tuple(map(at, SCALES))
