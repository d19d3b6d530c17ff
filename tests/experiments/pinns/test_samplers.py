"""Samplers: where points lie, and that a seed decides it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from engine.api import TaskError, discover
from experiments.pinns.samplers import Residual, Sampler, rad

SAMPLERS: dict[str, Sampler] = discover("experiments.pinns.samplers", "SAMPLER")[0]
AXES = {"x": (2.0, 5.0), "t": (-1.0, 0.0)}


@pytest.fixture(params=SAMPLERS)
def sampler(request: pytest.FixtureRequest) -> Sampler:
    return SAMPLERS[request.param]


def draw(sampler: Sampler, seed: int, count: int = 200) -> np.ndarray:
    return sampler.points(AXES, count, np.random.default_rng(seed))


FIELDS: dict[str, Residual | None] = {
    "unknown": None,
    "steep": lambda points: np.exp(3 * points[:, 0]),
    "zero": lambda points: np.zeros(len(points)),
    "not finite": lambda points: np.full(len(points), np.nan),
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("axes", [{"t": (0.0, 2.0)}, AXES, {"x": (0.0, 1.0), "y": (-3.0, -2.0), "t": (0.0, 1.0)}])
def test_points_lie_in_the_box_however_many_whatever_the_seed(sampler: Sampler, axes: dict, field: str) -> None:
    """Before anything is trained, and by the residual for those that follow it."""
    low, high = np.array(list(axes.values())).T
    settings = sampler.settings() if sampler.settings else None
    for seed, count in enumerate((1, 2, 7, 64, 500)):
        one, same = (
            sampler.points(axes, count, np.random.default_rng(seed), settings, FIELDS[field]) for _ in range(2)
        )
        assert one.shape == (count, len(axes)) and one.dtype == np.float64
        assert (one >= low).all() and (one <= high).all()
        assert len(np.unique(one, axis=0)) == count
        np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize(
    "wrong",
    [lambda n, d: np.full((n, d), 1.1), lambda n, d: np.zeros((n, d + 1)), lambda n, d: np.full((n, d), np.nan)],
)
def test_points_that_are_not_of_the_cube_are_refused(wrong: Callable[[int, int], np.ndarray]) -> None:
    sampler = Sampler(title="Wrong", summary="", draw=lambda count, dimensions, rng: wrong(count, dimensions))
    with pytest.raises(TaskError, match="sampler: required 5 points of the unit cube in 2 dimensions, got Wrong"):
        draw(sampler, 0, 5)


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


def adapted(residual: Residual, count: int = 400, seed: int = 0, **settings: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rad.SAMPLER.points(AXES, count, rng, rad.Settings(**settings), residual)


def test_points_by_the_residual_have_its_density() -> None:
    """|r| is 3 where x is above 4 and 1 elsewhere: the mean over the box is 5/3, the density 3/(5/3) + c there."""
    points = adapted(lambda points: np.where(points[:, 0] > 4, -3.0, 1.0), count=4000, candidates=50)
    assert np.mean(points[:, 0] > 4) == pytest.approx((9 / 5 + 1) / 3 / 2, abs=0.03)
    low, high = np.array(list(AXES.values())).T
    assert (points >= low).all() and (points <= high).all()
    sharp = adapted(lambda points: np.where(points[:, 0] > 4, -3.0, 1.0), exponent=4.0, constant=0.0, candidates=50)
    assert np.mean(sharp[:, 0] > 4) == pytest.approx(81 / 83, abs=0.03)


def test_points_by_the_residual_are_uniform_where_it_says_nothing() -> None:
    for residual in (np.zeros, lambda n: np.full(n, np.nan)):
        points = adapted(lambda points, residual=residual: residual(len(points)), constant=0.0)
        assert points.shape == (400, 2) and np.isfinite(points).all()
        assert points[:, 0].mean() == pytest.approx(3.5, abs=0.2)
    flat = adapted(lambda points: np.exp(20 * points[:, 0]), exponent=0.0, count=4000)
    assert flat[:, 0].mean() == pytest.approx(3.5, abs=0.05)


def test_points_by_the_residual_are_decided_by_the_seed_and_repeat_none() -> None:
    one, same, other = (adapted(lambda points: points[:, 0], seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert len({*map(tuple, one)}) == 400


def test_a_latin_hypercube_of_no_points_is_empty() -> None:
    """As of observations, where there are none."""
    axes = {"x": (-1.0, 1.0), "t": (0.0, 2.0)}
    assert SAMPLERS["latin_hypercube"].points(axes, 0, np.random.default_rng(0)).shape == (0, 2)
