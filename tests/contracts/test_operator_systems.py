"""What holds for every system of the operator half, found by discovery: a new one is tested the day it comes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.schema import complete, label
from experiments.operators import generate, spectral
from experiments.operators.dataset import TASK
from experiments.operators.recipe import Recipe
from experiments.operators.system import System, systems

SYSTEMS = systems()[0]


@pytest.fixture(params=SYSTEMS)
def key(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def system(key: str) -> System:
    return SYSTEMS[key]


@pytest.fixture
def recipe(key: str, system: System) -> Recipe:
    low, high = system.range["default"]
    return Recipe(system=key, range=(low, high), grid=24, dtype="float64", seed=0)


def test_no_file_of_a_system_is_broken() -> None:
    assert systems()[1] == []


def test_solutions_satisfy_the_equation_to_the_precision_of_the_numbers(system: System, recipe: Recipe) -> None:
    samples = generate.make_block(recipe, "train", 0)
    transform = spectral.AllModes(recipe.grid, torch.float64)
    symbol = system.symbol(torch.from_numpy(samples.coefficients)[:, :, None, None], transform.modes)
    source, left = (transform.analyse(field) for field in (samples.source, samples.solution))
    residual = torch.where(symbol == 0, 0, symbol * left - source)
    rounding = torch.finfo(torch.float64).eps * samples.solution.norm() * symbol.abs().max()  # of the highest modes
    assert residual.abs().max() < 1e-12 * source.abs().max() + 10 * rounding
    assert torch.isfinite(samples.solution).all()


def test_what_is_drawn_and_what_follows_is_named_and_of_one_row_a_sample(system: System, recipe: Recipe) -> None:
    samples = generate.make_block(recipe, "test", 0)
    assert samples.coefficients.shape == (generate.BLOCK, len(system.coefficients))
    assert samples.drawn.shape == (generate.BLOCK, len(system.drawn) + 1)
    drawn = system.draw(np.random.default_rng(0), 3, *recipe.range)
    assert list(drawn) == list(system.drawn)
    assert all(values.shape == (3,) for values in drawn.values())


def test_the_same_recipe_makes_the_same_samples(recipe: Recipe) -> None:
    one, other = (generate.make_block(recipe, "validation", 2) for _ in range(2))
    assert torch.equal(one.solution, other.solution)


def test_it_says_what_it_is(key: str, system: System) -> None:
    params = complete(TASK.describe().schema, {"system": key})
    low, high = system.range["default"]
    assert f"{low:g}:{high:g}" in label(TASK.describe(), params)
    assert "= f" in system.equation
    assert system.title and system.summary and system.source


def test_what_is_drawn_is_within_its_bounds_at_either_end_of_the_range(key: str, system: System) -> None:
    assert system.bounds is not None
    low, high = system.range["default"]
    for range in ((low, high), (high, high)):
        bounds = system.bounds(*range)
        assert list(bounds) == list(system.drawn)
        for name, values in system.draw(np.random.default_rng(1), 500, *range).items():
            least, most = bounds[name]
            assert least <= values.min() <= values.max() <= most


def test_units_are_of_what_is_named_and_cases_can_be_made(key: str, system: System) -> None:
    assert system.units.keys() <= system.drawn.keys() | system.coefficients.keys()
    for name, (low, high, summary) in system.cases.items():
        params = complete(TASK.describe().schema, {"case": name})
        assert (params["system"], params["range"]) == (key, [low, high])
        assert TASK.check(params) == []
        assert summary
