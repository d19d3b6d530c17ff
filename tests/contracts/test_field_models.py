"""What holds for every model from fields to a field, found by discovery."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from experiments.models._fields import FieldModel
from experiments.operators.models import models, properties

MODELS = models()[0]


@pytest.fixture(params=MODELS)
def key(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model(key: str) -> FieldModel:
    return MODELS[key]


@pytest.fixture
def spec(model: FieldModel) -> Any:
    """The smallest of its published sizes."""
    return min(model.sizes.values(), key=lambda spec: model.size(spec, 4))


def fresh(model: FieldModel, spec: Any) -> dict[str, torch.Tensor]:
    drawn = model.initialise(spec, 4, np.random.default_rng(0))
    return {name: torch.tensor(array, dtype=torch.float32, requires_grad=True) for name, array in drawn.items()}


def test_fresh_parameters_have_the_shapes_it_states(model: FieldModel, spec: Any) -> None:
    parameters = fresh(model, spec)
    assert {name: tuple(tensor.shape) for name, tensor in parameters.items()} == model.shapes(spec, 4)
    assert model.size(spec, 4) == sum(tensor.numel() for tensor in parameters.values())


def test_every_parameter_has_a_part_in_the_prediction(model: FieldModel, spec: Any) -> None:
    parameters = fresh(model, spec)
    predicted = model.forward(spec, parameters, torch.randn(2, 16, 16, 1), torch.randn(2, 3))
    assert predicted.shape == (2, 16, 16)
    gradients = torch.autograd.grad(predicted.square().sum(), list(parameters.values()))
    assert all(torch.isfinite(gradient).all() and gradient.any() for gradient in gradients)


def test_samples_do_not_mix(model: FieldModel, spec: Any) -> None:
    parameters, varying, constant = fresh(model, spec), torch.randn(3, 16, 16, 1), torch.randn(3, 3)
    together = model.forward(spec, parameters, varying, constant)
    alone = model.forward(spec, parameters, varying[1:2], constant[1:2])
    assert torch.allclose(together[1:2], alone, rtol=1e-4, atol=1e-6)


def test_its_sizes_are_choices_that_say_their_number_of_parameters(key: str, model: FieldModel) -> None:
    choices = properties()["model"]["x-choices"]
    for size, spec in model.sizes.items():
        assert choices[f"{key}-{size}"]["facts"]["parameters"] == model.size(spec, 4)
        assert model.unfit(spec, 128) == []
