"""How far one gets: the figures that this project sets itself, on seeds that nothing was tuned on.

Convection over β, reaction over ρ, reaction-diffusion over ν, each by a curriculum with the same network and optimiser;
convection at β = 80 also in windows of time. Recipes were chosen on seeds below 103.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.api import Suite, SuiteFigure, SuiteRun, SuiteTable
from experiments.suites._pinn import FIGURES, FRESH, OURS, OURS_WORDS, SCALES, SUCCEEDS, Params, published, runs, told
from experiments.suites._seq2seq import OUR_WINDOWS, SHORT, strategy

MINUTES = {"smoke": 0.1, "quick": 23.0, "paper": 110.0}

CONVECTION: Params = {
    **OURS,
    "system": "convection",
    "strategy": "curriculum",
    "strategy.step": 5.0,
    "strategy.target": 1e-5,
    "strategy.closures": 2500,
    "optimizer.closures": 20_000,
    "optimizer.target": 1e-7,
}
FAR: Params = {**CONVECTION, "optimizer.closures": 50_000}
FARTHEST: Params = {**FAR, "points": 4000, "optimizer.target": 1e-9}
"""At β = 80 fewer points let a network meet the equation at all of them and be far from its solution."""
IN_WINDOWS: Params = {**OURS, "system": "convection", "points": 10_000, **strategy(SHORT, OUR_WINDOWS)}
"""As Tab. E.1 is run in our setting."""
LATER = 10
"""How far the seeds of windows are beyond the others: what a window may take was raised after those had been seen."""
REACTION: Params = {
    **OURS,
    "system": "reaction",
    "strategy": "curriculum",
    "strategy.step": 1.0,
    "strategy.target": 1e-5,
    "strategy.closures": 500,
    "optimizer.closures": 8000,
    "optimizer.target": 1e-10,
}
REACTION_DIFFUSION: Params = {
    **OURS,
    "system": "reaction_diffusion",
    "rho": 5.0,
    "strategy": "curriculum",
    "strategy.coefficient": "rho",
    "strategy.step": 1.0,
    "strategy.target": 1e-5,
    "strategy.closures": 500,
    "optimizer.closures": 4000,
    "optimizer.target": 1e-8,
}

NEAR_GOALS = {20.0: 9.84e-3, 30.0: 2.02e-2, 40.0: 5.33e-2}
FAR_GOALS = {50.0: 7.2e-3}
FARTHEST_GOALS = {80.0: 6.9e-4}
REACTION_GOALS = dict.fromkeys((5.0, 6.0, 7.0, 8.0, 9.0, 10.0), 1e-3)
REACTION_SUCCEEDS = 2e-2
DIFFUSION_GOALS = dict.fromkeys((2.0, 3.0, 4.0, 5.0, 6.0), 1e-2)
BEST = {"published_in": "published best", "statistic": "median"}
"""Of tables beside the best single figure that is known."""


def _table(title: str, group: str, x: str, goals: Mapping[float, float], notes: str, **other: Any) -> SuiteTable:
    settings = {"threshold": SUCCEEDS, "published_in": "goal", **other}
    return SuiteTable(
        title=title, runs=group, rows=(x,), values=FIGURES, published=published(goals), notes=notes, **settings
    )


def _figure(title: str, group: str, x: str, goals: Mapping[float, float]) -> SuiteFigure:
    return SuiteFigure(title=title, runs=group, x=x, value="rel_l2", published=published(goals), published_in="goal")


def at(scale: str) -> Suite:
    smoke = scale == "smoke"

    def group(name: str, params: Params, key: str, values: tuple[float, ...], later: int = 0) -> list[SuiteRun]:
        seeds = tuple(later + seed for seed in FRESH[scale])
        return [
            run
            for value in values[: 1 if smoke else None]
            for run in runs(f"{name}/{value:g}", {**params, key: value}, seeds, tag="reach", smoke=smoke)
        ]

    farthest = _table(
        "Convection by curriculum, as far as it goes",
        "farthest/",
        "beta",
        FARTHEST_GOALS,
        f"{OURS_WORDS}, but 4000 of them, at most 50000 evaluations, steps of 5; published: the best run of jaxpi's "
        "full recipe",
        **BEST,
    )
    return Suite(
        key="reach",
        title="How far one gets: convection, reaction, reaction-diffusion",
        summary="Errors by curriculum over β, ρ and ν beside the goals of this project, on fresh seeds",
        runs=(
            *group("convection", CONVECTION, "beta", tuple(NEAR_GOALS)),
            *group("far", FAR, "beta", tuple(FAR_GOALS)),
            *group("reaction", REACTION, "rho", tuple(REACTION_GOALS)),
            *group("diffusion", REACTION_DIFFUSION, "nu", tuple(DIFFUSION_GOALS)),
            *(group("farthest", FARTHEST, "beta", tuple(FARTHEST_GOALS)) if scale != "quick" else ()),
            *group("windows", IN_WINDOWS, "beta", tuple(FARTHEST_GOALS), LATER),
        ),
        tables=(
            _table(
                "Convection by curriculum over β",
                "convection/",
                "beta",
                NEAR_GOALS,
                told(f"{OURS_WORDS}, at most 20000 evaluations, steps of 5", scale),
                published_in="Tab. 1",
            ),
            _table(
                "Convection by curriculum, beyond the paper",
                "far/",
                "beta",
                FAR_GOALS,
                f"{OURS_WORDS}, at most 50000 evaluations, steps of 5; published: a plain PINN in float64 "
                "(FP64 is All You Need, 2025)",
                **BEST,
            ),
            _table(
                "Reaction by curriculum over ρ",
                "reaction/",
                "rho",
                REACTION_GOALS,
                told(f"{OURS_WORDS}, to a loss of 1e-10, at most 8000 evaluations, steps of 1", scale),
                threshold=REACTION_SUCCEEDS,
            ),
            _table(
                "Reaction-diffusion at ρ = 5 by curriculum over ρ",
                "diffusion/",
                "nu",
                DIFFUSION_GOALS,
                told(f"{OURS_WORDS}, at most 4000 evaluations, steps of 1", scale),
            ),
            *((farthest,) if scale != "quick" else ()),
            _table(
                "Convection in windows of time, as far as it goes",
                "windows/",
                "beta",
                FARTHEST_GOALS,
                f"{OURS_WORDS}, but 10000 of them, shared out to windows of 0.05 and drawn anew every "
                f"{OUR_WINDOWS.renewed} iterations; each window may take {OUR_WINDOWS.closures} evaluations",
                **BEST,
            ),
        ),
        figures=(
            _figure("Convection by curriculum over β", "convection/", "beta", NEAR_GOALS),
            _figure("Reaction by curriculum over ρ", "reaction/", "rho", REACTION_GOALS),
            _figure("Reaction-diffusion at ρ = 5 by curriculum over ρ", "diffusion/", "nu", DIFFUSION_GOALS),
        ),
        minutes=MINUTES[scale],
        scale=scale,
    )


SUITE = tuple(map(at, SCALES))
