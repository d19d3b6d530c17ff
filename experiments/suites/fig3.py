"""Convection over the speed β, regular against curriculum: Fig. 3 with Tab. 1 of Krishnapriyan et al. 2021.

Regular training at the authors' setting fails from β = 20. In our setting both strategies have the same network, points
and optimiser, so that what differs is the curriculum.
"""

from __future__ import annotations

from engine.api import Suite, SuiteFigure, SuiteTable
from experiments.suites._pinn import (
    AUTHORS,
    AUTHORS_WORDS,
    FIGURES,
    OURS,
    OURS_WORDS,
    SCALES,
    SEEDS,
    SUCCEEDS,
    Params,
    published,
    runs,
    told,
)

BETAS = {
    "smoke": (1.0, 10.0),
    "quick": (1.0, 10.0, 20.0, 30.0, 40.0),
    "paper": (1.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0),
}
MINUTES = {"smoke": 0.1, "quick": 7.0, "paper": 40.0}

REGULAR = {1.0: 7.84e-3, 10.0: 1.08e-2, 20.0: 7.50e-1, 30.0: 8.97e-1, 40.0: 9.61e-1}
CURRICULUM = {20.0: 9.84e-3, 30.0: 2.02e-2, 40.0: 5.33e-2}
REGULAR_ABSOLUTE = {1.0: 3.17e-3, 10.0: 6.03e-3, 20.0: 4.32e-1, 30.0: 5.42e-1, 40.0: 5.82e-1}
CURRICULUM_ABSOLUTE = {20.0: 5.42e-3, 30.0: 1.10e-2, 40.0: 2.69e-2}

OUR_CAP: Params = {"optimizer.closures": 10_000}
STEPS: Params = {"strategy": "curriculum", "strategy.step": 5.0, "strategy.target": 1e-4, "strategy.closures": 1000}
METHODS: dict[str, Params] = {
    "regular (authors' setting)": {**AUTHORS, "strategy": "regular"},
    "regular": {**OURS, **OUR_CAP, "strategy": "regular"},
    "curriculum": {**OURS, **OUR_CAP, **STEPS},
}


def at(scale: str) -> Suite:
    setting = told(f"{AUTHORS_WORDS}; {OURS_WORDS}, at most 10000 evaluations, curriculum in steps of 5", scale)
    made = [
        run
        for method, params in METHODS.items()
        for beta in BETAS[scale]
        for run in runs(
            f"{method}/{beta:g}",
            {"system": "convection", "beta": beta, **params},
            SEEDS[scale],
            {"method": method},
            tag="fig3",
            smoke=scale == "smoke",
        )
    ]
    relative, absolute = (
        (
            *published(regular, "regular (authors' setting)", value),
            *published(regular, "regular", value),
            *published(curriculum, "curriculum", value),
        )
        for value, regular, curriculum in (
            ("rel_l2", REGULAR, CURRICULUM),
            ("abs_err", REGULAR_ABSOLUTE, CURRICULUM_ABSOLUTE),
        )
    )
    return Suite(
        key="fig3",
        title="Convection: regular against curriculum over β (Fig. 3, Tab. 1)",
        summary="Regular training fails as β rises; a curriculum over β does not",
        runs=tuple(made),
        tables=(
            SuiteTable(
                title="Convection, relative L2 error by β (Tab. 1)",
                runs="",
                rows=("beta",),
                columns="method",
                values=FIGURES,
                threshold=SUCCEEDS,
                published=(*relative, *absolute),
                published_in="Tab. 1",
                notes=told(
                    f"{AUTHORS_WORDS}; {OURS_WORDS}, at most 10000 evaluations, curriculum in steps of 5", scale
                ),
            ),
        ),
        figures=(
            SuiteFigure(
                title="Convection: error against β (Fig. 3)",
                runs="",
                x="beta",
                value="rel_l2",
                series=("method",),
                published=tuple(known for known in relative if known.column != "regular"),
                notes=setting,
            ),
            SuiteFigure(
                title="Convection: where in time the prediction is lost",
                kind="profiles",
                runs="curriculum/",
                x="t",
                value="rel_l2_t",
                series=("beta",),
            ),
            SuiteFigure(
                title="Convection, regular training in our setting: where in time the prediction is lost",
                kind="profiles",
                runs="regular/",
                x="t",
                value="rel_l2_t",
                series=("beta",),
            ),
        ),
        minutes=MINUTES[scale],
        scale=scale,
    )


SUITE = tuple(map(at, SCALES))
