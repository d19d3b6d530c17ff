from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
import torch

from experiments.models import fno
from experiments.operators import channels, generate
from experiments.operators.models import find as find_model
from experiments.operators.models import models
from experiments.operators.normalise import Scales, inputs_of, scales_of
from experiments.operators.recipe import Recipe
from experiments.operators.system import find
from experiments.operators.weights import Card

RecipeOf = Callable[..., Recipe]
MIXED = ("source", "k11", "k22", "k12", "v1", "v2", "omega")


def samples_of(recipe_of: RecipeOf, key: str) -> generate.Samples:
    low, high = find(key).range["default"]
    return generate.make(recipe_of(system=key, range=(low, high), dtype="float64"), "train", 8)


@pytest.mark.parametrize("key", ["poisson", "advection_diffusion", "helmholtz"])
def test_a_model_of_the_same_system_sees_its_coefficients_as_they_are(recipe_of: RecipeOf, key: str) -> None:
    samples, system = samples_of(recipe_of, key), find(key)
    assert np.array_equal(channels.fitted(samples, system, system.channels).coefficients, samples.coefficients)
    assert channels.lacking(system, system.channels) == ()


def test_a_model_of_several_systems_sees_zero_for_what_a_system_lacks(recipe_of: RecipeOf) -> None:
    poisson, moving, waves = (samples_of(recipe_of, key) for key in ("poisson", "advection_diffusion", "helmholtz"))
    zero, one = np.zeros(8), np.full(8, 0.01)
    assert np.array_equal(
        channels.fitted(poisson, find("poisson"), MIXED).coefficients.T, [*poisson.coefficients.T, zero, zero, zero]
    )
    assert np.array_equal(
        channels.fitted(moving, find("advection_diffusion"), MIXED).coefficients.T, [*moving.coefficients.T, zero]
    )
    assert np.array_equal(  # its diffusion as a tensor
        channels.fitted(waves, find("helmholtz"), MIXED).coefficients.T,
        [one, one, zero, zero, zero, waves.coefficients[:, 1]],
    )
    assert all(channels.lacking(find(key), MIXED) == () for key in ("poisson", "advection_diffusion", "helmholtz"))


def test_what_a_model_has_no_channel_for_is_named() -> None:
    poisson, waves = find("poisson").channels, find("helmholtz").channels
    assert channels.lacking(find("advection_diffusion"), poisson) == ("v1", "v2")
    assert channels.lacking(find("helmholtz"), poisson) == ("omega",)
    assert channels.lacking(find("poisson"), waves) == ("k11", "k22", "k12")


def test_a_widened_model_predicts_what_it_did_before_it_is_trained(recipe_of: RecipeOf) -> None:
    first, system = samples_of(recipe_of, "poisson"), find("advection_diffusion")
    spec = fno.FNO(width=5, modes=3, blocks=2)
    scales = scales_of(first, "linear")
    card = Card(model="fno", spec=msgspec.to_builtins(spec), channels=find("poisson").channels, scales=scales)
    old = fno.initialise(spec, 4, np.random.default_rng(0))
    second = samples_of(recipe_of, "advection_diffusion")
    wide, new = channels.widened(card, old, system, second)
    assert wide.channels == system.channels
    assert wide.scales.coefficients[:3] == scales.coefficients
    assert wide.scales.coefficients[3:] == pytest.approx(np.median(np.abs(second.coefficients[:, 3:]), axis=0))
    before = inputs_of(second._replace(coefficients=second.coefficients[:, :3]), scales)
    after = inputs_of(channels.fitted(second, system, wide.channels), wide.scales)
    predicted = [
        fno.forward(spec, {name: torch.from_numpy(array) for name, array in p.items()}, x.varying, x.constant)
        for p, x in ((old, before), (new, after))
    ]
    assert torch.allclose(*predicted, rtol=1e-13, atol=1e-14)
    assert channels.widened(wide, new, find("poisson"), None) == (wide, new)
    assert channels.widened(card, old, system, None)[0].scales.coefficients[3:] == (1.0, 1.0)


def test_only_the_entries_of_new_channels_have_the_rate_of_new_ones() -> None:
    spec = fno.FNO(width=5, modes=3, blocks=2)
    scales = Scales(normalisation="linear", source=1.0, coefficients=(1.0, 1.0, 1.0))
    card = Card(model="fno", spec=msgspec.to_builtins(spec), channels=find("poisson").channels, scales=scales)
    parameters = fno.initialise(spec, 4, np.random.default_rng(0))
    found = channels.rates(card, parameters, 6, 10.0)
    assert list(found) == ["lift.weight"]
    assert np.array_equal(found["lift.weight"], np.repeat([1.0, 1, 1, 1, 10, 10], 5).reshape(6, 5))
    assert channels.rates(card, parameters, 4, 10.0) == {}


@pytest.mark.parametrize("key", models()[0])
def test_every_model_can_be_widened_by_channels_that_it_ignores(key: str) -> None:
    model = find_model(key)
    spec = min(model.sizes.values(), key=lambda spec: model.size(spec, 4))
    old = model.initialise(spec, 3, np.random.default_rng(0))
    new = model.widen(spec, old, 2)
    assert {name: array.shape for name, array in new.items()} == model.shapes(spec, 5)
    varying, constant = torch.randn(2, 12, 12, 1, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    there = {name: torch.from_numpy(array).requires_grad_() for name, array in new.items()}
    here = {name: torch.from_numpy(array) for name, array in old.items()}
    predicted = model.forward(spec, there, varying, constant)
    assert torch.allclose(predicted, model.forward(spec, here, varying, constant[:, :2]), rtol=1e-12)
    gradients = torch.autograd.grad(predicted.square().sum(), list(there.values()))
    assert all(gradient.any() for gradient in gradients)


def test_a_mixture_has_the_published_channels_and_one_system_its_own() -> None:
    poisson, moving, waves = (find(key) for key in ("poisson", "advection_diffusion", "helmholtz"))
    assert channels.of_mixture([poisson, moving, waves]) == MIXED
    assert set(channels.of_mixture([waves, poisson, moving])) == set(MIXED)
    assert channels.of_mixture([waves]) == waves.channels
    assert channels.of_mixture([poisson, moving]) == moving.channels
