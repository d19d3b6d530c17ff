"""Observations of the solution, with noise: what a network is trained on beside the equation, or in its place.

They are drawn from the run's seed once, of the system that the run is to solve: a stage at other coefficients is shown
the same, and a window of time those that lie in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from engine.api import Problem as Fault
from engine.api import Spec, lazy_import
from experiments.pinns.problem import Condition, Problem, System, grid_of
from experiments.pinns.samplers import latin_hypercube

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")


class Data(Spec, frozen=True, kw_only=True):
    """How many observations there are, how good they are, and how they weigh."""

    points: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Observations of the solution to train on, by a Latin hypercube")
    ] = 0
    noise: Annotated[
        float,
        Meta(
            ge=0,
            description="Standard deviation of their Gaussian noise, in parts of the solution's root mean square",
        ),
    ] = 0.0
    until: Annotated[
        float | None,
        Meta(description="They lie in the time up to here; none: in all of it", extra_json_schema={"x-unit": "time"}),
    ] = None
    weight: Annotated[float, Meta(gt=0, description="Weight of their mean square error in the loss")] = 1.0


class Observations(msgspec.Struct, frozen=True, kw_only=True):
    """points: (n, axes); values: (n,), u there with its noise."""

    points: np.ndarray
    values: np.ndarray

    @property
    def table(self) -> np.ndarray:
        """(n, axes + 1): where, and what."""
        return np.column_stack([self.points, self.values])

    def within(self, axes: Mapping[str, tuple[float, float]]) -> Observations:
        """Those that lie in this part of time."""
        low, high = axes["t"]
        t = self.points[:, -1]
        chosen = (low <= t) & (t <= high)
        return Observations(points=self.points[chosen], values=self.values[chosen])


def observe(system: System, coefficients: Any, data: Data, rng: np.random.Generator) -> Observations:
    """So many observations of the solution at these coefficients."""
    start, end = system.axes["t"]
    axes = {**system.axes, "t": (start, end if data.until is None else data.until)}
    points = latin_hypercube.SAMPLER.points(axes, data.points, rng)
    values = system.reference(coefficients, *points.T)
    if data.noise:
        size = np.sqrt(np.mean(grid_of(system).reference(system, coefficients) ** 2))
        values = values + data.noise * size * rng.standard_normal(len(values))
    return Observations(points=points, values=values)


def added(problem: Problem, observations: Observations, data: Data, *, physics: bool) -> Problem:
    """The problem with a term for the observations in its part of time. Without physics, nothing else has a weight."""
    weights = dict(problem.weights) if physics else dict.fromkeys(problem.weights, 0.0)
    seen = observations.within(problem.system.axes)
    conditions = problem.conditions
    if len(seen.points):
        condition = Condition(term="data", derivative="u", points=seen.points, target=seen.values)
        conditions, weights["data"] = (*conditions, condition), data.weight
    return msgspec.structs.replace(problem, conditions=conditions, weights=weights)


def check(data: Data, system: System, *, physics: bool) -> list[Fault]:
    start, end = system.axes["t"]
    found = []
    if not physics and not data.points:
        found.append(Fault("physics", "true, or observations to train on", "false", "set data.points"))
    if data.until is not None and not start < data.until <= end:
        found.append(Fault("data.until", f"a time above {start:g} and up to {end:g}", f"{data.until:g}"))
    return found
