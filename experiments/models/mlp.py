"""A multilayer perceptron from points to values, its parameters in one flat vector.

Each layer is a matrix of shape (outputs, inputs + 1), the bias being its last column: one product gives both, and their
gradients. The layers lie in the vector one after another, from the input to the output.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from engine.api import Spec, lazy_import
from experiments.models._points import PointModel

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    np = lazy_import("numpy")
    torch = lazy_import("torch")


class MLP(Spec, frozen=True, kw_only=True):
    width: Annotated[int, Meta(ge=1, le=4096, description="Neurons of each hidden layer")] = 20
    depth: Annotated[int, Meta(ge=1, le=64, description="Number of hidden layers")] = 4
    activation: Annotated[Literal["tanh", "sin"], Meta(description="Nonlinearity of the hidden layers")] = "tanh"


def shapes(spec: MLP, inputs: int, outputs: int) -> list[tuple[int, int]]:
    """The shape of each layer's matrix, the column of the bias included."""
    widths = [inputs, *[spec.width] * spec.depth, outputs]
    return [(after, before + 1) for before, after in pairwise(widths)]


def size(spec: MLP, inputs: int, outputs: int) -> int:
    return sum(rows * columns for rows, columns in shapes(spec, inputs, outputs))


def matrices(spec: MLP, flat: torch.Tensor, inputs: int, outputs: int) -> list[torch.Tensor]:
    """The layers' matrices, as views of the flat vector."""
    layers = shapes(spec, inputs, outputs)
    parts = flat.split([rows * columns for rows, columns in layers])
    return [part.view(shape) for part, shape in zip(parts, layers, strict=True)]


def initialise(spec: MLP, inputs: int, outputs: int, rng: np.random.Generator) -> np.ndarray:
    """Weights and biases uniform in ±1/√(inputs of the layer), as torch.nn.Linear draws them."""
    layers = []
    for rows, columns in shapes(spec, inputs, outputs):
        bound = (columns - 1) ** -0.5
        layers.append(rng.uniform(-bound, bound, rows * columns))
    return np.concatenate(layers)


def forward(spec: MLP, flat: torch.Tensor, points: torch.Tensor, outputs: int) -> torch.Tensor:
    activation = torch.tanh if spec.activation == "tanh" else torch.sin
    *hidden, last = matrices(spec, flat, points.shape[1], outputs)
    values = points
    for matrix in hidden:
        values = activation(torch.addmm(matrix[:, -1], values, matrix[:, :-1].T))
    return torch.addmm(last[:, -1], values, last[:, :-1].T)


MODEL = PointModel(
    title="Multilayer perceptron",
    summary="Fully connected layers with one nonlinearity; the network of the PINN papers.",
    settings=MLP,
    size=size,
    initialise=initialise,
    forward=forward,
)
