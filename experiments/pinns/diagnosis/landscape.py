"""The loss over a plane through a point, spanned by two directions (as Fig. 4 of Krishnapriyan et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.api import lazy_import
from experiments.pinns.objective import Objective

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    np = lazy_import("numpy")


def plane(
    objective: Objective,
    flat: torch.Tensor,
    directions: np.ndarray,
    axis: np.ndarray,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> np.ndarray | None:
    """(n, n): the loss at flat + axis[i] · directions[0] + axis[j] · directions[1]; None where it was asked to stop.

    directions: (2, parameters). axis: (n,). Losses that are not finite are kept as they are.
    """
    first, second = (flat.new_tensor(direction) for direction in directions)
    found = np.empty((len(axis), len(axis)))
    for i, along in enumerate(axis):
        if stopping():
            return None
        row = flat + float(along) * first
        found[i] = [objective(row + float(across) * second).loss for across in axis]
    return found
