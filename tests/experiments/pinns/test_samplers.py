"""Samplers: where points lie, and that a seed decides it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.api import discover
from experiments.pinns.samplers import Sampler

SAMPLERS: dict[str, Sampler] = discover("experiments.pinns.samplers", "SAMPLER")[0]
AXES = {"x": (2.0, 5.0), "t": (-1.0, 0.0)}


@pytest.fixture(params=SAMPLERS)
def sampler(request: pytest.FixtureRequest) -> Sampler:
    return SAMPLERS[request.param]


def draw(sampler: Sampler, seed: int, count: int = 200) -> np.ndarray:
    return sampler.points(AXES, count, np.random.default_rng(seed))


def test_points_fill_the_box(sampler: Sampler) -> None:
    points = draw(sampler, 0)
    assert points.shape == (200, 2) and points.dtype == np.float64
    for column, (low, high) in zip(points.T, AXES.values(), strict=True):
        assert low <= column.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < column.max() <= high
        assert column.mean() == pytest.approx((low + high) / 2, abs=0.15 * (high - low))


def test_the_seed_decides(sampler: Sampler) -> None:
    np.testing.assert_array_equal(draw(sampler, 3), draw(sampler, 3))
    assert not np.array_equal(draw(sampler, 3), draw(sampler, 4))


def test_no_global_state_is_touched(sampler: Sampler) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    draw(sampler, 0)
    assert torch.equal(torch.rand(3), expected)


def test_sobol_points_leave_no_large_gap() -> None:
    """Of 256 cells of equal area, 256 Sobol points reach every one (a (0, 8, 2)-net); random points miss a third."""
    cells = {name: len({*map(tuple, np.floor(draw_unit(name) * 16).astype(int))}) for name in SAMPLERS}
    assert cells["sobol"] == 256
    assert cells["random"] < 200


def draw_unit(name: str) -> np.ndarray:
    return SAMPLERS[name].draw(256, 2, np.random.default_rng(0))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_latin_hypercube_has_one_point_in_every_slice_of_every_axis(dimensions: int) -> None:
    points = SAMPLERS["latin_hypercube"].draw(50, dimensions, np.random.default_rng(0))
    for column in points.T:
        assert sorted(np.floor(column * 50).astype(int)) == list(range(50))


def test_a_grid_that_comes_out_even_is_the_lattice_whatever_the_seed() -> None:
    centres = (np.arange(16) + 0.5) / 16
    lattice = np.stack(np.meshgrid(centres, centres, indexing="ij"), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(draw_unit("grid"), lattice)


def test_a_grid_that_does_not_come_out_even_leaves_points_out_and_repeats_none() -> None:
    points = SAMPLERS["grid"].draw(1000, 2, np.random.default_rng(0))
    assert len({*map(tuple, points)}) == 1000
    assert len(np.unique(points[:, 0])) == len(np.unique(points[:, 1])) == 32
