"""The loss around trained networks, along the two dominant eigenvectors of its Hessian.

As the landscapes of Krishnapriyan et al. 2021 (both axes from -1 to 1): regular training over β, over the weight λ at
β = 30, and regular training beside a curriculum at β = 30.
"""

from __future__ import annotations

from engine.api import Suite, SuiteFigure, SuiteTable
from experiments.suites._pinn import AUTHORS, AUTHORS_WORDS, OURS, OURS_WORDS, SCALES, SUCCEEDS, Params, runs, told

BETAS = {"smoke": (1.0,), "quick": (1.0, 10.0, 30.0), "paper": (1.0, 10.0, 20.0, 30.0, 40.0)}
WEIGHTS = {"smoke": (10.0,), "quick": (1e-3, 10.0), "paper": (1e-6, 1e-5, 1e-3, 1e-1, 10.0)}
SEEDS = {"smoke": (0,), "quick": (0,), "paper": tuple(range(10))}
RESOLUTION = {"smoke": 3, "quick": 31, "paper": 51}
MINUTES = {"smoke": 0.1, "quick": 6.0, "paper": 90.0}

CURRICULUM: Params = {
    "strategy": "curriculum",
    "strategy.step": 5.0,
    "strategy.target": 1e-5,
    "strategy.closures": 1000,
}


def at(scale: str) -> Suite:
    looks: Params = {"diagnosis": ["spectrum", "landscape"], "diagnosis.resolution": RESOLUTION[scale]}
    theirs: Params = {"system": "convection", **AUTHORS, "strategy": "regular", **looks}
    ours: Params = {"system": "convection", "beta": 30.0, **OURS, "optimizer.closures": 10_000, **looks}
    groups: dict[str, Params] = {
        **{f"beta/{beta:g}": {**theirs, "beta": beta} for beta in BETAS[scale]},
        **{f"lambda/{weight:g}": {**theirs, "beta": 30.0, "lambda": weight} for weight in WEIGHTS[scale]},
        "strategy/regular": {**ours, "strategy": "regular"},
        "strategy/curriculum": {**ours, **CURRICULUM},
    }
    kinds = {
        "beta": ("over β, regular training", AUTHORS_WORDS),
        "lambda": ("over the weight λ at β = 30, regular training", AUTHORS_WORDS),
        "strategy": ("regular and curriculum at β = 30", f"{OURS_WORDS}, at most 10000 evaluations"),
    }
    return Suite(
        key="landscapes",
        title="Convection: the loss around trained networks",
        summary="The loss along its two sharpest directions, where training fails and where it does not",
        runs=tuple(
            run
            for group, params in groups.items()
            for run in runs(group, params, SEEDS[scale], tag="landscapes", smoke=scale == "smoke")
        ),
        tables=tuple(
            SuiteTable(
                title=f"Convection {words}: largest eigenvalues of the Hessian of the loss",
                runs=f"{kind}/",
                rows=(kind,),
                values=("rel_l2", "loss", "hessian_1", "hessian_2", "closures"),
                threshold=SUCCEEDS,
                notes=told(setting, scale),
            )
            for kind, (words, setting) in kinds.items()
        ),
        figures=tuple(
            SuiteFigure(
                title=f"Convection {words}: the loss along the two dominant directions",
                kind="maps",
                runs=f"{kind}/",
                x="direction_1",
                y="direction_2",
                value="landscape",
                series=(kind,),
                notes=told(setting, scale),
            )
            for kind, (words, setting) in kinds.items()
        ),
        minutes=MINUTES[scale],
        scale=scale,
    )


SUITE = tuple(map(at, SCALES))
