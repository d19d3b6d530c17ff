"""Causal weighting: what happens later counts once what happens earlier is learnt.

Time is cut in slices, and the squared residual in slice i is weighed by

    w_i = exp(-ε Σ_{j<i} L_j),   L_j the mean square residual in slice j,

without a gradient through the weights. They are held for some iterations, so that within these one function is
minimised, by line searches too, and are then taken anew. ε rises from stage to stage; a stage ends when all weights are
near 1, the last one as the run does. Losses that are reported and judged by are without these weights.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from engine.api import Problem, Spec, lazy_import
from experiments.pinns.problem import System
from experiments.pinns.strategies import Stage, Stages, Strategy, Target, check_closures

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")


class Causality(msgspec.Struct, frozen=True, kw_only=True):
    """Weights of points by the residual before their slice of time. enough: the least weight with which a stage ends;
    none for one that does not end by it.
    """

    epsilon: float
    slices: int
    every: int
    enough: float | None

    def weights(self, points: np.ndarray, residual: np.ndarray, system: System) -> np.ndarray:
        """(n,), those of the first slice being 1; a slice without points adds nothing."""
        start, end = system.axes["t"]
        t = points[:, list(system.axes).index("t")]
        places = np.clip((self.slices * (t - start) / (end - start)).astype(int), 0, self.slices - 1)
        counts = np.bincount(places, minlength=self.slices)
        sums = np.bincount(places, weights=residual**2, minlength=self.slices)
        losses = sums / np.maximum(counts, 1)
        before = np.concatenate([[0.0], np.cumsum(losses)[:-1]])
        weights: np.ndarray = np.exp(-self.epsilon * before)[places]
        return weights

    def is_settled(self, weights: np.ndarray) -> bool:
        return self.enough is not None and float(weights.min()) >= self.enough


class Settings(Spec, frozen=True, kw_only=True):
    epsilon: Annotated[
        tuple[float, ...],
        Meta(
            min_length=1,
            description="Causality in every stage: how much a residual holds back what comes later",
            extra_json_schema={"x-symbol": "ε"},
        ),
    ] = (0.01, 0.1, 1.0, 10.0, 100.0)
    slices: Annotated[int, Meta(ge=2, le=10_000, description="Slices of time that are weighed")] = 32
    every: Annotated[int, Meta(ge=1, description="Iterations between two updates of the weights")] = 20
    enough: Annotated[float, Meta(gt=0, le=1, description="A stage before the last ends once no weight is smaller")] = (
        0.99
    )
    closures: Annotated[int, Meta(ge=1, description="Evaluations that each stage before the last may take")] = 500


def check(settings: Settings, target: Target) -> list[Problem]:
    given = settings.epsilon
    if given[0] < 0 or any(after <= before for before, after in pairwise(given)):
        written = ",".join(f"{value:g}" for value in given)
        return [Problem("strategy.epsilon", "numbers of at least 0 that rise from stage to stage", written)]
    return check_closures((len(given) - 1) * settings.closures, target)


def stages(settings: Settings, target: Target) -> Stages:
    for i, epsilon in enumerate(settings.epsilon):
        last = i == len(settings.epsilon) - 1
        yield Stage(
            name=f"ε={epsilon:g}",
            coefficients=target.coefficients,
            target=target.loss,
            closures=None if last else settings.closures,
            point_weights=Causality(
                epsilon=epsilon,
                slices=settings.slices,
                every=settings.every,
                enough=None if last else settings.enough,
            ),
        )


STRATEGY = Strategy(
    title="Causal weighting",
    summary="All of time at once, but later times weigh little until the residual at earlier ones is small",
    source="Wang, Sankaran and Perdikaris 2022 (arXiv:2203.07404)",
    settings=Settings,
    check=check,
    stages=stages,
)
