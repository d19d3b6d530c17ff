"""What Adam and gradient descent share: one evaluation an iteration, of all collocation points or of a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from experiments.pinns.optimizers import Evaluation, Steps, Stop, to_array, to_tensor

if TYPE_CHECKING:
    import torch

Tolerance = Annotated[float, Meta(ge=0, description="A stage ends once no component of the gradient is larger")]
Batch = Annotated[
    int, Meta(ge=0, description="Collocation points of an evaluation, of a random part of them; 0: all points")
]


class FirstOrder:
    """The iterate is the last one, not the best. A method gives `_step`, and adds what it keeps to the state."""

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self.x: torch.Tensor
        self.at: Evaluation

    def begin(self, x: torch.Tensor) -> Steps[None]:
        self.x = x
        self.at = yield x

    def renew(self) -> Steps[None]:
        yield from self.begin(self.x)

    def iterate(self, budget: int) -> Steps[Stop | None]:
        if not math.isfinite(self.at.loss):
            return Stop.NOT_FINITE
        if float(self.at.gradient.abs().max()) <= self._tolerance:
            return Stop.GRADIENT
        self.x = self._step()
        self.at = yield self.x
        return None if math.isfinite(self.at.loss) else Stop.NOT_FINITE

    def _step(self) -> torch.Tensor:
        """The next iterate."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        return {
            "x": to_array(self.x),
            "loss": self.at.loss,
            "gradient": to_array(self.at.gradient),
            "terms": dict(self.at.terms),
        }

    def restore(self, state: Mapping[str, Any], like: torch.Tensor) -> None:
        self.x = to_tensor(state["x"], like)
        self.at = Evaluation(float(state["loss"]), to_tensor(state["gradient"], like), dict(state["terms"]))
