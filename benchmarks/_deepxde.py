"""The same loss in DeepXDE (PyTorch backend): its own problem classes, with our points and our weights."""

from __future__ import annotations

import os
from collections.abc import Callable

os.environ["DDE_BACKEND"] = "pytorch"
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # where it sees a GPU, everything in the process is made there from then on

import deepxde as dde
import numpy as np
import torch

from experiments.models import mlp
from experiments.pinns.network import Network
from experiments.pinns.problem import Condition, Problem

Evaluation = tuple[float, torch.Tensor]
"""A loss and its gradient, flat, in the order of our parameters."""


class _AtPoints(dde.icbc.PointSetBC):
    """A condition on u at given points."""

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition.points, condition.target[:, None])


class _Pairs(dde.icbc.PeriodicBC):
    """A periodic condition at given pairs of points, instead of those that the geometry would choose."""

    def __init__(self, geometry: dde.geometry.GeometryXTime, condition: Condition) -> None:
        super().__init__(geometry, 0, lambda x, on_boundary: on_boundary)
        self._points = np.vstack([condition.points, condition.minus]).astype(dde.config.real(np))

    def collocation_points(self, X: np.ndarray) -> np.ndarray:
        return self._points


def peer(
    network: Network,
    problem: Problem,
    residual: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    flat: torch.Tensor,
) -> Callable[[], Evaluation]:
    """One evaluation of loss and gradient. residual(x, u) is written in DeepXDE's own terms."""
    dde.config.set_default_float("float64" if network.dtype == torch.float64 else "float32")
    (x0, x1), (t0, t1) = problem.system.axes.values()
    geometry = dde.geometry.GeometryXTime(dde.geometry.Interval(x0, x1), dde.geometry.TimeDomain(t0, t1))
    conditions = [_AtPoints(c) if c.minus is None else _Pairs(geometry, c) for c in problem.conditions]
    data = dde.data.TimePDE(geometry, residual, conditions, num_domain=0, anchors=problem.collocation)
    spec = network.spec
    net = dde.nn.FNN([2, *[spec.width] * spec.depth, 1], "tanh", "Glorot normal")
    model = dde.Model(data, net)
    model.compile("L-BFGS", verbose=0)
    for linear, matrix in zip(net.linears, mlp.matrices(spec, flat, 2, 1), strict=True):
        linear.weight.data.copy_(matrix[:, :-1])
        linear.bias.data.copy_(matrix[:, -1])
    model.train_state.set_data_train(*data.train_next_batch(None))
    state, parameters = model.train_state, list(net.parameters())

    def evaluate() -> Evaluation:
        losses = model.outputs_losses_train(state.X_train, state.y_train, state.train_aux_vars)[1]
        loss = losses.sum()
        for parameter in parameters:
            parameter.grad = None
        loss.backward()
        layers = zip(parameters[::2], parameters[1::2], strict=True)
        gradient = [torch.cat([w.grad, b.grad[:, None]], dim=1).ravel() for w, b in layers]
        return float(loss), torch.cat(gradient)

    return evaluate
