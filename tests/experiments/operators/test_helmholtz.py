from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.stats
import torch

from engine.errors import TaskError
from engine.schema import complete
from experiments.operators import data, generate
from experiments.operators.dataset import TASK as DATASET
from experiments.operators.recipe import Recipe, Sizes
from experiments.operators.systems import helmholtz
from experiments.operators.task import TASK as OPERATOR

RecipeOf = Callable[..., Recipe]


def test_resonant_numbers_are_those_near_an_eigenvalue_of_the_laplacian() -> None:
    eigenvalues = sorted({0.04 * np.pi**2 * (a * a + b * b) for a, b in product(range(40), repeat=2)})
    for omega in range(1, 200):
        assert helmholtz.distance(omega) == pytest.approx(min(abs(value - omega) for value in eigenvalues))
    assert helmholtz.allowed(1.0, 10.0) == [1, 3, 4, 5, 6, 7, 8, 9, 10]
    assert helmholtz.allowed(1.0, 5.0) == [1, 3, 4, 5]
    assert helmholtz.allowed(2.5, 4.9) == [3, 4]


def test_the_number_is_drawn_uniformly() -> None:
    drawn = helmholtz.draw(np.random.default_rng(0), 9000, 1.0, 10.0)["omega"]
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [1, 3, 4, 5, 6, 7, 8, 9, 10]
    assert scipy.stats.chisquare(counts).pvalue > 0.01


def test_no_sample_is_resonant_or_larger_than_two_and_numbers_far_from_resonance_stay_uniform(
    recipe_of: RecipeOf,
) -> None:
    samples = generate.make(recipe_of(system="helmholtz", range=(1.0, 10.0)), "train", 1500)
    assert samples.solution.abs().amax() <= helmholtz.LARGEST
    omega = samples.drawn[:, 0]
    assert np.array_equal(samples.coefficients, np.stack([np.full(1500, 0.01), omega], axis=1))
    counts = {value: int(np.sum(omega == value)) for value in range(1, 11)}
    assert counts[2] == 0
    assert 0 < counts[4] < 0.7 * counts[3]  # most that are redrawn are of 4
    assert scipy.stats.chisquare([counts[value] for value in (3, 5, 6, 7, 8, 9, 10)]).pvalue > 0.01
    for level in (0.2, 0.4, 0.6, 0.8):
        assert np.sum(samples.drawn[:, 1] == level) == 375


def test_the_source_keeps_its_mean_and_the_solution_has_its_share(recipe_of: RecipeOf) -> None:
    recipe = recipe_of(system="helmholtz", range=(1.0, 10.0), grid=32, dtype="float64")
    samples = generate.make_block(recipe, "train", 0)
    assert samples.source.amax((1, 2)).numpy() == pytest.approx(np.ones(64))
    means = samples.source.mean((1, 2)).numpy()
    assert means.min() > 0
    assert np.allclose(samples.solution.mean((1, 2)).numpy(), -means / samples.drawn[:, 0], rtol=1e-12)


def test_solutions_satisfy_the_published_equation(recipe_of: RecipeOf) -> None:
    recipe = recipe_of(system="helmholtz", range=(1.0, 10.0), grid=32, dtype="float64")
    samples = generate.make_block(recipe, "train", 0)
    k = 2 * torch.pi * torch.fft.fftfreq(32, 1 / 32, dtype=torch.float64)
    laplacian = torch.fft.ifft2(-(k[:, None] ** 2 + k[None, :] ** 2) * torch.fft.fft2(samples.solution)).real
    omega = torch.from_numpy(samples.drawn[:, 0])[:, None, None]
    residual = 0.01 * laplacian + omega * samples.solution + samples.source
    assert residual.norm() < 1e-12 * samples.source.norm()


@pytest.mark.parametrize("task", [DATASET, OPERATOR])
@pytest.mark.parametrize("range", ["2:2", "2.1:2.9"])
def test_a_range_without_a_number_to_draw_is_refused_before_anything_runs(
    task: object, range: str, recipe_of: RecipeOf
) -> None:
    params = complete(task.describe().schema, {"system": "helmholtz", "range": range, "grid": "32"})  # type: ignore[attr-defined]
    (problem,) = task.check(params)  # type: ignore[attr-defined]
    assert str(problem).startswith(f"range: required a whole number in it that is not resonant, got {range}")
    with pytest.raises(TaskError, match="not resonant"):
        low, high = map(float, range.split(":"))
        generate.make(recipe_of(system="helmholtz", range=(low, high)), "train", 1)


def test_the_data_state_the_rules(recipe_of: RecipeOf, tmp_path: Path) -> None:
    recipe = recipe_of(system="helmholtz", range=(1.0, 10.0))
    data.create(tmp_path / "samples.h5", recipe, Sizes(train=1, validation=1, test=1))
    with h5py.File(tmp_path / "samples.h5") as file:
        assert "no closer than 0.04 to 0.01·4π² n" in file.attrs["conditions"]
        assert "|u| > 2 anywhere is drawn again" in file.attrs["conditions"]
