"""A multilayer perceptron from points to values, its parameters in one flat vector.

Each layer is a matrix of shape (outputs, inputs + 1), the bias being its last column: one product gives both, and their
gradients. The layers lie in the vector one after another, from the input to the output.

With random weight factorisation (Wang, Wang, Seidman and Perdikaris 2022) the weights of a neuron are exp(s) v, both
trained, and its bias is as ever: behind the layers, which hold v, lie the s of all neurons in the same order.
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


MEAN, SPREAD = 0.5, 0.1
"""Of the normal distribution of s in a fresh network, as in Wang, Sankaran, Wang and Perdikaris 2023, Tab. 1."""


class MLP(Spec, frozen=True, kw_only=True):
    width: Annotated[int, Meta(ge=1, le=4096, description="Neurons of each hidden layer")] = 20
    depth: Annotated[int, Meta(ge=1, le=64, description="Number of hidden layers")] = 4
    activation: Annotated[Literal["tanh", "sin"], Meta(description="Nonlinearity of the hidden layers")] = "tanh"
    factorised: Annotated[
        bool, Meta(description="Random weight factorisation: each neuron's weights are exp(s) v, both trained")
    ] = False


def shapes(spec: MLP, inputs: int, outputs: int) -> list[tuple[int, int]]:
    """The shape of each layer's matrix, the column of the bias included."""
    widths = [inputs, *[spec.width] * spec.depth, outputs]
    return [(after, before + 1) for before, after in pairwise(widths)]


def size(spec: MLP, inputs: int, outputs: int) -> int:
    neurons = spec.width * spec.depth + outputs if spec.factorised else 0
    return neurons + sum(rows * columns for rows, columns in shapes(spec, inputs, outputs))


def matrices(spec: MLP, flat: torch.Tensor, inputs: int, outputs: int) -> list[torch.Tensor]:
    """The layers' matrices, as views of the flat vector; of a factorised network, with v in place of the weights."""
    layers = shapes(spec, inputs, outputs)
    begin, views = 0, []
    for rows, columns in layers:
        views.append(flat[begin : begin + rows * columns].view(rows, columns))
        begin += rows * columns
    return views


def scales(spec: MLP, flat: torch.Tensor, inputs: int, outputs: int) -> list[torch.Tensor]:
    """The s of each layer of a factorised network, (outputs of the layer,), as views of the flat vector."""
    rows = [rows for rows, _ in shapes(spec, inputs, outputs)]
    return list(flat[-sum(rows) :].split(rows))


def initialise(spec: MLP, inputs: int, outputs: int, rng: np.random.Generator) -> np.ndarray:
    """Weights and biases uniform in ±1/√(inputs of the layer), as torch.nn.Linear draws them."""
    layers = []
    for rows, columns in shapes(spec, inputs, outputs):
        bound = (columns - 1) ** -0.5
        layers.append(rng.uniform(-bound, bound, (rows, columns)))
    if not spec.factorised:
        return np.concatenate([layer.ravel() for layer in layers])
    drawn = [MEAN + SPREAD * rng.standard_normal(len(layer)) for layer in layers]
    for layer, scale in zip(layers, drawn, strict=True):
        layer[:, :-1] /= np.exp(scale)[:, None]
    return np.concatenate([*(layer.ravel() for layer in layers), *drawn])


def forward(spec: MLP, flat: torch.Tensor, points: torch.Tensor, outputs: int) -> torch.Tensor:
    activation = torch.tanh if spec.activation == "tanh" else torch.sin
    layers = matrices(spec, flat, points.shape[1], outputs)
    weights = [layer[:, :-1] for layer in layers]
    if spec.factorised:
        factors = scales(spec, flat, points.shape[1], outputs)
        weights = [factor.exp()[:, None] * weight for factor, weight in zip(factors, weights, strict=True)]
    values = points
    for i, (layer, weight) in enumerate(zip(layers, weights, strict=True)):
        values = torch.addmm(layer[:, -1], values, weight.T)
        if i < spec.depth:
            values = activation(values)
    return values


MODEL = PointModel(
    title="Multilayer perceptron",
    summary="Fully connected layers with one nonlinearity; the network of the PINN papers.",
    settings=MLP,
    size=size,
    initialise=initialise,
    forward=forward,
)
