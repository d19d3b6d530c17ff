"""What a model from points to values is: u(x, t) for a PINN.

Parameters are one flat vector, which is what optimisers of second order work on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import numpy as np
    import torch


class PointModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model as data and functions; `spec` is an instance of `settings`.

    size(spec, inputs, outputs): the number of parameters.
    initialise(spec, inputs, outputs, rng): the flat parameters of a fresh model, float64.
    forward(spec, flat, points, outputs): points of shape (n, inputs) -> values of shape (n, outputs), differentiable.
    """

    title: str
    summary: str
    source: str = ""
    settings: type[msgspec.Struct]
    size: Callable[[Any, int, int], int]
    initialise: Callable[[Any, int, int, np.random.Generator], np.ndarray]
    forward: Callable[[Any, torch.Tensor, torch.Tensor, int], torch.Tensor]
