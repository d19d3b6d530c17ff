"""What all optimisers keep: the iterate and its evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.pinns.optimizers import Evaluation, Steps, to_array, to_tensor

if TYPE_CHECKING:
    import torch


class Iterate:
    """A method begins, iterates, and adds what else it keeps to the state."""

    x: torch.Tensor
    at: Evaluation

    def begin(self, x: torch.Tensor) -> Steps[None]:
        self.x = x
        self.at = yield x

    def renew(self) -> Steps[None]:
        yield from self.begin(self.x)

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
