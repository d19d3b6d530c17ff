"""What a network learns of a damped oscillator from a few observations of its beginning, from physics, and from both.

The illustration of the talks: data alone fits what it is shown and knows nothing beyond; the equation carries it on.
"""

from __future__ import annotations

from engine.api import Suite, SuiteFigure, SuiteTable
from experiments.suites._pinn import FIGURES, OURS, SCALES, SEEDS, SUCCEEDS, Params, runs

MINUTES = {"smoke": 0.1, "quick": 2.0, "paper": 6.0}
NOISE = (0.0, 0.1)

SYSTEM: Params = {
    **OURS,
    "system": "oscillator",
    "points": 100,
    "lambda": 1e-4,
    "optimizer.closures": 1000,
    "optimizer.target": 0.0,
}
OBSERVED: Params = {"data.points": 10, "data.until": 0.36}
METHODS: dict[str, Params] = {
    "data alone": {**OBSERVED, "physics": False},
    "physics alone": {},
    "physics, hard constraints": {"constraints": "hard"},
    "data and physics": OBSERVED,
}
WORDS = (
    "m = 1, μ = 4, k = 400; 10 observations in t <= 0.36, noise in parts of the solution's root mean square; "
    "SSBroyden, float64, 4 x 20 tanh, 100 Sobol points, λ = 1e-4, at most 1000 evaluations"
)


def at(scale: str) -> Suite:
    smoke = scale == "smoke"
    return Suite(
        key="oscillator",
        title="The damped oscillator: data alone, physics alone, and both",
        summary="Ten observations of the first third, with and without noise, beside the equation or without it",
        runs=tuple(
            run
            for noise in NOISE
            for method, more in METHODS.items()
            if not noise or "data.points" in more
            for run in runs(
                f"{method}/{noise:g}",
                {**SYSTEM, **more, "data.noise": noise},
                SEEDS[scale],
                {"method": method},
                tag="oscillator",
                smoke=smoke,
            )
        ),
        tables=(
            SuiteTable(
                title="Damped oscillator: what the loss asks for",
                runs="",
                rows=("method", "data.noise"),
                values=FIGURES,
                threshold=SUCCEEDS,
                notes=WORDS,
            ),
        ),
        figures=(
            SuiteFigure(
                title="Damped oscillator: the prediction over time",
                kind="profiles",
                runs="",
                x="t",
                value="predicted",
                series=("method", "data.noise"),
                log_y=False,
                statistic="median",
                notes=WORDS,
            ),
        ),
        minutes=MINUTES[scale],
        scale=scale,
    )


SUITE = tuple(map(at, SCALES))
