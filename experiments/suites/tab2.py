"""Reaction-diffusion at ρ = 5 over the diffusivity ν, all of time against windows of it: Tab. 2 of Krishnapriyan et al.
2021.
"""

from __future__ import annotations

from engine.api import Suite
from experiments.suites._pinn import SCALES
from experiments.suites._seq2seq import FULL, LONG, SHORT, suite

NUS = {"smoke": (2.0,), "quick": (2.0, 3.0, 4.0, 5.0, 6.0), "paper": (2.0, 3.0, 4.0, 5.0, 6.0)}
MINUTES = {"smoke": 0.1, "quick": 10.0, "paper": 100.0}

PUBLISHED = {
    FULL: {
        2.0: (5.07e-1, 2.70e-1),
        3.0: (7.98e-1, 4.79e-1),
        4.0: (8.84e-1, 5.74e-1),
        5.0: (9.35e-1, 6.46e-1),
        6.0: (9.60e-1, 6.84e-1),
    },
    SHORT: {
        2.0: (2.04e-2, 1.06e-2),
        3.0: (1.92e-2, 1.01e-2),
        4.0: (2.37e-2, 1.15e-2),
        5.0: (2.36e-2, 1.09e-2),
        6.0: (2.81e-2, 1.17e-2),
    },
    LONG: {
        2.0: (1.18e-2, 6.41e-3),
        3.0: (1.56e-2, 8.17e-3),
        4.0: (1.59e-2, 8.01e-3),
        5.0: (2.39e-2, 1.15e-2),
        6.0: (2.69e-2, 1.28e-2),
    },
}


def at(scale: str) -> Suite:
    return suite(
        key="tab2",
        title="Reaction-diffusion, ρ = 5",
        summary="Training on all of time fails; window after window does not",
        system={"system": "reaction_diffusion", "rho": 5.0},
        coefficient="nu",
        coefficients=NUS[scale],
        figures=PUBLISHED,
        published_in="Tab. 2",
        closures=3000,
        authors_windows=scale != "quick",
        minutes=MINUTES[scale],
        scale=scale,
    )


SUITE = tuple(map(at, SCALES))
