"""What Adam and gradient descent share: one evaluation an iteration, of all collocation points or of a batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from experiments.pinns.optimizers import Steps, Stop
from experiments.pinns.optimizers._iterate import Iterate

if TYPE_CHECKING:
    import torch

Tolerance = Annotated[float, Meta(ge=0, description="A stage ends once no component of the gradient is larger")]
Batch = Annotated[
    int, Meta(ge=0, description="Collocation points of an evaluation, of a random part of them; 0: all points")
]


class FirstOrder(Iterate):
    """The iterate is the last one, not the best. A method gives `_step`, and adds what it keeps to the state."""

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance

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
