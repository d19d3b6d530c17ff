"""Adam: one evaluation an iteration, of all collocation points or of a batch of them; no line search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from engine.api import Spec
from experiments.pinns.optimizers import Optimizer, to_array, to_tensor
from experiments.pinns.optimizers._first_order import Batch, FirstOrder, Tolerance

if TYPE_CHECKING:
    import torch


class Settings(Spec, frozen=True, kw_only=True):
    learning_rate: Annotated[float, Meta(gt=0, le=10, description="Step of a parameter whose gradient is steady")] = (
        1e-3
    )
    beta1: Annotated[float, Meta(ge=0, lt=1, description="Decay of the mean of gradients, an iteration")] = 0.9
    beta2: Annotated[float, Meta(ge=0, lt=1, description="Decay of the mean of squared gradients, an iteration")] = (
        0.999
    )
    epsilon: Annotated[float, Meta(gt=0, description="Added to the root of the mean square")] = 1e-8
    batch: Batch = 0
    tolerance_gradient: Tolerance = 1e-9


class Adam(FirstOrder):
    """The means are kept from stage to stage."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.tolerance_gradient)
        self._settings = settings
        self._mean: torch.Tensor | None = None
        self._square: torch.Tensor | None = None
        self._count = 0

    def _step(self) -> torch.Tensor:
        """The next iterate, by the operations of torch.optim.Adam."""
        settings, gradient = self._settings, self.at.gradient
        if self._mean is None or self._square is None:
            self._mean, self._square = gradient.new_zeros(len(gradient)), gradient.new_zeros(len(gradient))
        self._count += 1
        self._mean.lerp_(gradient, 1 - settings.beta1)
        self._square.mul_(settings.beta2).addcmul_(gradient, gradient, value=1 - settings.beta2)
        first, second = 1 - settings.beta1**self._count, 1 - settings.beta2**self._count
        scale = self._square.sqrt().div_(math.sqrt(second)).add_(settings.epsilon)
        return self.x.addcdiv(self._mean, scale, value=-settings.learning_rate / first)

    def state(self) -> dict[str, Any]:
        means = {"mean": self._mean, "square": self._square}
        return {
            **super().state(),
            "count": self._count,
            **{name: None if mean is None else to_array(mean) for name, mean in means.items()},
        }

    def restore(self, state: Mapping[str, Any], like: torch.Tensor) -> None:
        super().restore(state, like)
        self._count = int(state["count"])
        self._mean, self._square = (
            None if state[name] is None else to_tensor(state[name], like) for name in ("mean", "square")
        )


def memory(settings: Settings, size: int) -> float:
    return 8.0 * 4 * size


OPTIMIZER = Optimizer(
    title="Adam",
    summary="Adam, on batches of points if wished: one evaluation an iteration, for a start far from any minimum",
    source="Kingma and Ba 2015 (ICLR)",
    settings=Settings,
    make=Adam,
    memory=memory,
    batch=lambda settings: settings.batch,
)
