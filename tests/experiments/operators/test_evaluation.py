from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from engine.recorder import Recorder
from experiments.operators import evaluation, generate, metrics, spectral
from experiments.operators.normalise import scales_of
from experiments.operators.recipe import Recipe
from experiments.operators.system import find, systems
from experiments.operators.weights import Card

RecipeOf = Callable[..., Recipe]


@pytest.fixture(params=systems()[0])
def recipe(request: pytest.FixtureRequest, recipe_of: RecipeOf) -> Recipe:
    low, high = find(request.param).range["default"]
    return recipe_of(system=request.param, range=(low, high), grid=32, dtype="float64")


def test_the_residual_is_zero_of_a_solution_one_of_nothing_and_that_of_the_error(recipe: Recipe) -> None:
    system, samples = find(recipe.system), generate.make_block(recipe, "test", 0)

    def of(u: torch.Tensor, f: torch.Tensor = samples.source) -> torch.Tensor:
        return evaluation.residual(system, samples.coefficients, u, f)

    transform = spectral.AllModes(recipe.grid, torch.float64)
    symbol = system.symbol(torch.from_numpy(samples.coefficients)[:, :, None, None], transform.modes)
    sizes = samples.solution.flatten(1).norm(dim=1) / samples.source.flatten(1).norm(dim=1)
    magnified = symbol.abs().max() * sizes
    assert (of(samples.solution) < 1e-12 + 2 * torch.finfo(torch.float64).eps * magnified).all()
    assert torch.allclose(of(0 * samples.solution), torch.ones(64).double())
    assert torch.allclose(of(1.25 * samples.solution), torch.full((64,), 0.25).double())
    assert of(samples.solution, samples.source.roll(3, 1)).min() > 0.1


@pytest.mark.parametrize("normalisation", ["linear", "published"])
def test_a_model_that_solves_the_equation_has_no_error_and_one_a_tenth_too_large_has_a_tenth(
    recipe: Recipe, normalisation: Literal["linear", "published"]
) -> None:
    system, samples = find(recipe.system), generate.make(recipe, "test", 70)
    scales = scales_of(samples, normalisation)
    card = Card(model="fno", spec={}, channels=system.channels, scales=scales)
    medians, transform = torch.tensor(scales.coefficients, dtype=torch.float64), spectral.AllModes(32, torch.float64)

    def forward(p: Mapping[str, torch.Tensor], varying: torch.Tensor, constant: torch.Tensor) -> torch.Tensor:
        symbol = system.symbol((constant * medians)[:, :, None, None], transform.modes)
        return p["factor"] * transform.synthesise(spectral.divide(transform.analyse(varying[..., 0]), symbol))

    exact, larger = (
        evaluation.evaluate(
            forward, {"factor": torch.tensor(factor, dtype=torch.float64)}, samples, card, system, "cpu"
        )
        for factor in (1.0, 1.1)
    )
    assert torch.allclose(exact.predicted, samples.solution, atol=1e-12)
    assert all(errors.shape == (70,) and errors.max() < 1e-11 for errors in exact.errors.values())
    assert np.allclose(larger.errors["rel_l2"], 0.1, rtol=1e-10)
    assert np.allclose(larger.errors["residual"], 0.1, rtol=1e-10)


def test_the_report_has_every_figure_and_all_errors_of_each_sample(recipe_of: RecipeOf, tmp_path: Path) -> None:
    samples = generate.make(recipe_of(dtype="float64"), "test", 9)
    factors = torch.linspace(1.0, 1.8, 9, dtype=torch.float64)[[3, 8, 0, 5, 1, 2, 7, 4, 6], None, None]
    predicted = factors * samples.solution
    errors = {name: values.numpy() for name, values in metrics.errors_of(predicted, samples.solution).items()}
    errors["residual"] = errors["rel_l2"]
    recorder = Recorder(tmp_path)
    evaluation.report(evaluation.Evaluation(predicted, errors), samples.solution, 7, recorder)
    assert recorder.figures.keys() == metrics.MEANINGS.keys()
    quartiles = [recorder.figures[f"rel_l2_{name}"] for name in ("q25", "median", "q75")]
    assert quartiles == pytest.approx([0.2, 0.4, 0.6])
    assert recorder.figures["rel_l2"] == recorder.figures["nrmse"] == pytest.approx(0.4)
    assert recorder.figures["max_error"] == errors["max_error"].max()
    ((step, fields),) = recorder.stored_fields
    assert step == 7
    for name, values in errors.items():
        assert np.array_equal(fields["errors" if name == "rel_l2" else f"errors_{name}"], values)
    for name, sample in (("best_", 2), ("", 7), ("worst_", 1)):
        assert np.array_equal(fields[f"{name}predicted"], predicted[sample])
