"""u as a network: a model fed with the features of points, and the derivatives of it by automatic differentiation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.api import lazy_import
from experiments.models import mlp
from experiments.models._points import PointModel
from experiments.pinns.derivatives import Map
from experiments.pinns.embeddings import Features
from experiments.pinns.problem import System

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    np = lazy_import("numpy")
    torch = lazy_import("torch")

BLOCK = 2000
"""Points of a block on a CPU: its activations stay in the cache. A GPU takes all points at once."""


class Network(NamedTuple):
    """A model with its settings, what it is fed (None: the points themselves), where its numbers live, and what of it
    makes u (None: it is u; else A and M of u = A + M N, as in `ansatz`).
    """

    model: PointModel
    spec: Any
    axes: int
    dtype: torch.dtype
    device: torch.device
    features: Features | None = None
    ansatz: Map | None = None

    @property
    def inputs(self) -> int:
        """Of the model."""
        return self.axes if self.features is None else self.features.count

    @property
    def is_fast(self) -> bool:
        """Whether the passes of `derivatives` know the model."""
        return isinstance(self.spec, mlp.MLP) and self.spec.activation == "tanh"

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.tensor(array, dtype=self.dtype, device=self.device)

    def blocks(self, points: np.ndarray) -> list[np.ndarray]:
        count = math.ceil(len(points) / BLOCK) if self.device.type == "cpu" else 1
        return np.array_split(points, count)

    def embedded(self, points: torch.Tensor) -> torch.Tensor:
        """Points (n, axes) -> what the model is fed, (n, inputs), in the precision of the points; differentiable."""
        return points if self.features is None else self.features(points.double()).to(points.dtype)

    def values(self, flat: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """u at the points (n, axes), (n,), differentiable by both."""
        found = self.model.forward(self.spec, flat, self.embedded(points), 1)[:, 0]
        if self.ansatz is None:
            return found
        added, factor = self.ansatz(points.double()).to(points.dtype).unbind(1)
        return added + factor * found


def derivatives(
    network: Network, axes: Sequence[str], flat: torch.Tensor, points: torch.Tensor, names: Sequence[str]
) -> dict[str, torch.Tensor]:
    """The named derivatives of u at the points (n, axes), each (n,), by automatic differentiation."""
    points = points.detach().requires_grad_()
    found = {"": network.values(flat, points)}

    def derivative(order: str) -> torch.Tensor:
        if order not in found:
            lower = derivative(order[:-1])
            (gradient,) = torch.autograd.grad(lower.sum(), points, create_graph=True)
            for i, axis in enumerate(axes):
                found[order[:-1] + axis] = gradient[:, i]
        return found[order]

    return {name: derivative(name.removeprefix("u").removeprefix("_")) for name in names}


def residuals(
    network: Network, system: System, coefficients: Any, flat: torch.Tensor, points: np.ndarray
) -> np.ndarray:
    """The residual at the points (n, axes), (n,), float64: to look at, without a gradient."""
    axes, names, found = tuple(system.axes), system.derivatives(coefficients), []
    for block in map(network.tensor, network.blocks(points)):
        values = derivatives(network, axes, flat.detach(), block, names)
        places = {axis: block[:, i] for i, axis in enumerate(axes)}
        with torch.no_grad():
            found.append(system.residual(coefficients, {**values, **places}))
    return torch.cat(found).double().cpu().numpy()
