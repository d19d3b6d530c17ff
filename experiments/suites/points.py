"""Collocation points against optimiser: with few points a strong optimiser finds what meets the equation at them and
nothing between.
"""

from __future__ import annotations

from itertools import product

from engine.api import Suite, SuiteFigure, SuiteTable
from experiments.suites._pinn import FIGURES, OURS, SCALES, SEEDS, SUCCEEDS, Params, runs, told
from experiments.suites._study import PROBLEMS, strategies

CLOSURES = 3000
BASE: Params = {
    **OURS,
    "sampler": "random",
    "resample": "never",
    "optimizer.closures": CLOSURES,
    "optimizer.target": 1e-9,
}
OPTIMISERS = ("lbfgs", "ssbfgs", "ssbroyden")
POINTS = {"smoke": (20, 40), "quick": (100, 300, 1000), "paper": (100, 300, 1000, 3000)}
MINUTES = {"smoke": 0.1, "quick": 10.0, "paper": 90.0}


def at(scale: str) -> Suite:
    smoke = scale == "smoke"
    problems = dict(list(PROBLEMS.items())[: 1 if smoke else 2 if scale == "quick" else None])
    made = []
    for (name, problem), points, optimiser in product(problems.items(), POINTS[scale], OPTIMISERS):
        chosen: Params = {**problem, **BASE, **strategies(problem["system"], CLOSURES)["curriculum"]}
        for run in runs(
            f"{name}/{points}/{optimiser}",
            {**chosen, "optimizer": optimiser},
            SEEDS[scale],
            tag="points",
            smoke=smoke,
        ):
            run.spec.params["points"] = points
            made.append(run)
    return Suite(
        key="points",
        title="Points and optimiser",
        summary="Curricula by L-BFGS, SSBFGS and SSBroyden on few and on many random points",
        runs=tuple(made),
        tables=tuple(
            SuiteTable(
                title=f"Points and optimiser: {name} by curriculum",
                runs=f"{name}/",
                rows=("points",),
                columns="optimizer",
                values=FIGURES,
                threshold=SUCCEEDS,
                notes=told(
                    f"float64, 4 x 20 tanh, the same random points throughout, at most {CLOSURES} evaluations", scale
                ),
            )
            for name in problems
        ),
        figures=tuple(
            SuiteFigure(
                title=f"Error against points: {name} by curriculum",
                runs=f"{name}/",
                x="points",
                value=value,
                series=("optimizer",),
                log_x=True,
                statistic="median",
            )
            for name in problems
            for value in ("rel_l2", "fresh_residual")
        ),
        minutes=MINUTES[scale],
        scale=scale,
    )


SUITE = tuple(map(at, SCALES))
