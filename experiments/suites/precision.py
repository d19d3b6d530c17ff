"""Precision against strategy: whether regular training fails in float64 as it does in float32.

The paper leaves it open; "FP64 is All You Need" (2025) says that precision alone decides.
"""

from __future__ import annotations

from engine.api import Suite
from experiments.suites._pinn import AUTHORS, SCALES, Params
from experiments.suites._study import study

BASE: Params = {
    **AUTHORS,
    "sampler": "sobol",
    "resample": "stage",
    "optimizer.history": 100,
    "optimizer.tolerance_gradient": 1e-9,
    "optimizer.tolerance_change": 1e-14,
    "optimizer.closures": 5000,
}


def at(scale: str) -> Suite:
    return study(
        key="precision",
        title="Precision and strategy",
        summary="Regular training, curriculum and windows of time in float32 and float64",
        base=BASE,
        across={dtype: {"dtype": dtype} for dtype in ("float32", "float64")},
        chosen=("regular", "curriculum", "seq2seq"),
        column="precision",
        words="L-BFGS, history 100, tolerances 1e-9, 1e-14, 4 x 50 tanh, 1000 Sobol points, at most 5000 evaluations",
        minutes={"smoke": 0.1, "quick": 12.0, "paper": 60.0},
        scale=scale,
    )


SUITE = tuple(map(at, SCALES))
