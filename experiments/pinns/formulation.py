"""What a stage minimises: its problem posed on points, and weights that may change while it trains.

Collocation points are drawn anew, weights of points and of terms renewed, only between iterations: within one, the
function is the same at every evaluation. It is evaluated anew at the iterate when it has changed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api import lazy_import
from experiments.pinns import observations
from experiments.pinns.configuration import Configuration
from experiments.pinns.network import Network, residuals
from experiments.pinns.objective import Objective, moved, objective
from experiments.pinns.observations import Observations
from experiments.pinns.optimizers import Evaluation
from experiments.pinns.problem import Problem, System, pose
from experiments.pinns.seeds import BATCHES, FRESH_POINTS, TRAINING_POINTS, Seeds
from experiments.pinns.strategies import Stage

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    np = lazy_import("numpy")


class Formulation:
    """function: what is minimised. posed: its problem by the weights of the settings, by which a run is judged."""

    posed: Problem
    function: Objective

    def __init__(self, job: Configuration, seeds: Seeds, observed: Observations) -> None:
        self._job, self._seeds, self._observed = job, seeds, observed
        self._network: Network
        self._stage: Stage
        self._system: System
        self._number = 0
        self._points: np.ndarray | None = None
        self._point_weights: np.ndarray | None = None
        self._ahead: tuple[int, np.ndarray] | None = None
        """Weights of points that were found at an iteration and are not in use yet."""
        self._factors: dict[str, float] = {}
        """Of the terms' weights, by the balancing."""
        self._epoch: tuple[int, list[np.ndarray]] | None = None
        self._batches: dict[int, Objective] = {}
        """The last function of a batch, by the number of its points."""

    # A stage

    def enter(self, network: Network, stage: Stage, system: System, number: int) -> None:
        """From here on it is about the stage of this number, which trains this network on this part of the system."""
        self._network, self._stage, self._system, self._number = network, stage, system, number
        self._ahead = self._epoch = None

    def begin(self, flat: torch.Tensor, *, is_trained: bool) -> None:
        """At the start of the stage, from these parameters."""
        self._points = self._draw(flat if is_trained else None, 0)
        self._point_weights = self._weights_of_points(flat)
        self._build()

    def resume(self) -> None:
        """In the middle of the stage, after `restore`."""
        if self._points is None:
            self._points = self._draw(None, 0)
        self._build()

    def _build(self) -> None:
        assert self._points is not None
        self.posed = self._pose(self._stage, self._system, self._points)
        self._weighted = msgspec.structs.replace(
            self.posed,
            weights={term: weight * self._factors.get(term, 1.0) for term, weight in self.posed.weights.items()},
            point_weights=self._point_weights,
        )
        self.function = objective(self._network, self._weighted)
        self._batches = {}

    def minimised_by(self, network: Network) -> Objective:
        """The function as it stands, of a network in another precision."""
        return objective(network, self._weighted)

    # Changes within it

    def cost(self, iteration: int) -> int:
        """Evaluations that it takes to renew what is due after this iteration of the stage; 0 where nothing is."""
        terms = len(self.posed.terms) if self.is_balanced(iteration) else 0
        return terms + 1 if terms or self._is_drawn(iteration) or self._is_weighted(iteration) else 0

    def renew(self, iteration: int, flat: torch.Tensor) -> None:
        """Points and their weights, where they are due."""
        if self._is_drawn(iteration):
            self._points, self._ahead = self._draw(flat, iteration // self._job.points.resample_every), None
        if self._stage.point_weights:
            known = self._ahead and self._ahead[0] == iteration
            self._point_weights = self._ahead[1] if self._ahead and known else self._weights_of_points(flat)
        self._build()

    def is_settled(self, iteration: int, flat: torch.Tensor) -> bool:
        """Whether the weights of points are what they are to become, which ends the stage."""
        weighting = self._stage.point_weights
        if weighting is None or not self._is_weighted(iteration):
            return False
        weights = self._weights_of_points(flat)
        assert weights is not None
        self._ahead = iteration, weights
        return weighting.is_settled(weights)

    def is_balanced(self, iteration: int) -> bool:
        """Whether the terms are due to be weighed anew; at the start of a stage they are, if ever."""
        every = self._job.balancing.every(self._job.balancing_settings)
        return every > 0 and iteration % every == 0

    def alone(self) -> dict[str, Objective]:
        """Each term of the loss as a function of its own, by the weights of the settings."""
        posed = msgspec.structs.replace(self.posed, point_weights=self._point_weights)
        return {term: objective(self._network, posed.alone(term)) for term in posed.terms}

    def balance(self, alone: Mapping[str, Evaluation]) -> None:
        """New weights of the terms, from the evaluation of each alone."""
        factors = {term: self._factors.get(term, 1.0) for term in alone}
        self._factors = self._job.balancing.balance(self._job.balancing_settings, factors, alone)
        self._build()

    def _is_drawn(self, iteration: int) -> bool:
        every = self._job.points.resample_every
        return every > 0 and iteration % every == 0

    def _is_weighted(self, iteration: int) -> bool:
        weighting = self._stage.point_weights
        return weighting is not None and iteration % weighting.every == 0

    @property
    def weights(self) -> dict[str, float]:
        """Those that change while it trains, as figures: of terms, and the least of the points."""
        found = {f"weight_{term}": self._weighted.weights[term] for term in self._factors}
        if self._point_weights is not None:
            found["weight_point_min"] = float(self._point_weights.min())
        return found

    # Batches

    @property
    def batch(self) -> int:
        """Collocation points of an evaluation that the optimiser asks for, at most; 0: all."""
        assert self._points is not None
        batch = self._job.optimizer.batch(self._job.optimizer_settings)
        return batch if batch < len(self._points) else 0

    def evaluated(self, number: int) -> Objective:
        """What the stage's evaluation of this number is of: the whole function, or a batch of its points.

        Batches go through all points in an order of chance, then through them in another one.
        """
        if not self.batch:
            return self.function
        count = len(self._weighted.collocation)
        epoch, place = divmod(number, math.ceil(count / self.batch))
        if self._epoch is None or self._epoch[0] != epoch:
            order = self._seeds.generator(BATCHES, self._number, epoch).permutation(count)
            self._epoch = epoch, np.array_split(order, math.ceil(count / self.batch))
        part = self._weighted.part(self._epoch[1][place])
        size = len(part.collocation)
        self._batches[size] = moved(self._batches.get(size), self._network, part)
        return self._batches[size]

    # Points

    def _draw(self, flat: torch.Tensor | None, redraw: int) -> np.ndarray:
        """Points of the stage, or of the whole run if they never change; by the residual of what is trained so far."""
        number = self._number if self._job.points.resample == "stage" else 0
        numbers = (number, redraw) if redraw else (number,)
        rng, count = self._seeds.generator(TRAINING_POINTS, *numbers), self._count(self._system)

        def residual(points: np.ndarray) -> np.ndarray:
            assert flat is not None
            return self._residuals(flat, points)

        sampler, settings = self._job.sampler, self._job.sampler_settings
        return sampler.points(self._system.axes, count, rng, settings, None if flat is None else residual)

    def _weights_of_points(self, flat: torch.Tensor) -> np.ndarray | None:
        if self._stage.point_weights is None:
            return None
        assert self._points is not None
        return self._stage.point_weights.weights(self._points, self._residuals(flat, self._points), self._system)

    def _residuals(self, flat: torch.Tensor, points: np.ndarray) -> np.ndarray:
        return residuals(self._network, self._system, self._stage.coefficients, flat, points)

    def _share(self, system: System) -> float:
        """The part of all time that the system is over."""
        (start, end), (first, last) = system.axes["t"], self._job.system.axes["t"]
        return (end - start) / (last - first)

    def _count(self, system: System) -> int:
        return max(1, round(self._job.points.points * self._share(system)))

    def _pose(self, stage: Stage, system: System, collocation: np.ndarray) -> Problem:
        """A window of time gets its share of the collocation points, and all points of the conditions: between a few
        of them at the ends of x the solution is free, and what strays there is carried into all that follows."""
        points = self._job.points
        problem = pose(
            system,
            stage.coefficients,
            collocation,
            n_initial=points.n_initial,
            n_boundary=points.n_boundary,
            residual_weight=points.residual_weight,
            initial_weight=points.weight_initial,
            boundary_weight=points.weight_boundary,
            hard=self._job.is_hard,
        )
        return observations.added(problem, self._observed, self._job.data, physics=points.physics)

    def fresh(self, stage: Stage, system: System, number: int) -> Objective:
        """The problem of a stage on points that it is not trained on, spread as without knowledge of the residual."""
        rng = self._seeds.generator(FRESH_POINTS, number)
        points = self._job.sampler.points(system.axes, self._count(system), rng)
        return objective(self._network, self._pose(stage, system, points))

    def loss(self, terms: Mapping[str, float]) -> float:
        """By the weights of the settings."""
        return self.posed.loss(terms)

    # State

    def state(self) -> dict[str, Any]:
        """All that does not follow from the seed and the stage."""
        followed = self._job.points.resample_every or self._job.sampler.adapt
        return {
            "points": self._points if followed else None,
            "point_weights": self._point_weights,
            "factors": dict(self._factors),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._points, self._point_weights = state["points"], state["point_weights"]
        self._factors = dict(state["factors"])
