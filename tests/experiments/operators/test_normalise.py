from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch

from experiments.operators import generate
from experiments.operators.normalise import inputs_of, norm, scales_of
from experiments.operators.recipe import Recipe


@pytest.fixture
def samples(recipe_of: Callable[..., Recipe]) -> generate.Samples:
    return generate.make(recipe_of(dtype="float64"), "train", 65)


@pytest.mark.parametrize("normalisation", ["linear", "published"])
def test_a_larger_problem_looks_the_same_to_the_model(
    samples: generate.Samples, normalisation: Literal["linear", "published"]
) -> None:
    scales = scales_of(samples, normalisation)
    larger = samples._replace(source=10 * samples.source)
    if normalisation == "linear":  # ten times f has ten times u
        larger = larger._replace(solution=10 * samples.solution)
    else:  # ten times f and ten times K have the same u
        larger = larger._replace(coefficients=10 * samples.coefficients)
    for one, other in zip(inputs_of(samples, scales)[:3], inputs_of(larger, scales)[:3], strict=True):
        assert torch.allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("normalisation", ["linear", "published"])
def test_the_median_problem_is_of_size_one(
    samples: generate.Samples, normalisation: Literal["linear", "published"]
) -> None:
    scales = scales_of(samples, normalisation)
    inputs = inputs_of(samples, scales)
    assert norm(inputs.varying[..., 0]).flatten().tolist() == pytest.approx([scales.source] * 65)
    assert torch.allclose(inputs.target * inputs.size, samples.solution)
    if normalisation == "linear":
        assert inputs.size.median().item() == pytest.approx(1)
        assert inputs.constant.abs().median(0).values.tolist() == pytest.approx([1, 1, 1])
    else:
        assert torch.equal(inputs.size, torch.ones(65, 1, 1, dtype=torch.float64))


def test_a_coefficient_that_is_always_zero_stays_zero(samples: generate.Samples) -> None:
    coefficients = samples.coefficients * np.array([1.0, 1.0, 0.0])
    scales = scales_of(samples._replace(coefficients=coefficients), "linear")
    inputs = inputs_of(samples._replace(coefficients=coefficients), scales)
    assert scales.coefficients[2] == 1.0
    assert not inputs.constant[:, 2].any()
