"""Products of the Hessian of a loss with vectors, from its gradient alone: by central differences in float64.

(g(x + h v) - g(x - h v)) / 2h is off by h² times a third derivative of the gradient, and by rounding over h: with
h = ε^(1/3) of the length of the weights, about 1e-9 of the gradient's own scale. It needs no second differentiation of
the network, so that the fast passes serve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.api import lazy_import
from experiments.pinns.objective import Objective
from experiments.pinns.optimizers import to_array

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    np = lazy_import("numpy")
    torch = lazy_import("torch")

STEP = 6.06e-6
"""ε^(1/3), of the length of the weights (at least 1), along a unit vector."""


def product(objective: Objective, flat: torch.Tensor) -> Callable[[np.ndarray], np.ndarray]:
    """v -> H v, both (parameters,), float64, at the weights `flat`, which are float64 as the objective is."""
    if flat.dtype != torch.float64:
        raise TypeError(f"flat: required float64, got {flat.dtype}")
    step = STEP * max(1.0, float(flat.norm()))

    def multiplied(vector: np.ndarray) -> np.ndarray:
        length = float(np.linalg.norm(vector))
        if length == 0:
            return np.zeros_like(vector)
        move = flat.new_tensor(vector) * (step / length)
        difference = objective(flat + move).gradient - objective(flat - move).gradient
        return to_array(difference) * (length / (2 * step))

    return multiplied
