"""Optimiser against strategy, with the same network, points and evaluations: whether a stronger optimiser does what a
curriculum does.
"""

from __future__ import annotations

from engine.api import Suite
from experiments.suites._pinn import OURS, SCALES, Params
from experiments.suites._study import study

BASE: Params = {**OURS, "optimizer.closures": 4000, "optimizer.target": 1e-8}
OPTIMISERS = ("adam", "lbfgs", "adam_lbfgs", "ssbfgs", "ssbroyden")


def at(scale: str) -> Suite:
    return study(
        key="optimisers",
        title="Optimiser and strategy",
        summary="Regular training and curriculum by Adam, L-BFGS, both, SSBFGS and SSBroyden",
        base=BASE,
        across={optimiser: {"optimizer": optimiser} for optimiser in OPTIMISERS},
        chosen=("regular", "curriculum"),
        column="by",
        words="float64, 4 x 20 tanh, 1000 Sobol points, at most 4000 evaluations",
        minutes={"smoke": 0.1, "quick": 12.0, "paper": 60.0},
        scale=scale,
    )


SUITE = tuple(map(at, SCALES))
