"""What holds for every model from fields to a field, found by discovery."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.recorder import Recorder
from engine.schema import complete
from experiments.models._fields import FieldModel
from experiments.operators import weights
from experiments.operators.models import models, properties
from experiments.operators.task import TASK

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


def test_it_keeps_to_its_device(model: FieldModel, spec: Any, gpu: Callable[..., Any]) -> None:
    """With a GPU pretended: a training step is that of a CPU, up to the order of sums."""
    parameters, varying, constant = fresh(model, spec), torch.randn(2, 16, 16, 1), torch.randn(2, 3)
    here = model.forward(spec, parameters, varying, constant)
    expected = torch.autograd.grad(here.square().sum(), list(parameters.values()))
    with gpu() as there:
        far = {name: tensor.detach().to(there.name).requires_grad_() for name, tensor in parameters.items()}
        predicted = model.forward(spec, far, varying.to(there.name), constant.to(there.name))
        found = torch.autograd.grad(predicted.square().sum(), list(far.values()))
        torch.testing.assert_close(predicted.cpu(), here, rtol=1e-4, atol=1e-6)
        for one, other in zip(found, expected, strict=True):
            assert (one.cpu() - other).norm() <= 1e-4 * other.norm()


def test_samples_do_not_mix(model: FieldModel, spec: Any) -> None:
    parameters, varying, constant = fresh(model, spec), torch.randn(3, 16, 16, 1), torch.randn(3, 3)
    together = model.forward(spec, parameters, varying, constant)
    alone = model.forward(spec, parameters, varying[1:2], constant[1:2])
    assert torch.allclose(together[1:2], alone, rtol=1e-4, atol=1e-6)


def test_further_inputs_change_nothing_before_their_weights_are_trained(model: FieldModel, spec: Any) -> None:
    """And their weights are trained: their entries are the zeros, and the gradient reaches them."""
    drawn = model.initialise(spec, 4, np.random.default_rng(0))
    wide = model.widen(spec, drawn, 2)
    assert {name: array.shape for name, array in wide.items()} == model.shapes(spec, 6)
    before, after = ({name: torch.tensor(array) for name, array in found.items()} for found in (drawn, wide))
    varying, constant = torch.randn(2, 16, 16, 1).double(), torch.randn(2, 5).double()
    given = {name: tensor.requires_grad_() for name, tensor in after.items()}
    predicted = model.forward(spec, given, varying, constant)
    torch.testing.assert_close(predicted, model.forward(spec, before, varying, constant[:, :3]))
    names = [name for name in wide if wide[name].shape != drawn[name].shape]
    ones = model.widen(spec, {name: np.ones_like(array) for name, array in drawn.items()}, 2)
    for name, gradient in zip(
        names, torch.autograd.grad(predicted.square().sum(), [given[name] for name in names]), strict=True
    ):
        new = ones[name] == 0
        assert new.sum() == wide[name].size - drawn[name].size and gradient.numpy()[new].any()


def waves(n: int) -> torch.Tensor:
    """Fields that every grid of at least 16 points carries, at n x n points: (2, n, n, 1)."""
    x, y = torch.meshgrid(*[torch.arange(n, dtype=torch.float64) / n] * 2, indexing="ij")
    fields = [(2 * torch.pi * (a * x + b * y) + phase).sin() for a, b, phase in ((1, 2, 0.3), (3, -1, 1.1), (0, 3, 2))]
    return torch.stack([fields[0] + fields[1], fields[2] - 0.5 * fields[0]])[..., None]


def test_a_model_for_any_grid_predicts_the_same_on_a_finer_one(key: str, model: FieldModel, spec: Any) -> None:
    if not model.any_grid:
        pytest.skip(f"what {key} learns holds on the grid that it was trained on")
    parameters = {name: tensor.double() for name, tensor in fresh(model, spec).items()}
    constant = torch.randn(2, 3).double()
    coarse, fine = (model.forward(spec, parameters, waves(n), constant).detach() for n in (32, 64))
    varies = (coarse - coarse.mean((1, 2), keepdim=True)).norm()
    assert (fine[:, ::2, ::2] - coarse).norm() < 1e-3 * varies


def test_what_does_not_fit_a_grid_is_a_setting_of_its_own(model: FieldModel, spec: Any) -> None:
    names = set(model.settings.__struct_fields__)
    for grid in range(1, 40):
        for problem in model.unfit(spec, grid):
            assert problem.field in names and problem.required and problem.got
        if not model.unfit(spec, grid):
            forward = model.forward(spec, fresh(model, spec), torch.randn(1, grid, grid, 1), torch.randn(1, 3))
            assert forward.shape == (1, grid, grid)


def test_its_cost_grows_with_the_grid(model: FieldModel, spec: Any) -> None:
    for cost in (model.work, model.kept):
        assert 0 < cost(spec, 32) < cost(spec, 64)


def test_its_sizes_are_choices_that_say_their_number_of_parameters(key: str, model: FieldModel) -> None:
    choices = properties()["model"]["x-choices"]
    for size, spec in model.sizes.items():
        assert choices[f"{key}-{size}"]["facts"]["parameters"] == model.size(spec, 4)
        assert model.unfit(spec, 128) == []


def test_it_learns_and_a_run_resumes_in_the_middle_bit_for_bit(key: str, model: FieldModel, tmp_path: Path) -> None:
    size = min(model.sizes, key=lambda size: model.size(model.sizes[size], 4))
    small = {"grid": 16, "samples": 16, "validation": 8, "test": 8, "batch": 8, "steps": 20, "lr": 3e-3}
    params = complete(TASK.describe().schema, {"model": f"{key}-{size}", "loss": "relative", **small})
    assert TASK.check(params) == []

    def trained(**options: Any) -> tuple[Recorder, dict[str, np.ndarray]]:
        recorder = Recorder(tmp_path, seed=2, **options)
        TASK.run(params, recorder)
        return recorder, weights.load(recorder.artifacts["weights"].path)[1]

    whole, expected = trained(every=0.0)
    assert whole.figures["loss"] < 0.95 * whole.points[1][1]["loss"]
    found = trained(state=whole.checkpoints[len(whole.checkpoints) // 2][1])[1]
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
