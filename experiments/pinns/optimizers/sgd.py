"""Gradient descent with momentum, on all collocation points or on batches of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from engine.api import Spec
from experiments.pinns.optimizers import Optimizer, to_array, to_tensor
from experiments.pinns.optimizers._first_order import Batch, FirstOrder, Tolerance

if TYPE_CHECKING:
    import torch


class Settings(Spec, frozen=True, kw_only=True):
    learning_rate: Annotated[float, Meta(gt=0, le=10, description="Step, in multiples of the (mean) gradient")] = 1e-3
    momentum: Annotated[float, Meta(ge=0, lt=1, description="Part of the last step that goes on")] = 0.9
    nesterov: Annotated[bool, Meta(description="The gradient is taken as if the momentum had been followed")] = False
    batch: Batch = 0
    tolerance_gradient: Tolerance = 1e-9


class SGD(FirstOrder):
    """The momentum is kept from stage to stage."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.tolerance_gradient)
        self._settings = settings
        self._velocity: torch.Tensor | None = None

    def _step(self) -> torch.Tensor:
        """By the operations of torch.optim.SGD."""
        settings, gradient = self._settings, self.at.gradient
        if self._velocity is None:
            self._velocity = gradient.clone()
        else:
            self._velocity.mul_(settings.momentum).add_(gradient)
        along = gradient.add(self._velocity, alpha=settings.momentum) if settings.nesterov else self._velocity
        return self.x.add(along, alpha=-settings.learning_rate)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "velocity": None if self._velocity is None else to_array(self._velocity)}

    def restore(self, state: Mapping[str, Any], like: torch.Tensor) -> None:
        super().restore(state, like)
        self._velocity = None if state["velocity"] is None else to_tensor(state["velocity"], like)


def memory(settings: Settings, size: int) -> float:
    return 8.0 * 3 * size


OPTIMIZER = Optimizer(
    title="SGD",
    summary="Gradient descent with momentum, on batches of points if wished: the plainest there is, to compare with",
    source="Robbins and Monro 1951; Polyak 1964; Nesterov 1983, as in Sutskever et al. 2013 (ICML)",
    settings=Settings,
    make=SGD,
    memory=memory,
    batch=lambda settings: settings.batch,
)
