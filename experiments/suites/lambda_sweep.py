"""Regular training on convection at β = 30 over the weight λ of the residual: no weight repairs it.

Krishnapriyan et al. 2021, Sec. 4 and the appendix on λ.
"""

from __future__ import annotations

from engine.api import Suite, SuiteFigure, SuiteTable
from experiments.suites._pinn import AUTHORS, AUTHORS_WORDS, FIGURES, SCALES, SEEDS, SUCCEEDS, published, runs, told

PUBLISHED = {1e-6: 1.69, 1e-5: 1.65, 1e-3: 1.00, 1e-1: 1.08, 10.0: 0.982}
WEIGHTS = {"smoke": (1e-3, 10.0), "quick": tuple(PUBLISHED), "paper": (*tuple(PUBLISHED)[:-1], 1.0, 10.0, 100.0)}
MINUTES = {"smoke": 0.1, "quick": 4.0, "paper": 20.0}


def at(scale: str) -> Suite:
    known = published(PUBLISHED)
    return Suite(
        key="lambda_sweep",
        title="Convection at β = 30: the weight λ of the residual",
        summary="Regular training fails whatever the residual weighs",
        runs=tuple(
            run
            for weight in WEIGHTS[scale]
            for run in runs(
                f"{weight:g}",
                {"system": "convection", "beta": 30.0, **AUTHORS, "strategy": "regular", "lambda": weight},
                SEEDS[scale],
                {"method": "regular"},
                tag="lambda_sweep",
                smoke=scale == "smoke",
            )
        ),
        tables=(
            SuiteTable(
                title="Convection at β = 30, regular training by λ",
                runs="",
                rows=("lambda",),
                values=FIGURES,
                threshold=SUCCEEDS,
                published=known,
                notes=told(AUTHORS_WORDS, scale),
            ),
        ),
        figures=(
            SuiteFigure(
                title="Convection at β = 30: error against λ",
                runs="",
                x="lambda",
                value="rel_l2",
                log_x=True,
                series=("method",),
                published=published(PUBLISHED, "regular"),
                notes=told(AUTHORS_WORDS, scale),
            ),
        ),
        minutes=MINUTES[scale],
        scale=scale,
    )


SUITE = tuple(map(at, SCALES))
