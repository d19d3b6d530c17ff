"""The perceptron beside torch's own layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from experiments.models import mlp

SPEC = mlp.MLP(width=7, depth=3)


def flat() -> torch.Tensor:
    return torch.from_numpy(mlp.initialise(SPEC, 2, 1, np.random.default_rng(0)))


@pytest.mark.parametrize("activation", ["tanh", "sin"])
def test_it_is_a_chain_of_linear_layers(activation: str) -> None:
    spec = mlp.MLP(width=7, depth=3, activation=activation)
    points = torch.rand(20, 2, dtype=torch.float64)
    values = points
    matrices = mlp.matrices(spec, flat(), 2, 1)
    for i, matrix in enumerate(matrices):
        values = torch.nn.functional.linear(values, matrix[:, :-1], matrix[:, -1])
        if i < len(matrices) - 1:
            values = getattr(torch, activation)(values)
    torch.testing.assert_close(mlp.forward(spec, flat(), points, 1), values)


def test_layers_are_views_of_one_vector() -> None:
    vector = flat()
    assert len(vector) == mlp.size(SPEC, 2, 1) == 7 * 3 + 2 * 7 * 8 + 8
    for matrix in mlp.matrices(SPEC, vector, 2, 1):
        matrix.zero_()
    assert not vector.any()


def test_the_default_has_the_size_of_the_recipes() -> None:
    assert mlp.size(mlp.MLP(), 2, 1) == 1341


def test_weights_are_drawn_as_those_of_linear_layers() -> None:
    spec = mlp.MLP(width=100, depth=2)
    matrices = mlp.matrices(spec, torch.from_numpy(mlp.initialise(spec, 2, 1, np.random.default_rng(0))), 2, 1)
    for matrix, inputs in zip(matrices, (2, 100, 100), strict=True):
        assert 0.9 * inputs**-0.5 < float(matrix.abs().max()) <= inputs**-0.5
        assert abs(float(matrix.mean())) < 0.1 * inputs**-0.5


def test_the_generator_decides_the_weights() -> None:
    one, same, other = (mlp.initialise(SPEC, 2, 1, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_factorised_weights_are_scaled_directions() -> None:
    """It starts as the plain network of the same draw, and has one parameter more for each neuron."""
    spec = mlp.MLP(width=7, depth=3, factorised=True)
    drawn = torch.from_numpy(mlp.initialise(spec, 2, 1, np.random.default_rng(0)))
    assert len(drawn) == mlp.size(spec, 2, 1) == len(flat()) + 3 * 7 + 1
    points = torch.rand(20, 2, dtype=torch.float64)
    torch.testing.assert_close(mlp.forward(spec, drawn, points, 1), mlp.forward(SPEC, flat(), points, 1))
    *_, last = mlp.scales(spec, drawn, 2, 1)
    before = mlp.forward(spec, drawn, points, 1)
    bias = mlp.matrices(spec, drawn, 2, 1)[-1][:, -1]
    last += np.log(3)
    torch.testing.assert_close(mlp.forward(spec, drawn, points, 1) - bias, 3 * (before - bias))


def test_scales_are_drawn_with_the_spread_of_the_recipe() -> None:
    spec = mlp.MLP(width=300, depth=3, factorised=True)
    drawn = torch.from_numpy(mlp.initialise(spec, 2, 1, np.random.default_rng(0)))
    scales = torch.cat(mlp.scales(spec, drawn, 2, 1))
    assert float(scales.mean()) == pytest.approx(mlp.MEAN, abs=0.02)
    assert float(scales.std()) == pytest.approx(mlp.SPREAD, rel=0.1)
