"""What quasi-Newton methods share: settings, the iteration around a line search, tolerances."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from engine.api import Spec
from experiments.pinns.optimizers import Steps, Stop
from experiments.pinns.optimizers._iterate import Iterate
from experiments.pinns.optimizers._line_search import MOST, Trial, strong_wolfe

if TYPE_CHECKING:
    import torch


class QuasiNewton(Spec, frozen=True, kw_only=True):
    learning_rate: Annotated[
        float, Meta(gt=0, le=10, description="First step that each line search tries along the direction")
    ] = 1.0
    tolerance_gradient: Annotated[
        float, Meta(ge=0, description="A stage ends once no component of the gradient is larger")
    ] = 1e-9
    tolerance_change: Annotated[
        float, Meta(ge=0, description="A stage ends once the loss, or every parameter, changes by less in a step")
    ] = 1e-14


class Descent(Iterate):
    """A quasi-Newton iteration: a direction, a line search along it, and what was learnt of the curvature.

    A method gives `_direction` (the first one being steepest descent), `_learn` and `_forget`.
    """

    def __init__(self, settings: QuasiNewton) -> None:
        self._settings = settings
        self._fresh = True
        """Nothing is known of the curvature: the next step is of unit length, by the 1-norm, at most."""

    def begin(self, x: torch.Tensor) -> Steps[None]:
        yield from super().begin(x)
        self._moved()

    def iterate(self, budget: int) -> Steps[Stop | None]:
        settings, start = self._settings, self.at
        if not math.isfinite(start.loss):
            return Stop.NOT_FINITE
        if float(start.gradient.abs().max()) <= settings.tolerance_gradient:
            return Stop.GRADIENT
        direction = self._direction()
        slope = float(start.gradient.dot(direction))
        if slope > -settings.tolerance_change:
            return self._stuck(Stop.CHANGE)
        step = settings.learning_rate
        if self._fresh:
            step *= min(1.0, 1.0 / float(start.gradient.abs().sum()))
        found = yield from strong_wolfe(
            self.x, direction, Trial(0.0, start, slope), step, budget, settings.tolerance_change
        )
        if not math.isfinite(found.loss) and budget >= MOST:
            return Stop.NOT_FINITE
        if found.step == 0 or not math.isfinite(found.loss):
            return self._stuck(Stop.LINE_SEARCH)
        self.x, self.at = self.x.add(direction, alpha=found.step), found.at
        blind, self._fresh = self._fresh, False
        self._learn(direction.mul(found.step), self.at.gradient.sub(start.gradient), -(found.step**2) * slope)
        if float(self.at.gradient.abs().max()) <= settings.tolerance_gradient:
            return Stop.GRADIENT
        moved, gained = float(direction.abs().max()) * found.step, abs(found.loss - start.loss)
        if moved > settings.tolerance_change and gained >= settings.tolerance_change:
            return None
        return Stop.CHANGE if blind else self._stuck(Stop.CHANGE)

    def _stuck(self, why: Stop) -> Stop | None:
        """No progress along this direction, or hardly any."""
        return why

    def _moved(self) -> None:
        """The gradient is of another function than that of the last iteration."""

    def _direction(self) -> torch.Tensor:
        raise NotImplementedError

    def _learn(self, s: torch.Tensor, y: torch.Tensor, expected: float) -> None:
        """s: the step taken. y: the change of the gradient. expected: sᵀH⁻¹s, what the method took sᵀy to be."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        return {**super().state(), "fresh": self._fresh}

    def restore(self, state: Mapping[str, Any], like: torch.Tensor) -> None:
        super().restore(state, like)
        self._fresh = bool(state["fresh"])
