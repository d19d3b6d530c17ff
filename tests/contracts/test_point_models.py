"""What holds for every model from points to values, found by discovery; that it trains and resumes is among the
combinations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from experiments.models._points import PointModel
from experiments.pinns.configuration import MODEL

MODELS: dict[str, PointModel] = MODEL.components()[0]
INPUTS, OUTPUTS = 3, 2


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> PointModel:
    return MODELS[request.param]


@pytest.fixture
def spec(model: PointModel) -> Any:
    return model.settings()


def fresh(model: PointModel, spec: Any, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(model.initialise(spec, INPUTS, OUTPUTS, np.random.default_rng(seed))).requires_grad_()


def points(count: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).standard_normal((count, INPUTS)))


def test_fresh_parameters_are_as_many_as_it_states_and_decided_by_the_seed(model: PointModel, spec: Any) -> None:
    flat = fresh(model, spec)
    assert flat.shape == (model.size(spec, INPUTS, OUTPUTS),) and flat.dtype == torch.float64
    assert torch.equal(flat, fresh(model, spec)) and not torch.equal(flat, fresh(model, spec, seed=1))


def test_every_parameter_and_every_input_has_a_part_in_the_values(model: PointModel, spec: Any) -> None:
    flat, given = fresh(model, spec), points(50).requires_grad_()
    values = model.forward(spec, flat, given, OUTPUTS)
    assert values.shape == (50, OUTPUTS)
    for tensor in torch.autograd.grad((values * torch.tensor([1.0, 2.0])).sum(), [flat, given]):
        assert torch.isfinite(tensor).all() and (tensor != 0).all()


def test_points_do_not_mix(model: PointModel, spec: Any) -> None:
    flat = fresh(model, spec)
    together, alone = (model.forward(spec, flat, points(50)[part], OUTPUTS) for part in (slice(None), slice(7, 9)))
    torch.testing.assert_close(together[7:9], alone)


def test_its_second_derivatives_are_smooth(model: PointModel, spec: Any) -> None:
    """A residual of second order has a gradient, that of finite differences."""
    flat = fresh(model, spec).detach()

    def of(given: torch.Tensor) -> torch.Tensor:
        return model.forward(spec, flat, given, OUTPUTS)

    assert torch.autograd.gradcheck(of, points(4).requires_grad_())
    assert torch.autograd.gradgradcheck(of, points(4).requires_grad_())


def test_it_computes_in_the_precision_that_it_is_given(model: PointModel, spec: Any) -> None:
    single = model.forward(spec, fresh(model, spec).float(), points(5).float(), OUTPUTS)
    assert single.dtype == torch.float32
    torch.testing.assert_close(
        single.double(), model.forward(spec, fresh(model, spec), points(5), OUTPUTS), rtol=1e-4, atol=1e-5
    )
