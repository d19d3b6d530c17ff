"""Burgers' equation, Allen-Cahn and the wave equation: each by the recipe that was found for it.

What else was tried, and how it went, is in docs/results/recipes-systems.md.
"""

from __future__ import annotations

import math

from engine.api import Published, Suite, SuiteFigure, SuiteRun, SuiteTable
from experiments.suites._pinn import FIGURES, FRESH, OURS, SCALES, SUCCEEDS, Params, runs

MINUTES = {"smoke": 0.1, "quick": 5.0, "paper": 17.0}

SHARED: Params = {**OURS, "optimizer.target": 0.0}
BURGERS: Params = {
    **SHARED,
    "system": "burgers",
    "nu": 0.01 / math.pi,
    "strategy": "curriculum",
    "strategy.values": [0.03, 0.01, 0.01 / math.pi],
    "strategy.target": 1e-6,
    "strategy.closures": 400,
    "sampler": "rad",
    "resample_every": 100,
    "points": 2000,
    "optimizer.closures": 4000,
}
ALLEN_CAHN: Params = {
    **SHARED,
    "system": "allen_cahn",
    "nu": 1e-4,
    "rho": 5.0,
    "strategy": "seq2seq",
    "strategy.window": 0.2,
    "strategy.target": 1e-8,
    "strategy.closures": 1000,
    "embedding": "periodic",
    "constraints": "hard",
    "points": 10_000,
    "optimizer.closures": 5000,
}
WAVE: Params = {
    **SHARED,
    "system": "wave",
    "beta": 5.0,
    "embedding": "scaled",
    "constraints": "hard",
    "points": 4000,
    "optimizer.closures": 6000,
}
RECIPES: dict[str, tuple[Params, str]] = {
    "burgers": (BURGERS, "curriculum over ν = 0.03, 0.01, 0.01/π; 2000 points drawn anew by the residual"),
    "allen_cahn": (ALLEN_CAHN, "windows of 0.2; hard constraints; 2000 points a window"),
    "wave": (WAVE, "hard constraints, scaled axes, 4000 points"),
}
GOALS = {"burgers": 5e-4, "allen_cahn": 1e-3, "wave": 1.27e-2}
"""Of this project; of the wave the best of Rathore et al. 2024."""


def at(scale: str) -> Suite:
    def group(system: str) -> list[SuiteRun]:
        params, _ = RECIPES[system]
        return runs(system, params, FRESH[scale], tag="systems", smoke=scale == "smoke")

    words = "; ".join(f"{system}: {words}" for system, (_, words) in RECIPES.items())
    return Suite(
        key="systems",
        title="Burgers, Allen-Cahn and wave, each by its recipe",
        summary="Errors of the three systems beside the goals of this project",
        runs=tuple(run for system in RECIPES for run in group(system)),
        tables=(
            SuiteTable(
                title="Burgers (ν = 0.01/π), Allen-Cahn (ν = 1e-4, ρ = 5), wave (β = 5)",
                runs="",
                rows=("system",),
                values=FIGURES,
                threshold=SUCCEEDS,
                published=tuple(Published(row=(system,), figure=goal) for system, goal in GOALS.items()),
                published_in="goal",
                notes=f"SSBroyden, float64, 4 x 20 tanh. {words}",
            ),
        ),
        figures=tuple(
            SuiteFigure(
                title=f"{system}: error over x and t",
                kind="maps",
                runs=f"{system}/",
                x="t",
                y="x",
                value="error",
                series=("system",),
            )
            for system in RECIPES
        ),
        minutes=MINUTES[scale],
        scale=scale,
    )


SUITE = tuple(map(at, SCALES))
