"""Adam on the full batch: one evaluation an iteration, no line search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from engine.api import Spec
from experiments.pinns.optimizers import Evaluation, Optimizer, Steps, Stop, to_array, to_tensor

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
    tolerance_gradient: Annotated[
        float, Meta(ge=0, description="A stage ends once no component of the gradient is larger")
    ] = 1e-9


class Adam:
    """The means are kept from stage to stage; the iterate is the last one, not the best."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.x: torch.Tensor
        self.at: Evaluation
        self._mean: torch.Tensor | None = None
        self._square: torch.Tensor | None = None
        self._count = 0

    def begin(self, x: torch.Tensor) -> Steps[None]:
        self.x = x
        self.at = yield x

    def renew(self) -> Steps[None]:
        yield from self.begin(self.x)

    def iterate(self, budget: int) -> Steps[Stop | None]:
        if not math.isfinite(self.at.loss):
            return Stop.NOT_FINITE
        if float(self.at.gradient.abs().max()) <= self._settings.tolerance_gradient:
            return Stop.GRADIENT
        self.x = self._step()
        self.at = yield self.x
        return None if math.isfinite(self.at.loss) else Stop.NOT_FINITE

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
            "x": to_array(self.x),
            "loss": self.at.loss,
            "gradient": to_array(self.at.gradient),
            "terms": dict(self.at.terms),
            "count": self._count,
            **{name: None if mean is None else to_array(mean) for name, mean in means.items()},
        }

    def restore(self, state: Mapping[str, Any], like: torch.Tensor) -> None:
        self.x = to_tensor(state["x"], like)
        self.at = Evaluation(float(state["loss"]), to_tensor(state["gradient"], like), dict(state["terms"]))
        self._count = int(state["count"])
        self._mean, self._square = (
            None if state[name] is None else to_tensor(state[name], like) for name in ("mean", "square")
        )


def memory(settings: Settings, size: int) -> float:
    return 8.0 * 4 * size


OPTIMIZER = Optimizer(
    title="Adam",
    summary="Adam on the full batch: one evaluation an iteration, for a start far from any minimum",
    source="Kingma and Ba 2015 (ICLR)",
    settings=Settings,
    make=Adam,
    memory=memory,
)
