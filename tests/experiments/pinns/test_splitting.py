"""Converged references: their orders, and how far they are from the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from experiments.pinns.problem import grid_of
from experiments.pinns.systems import allen_cahn, reaction, reaction_diffusion
from experiments.pinns.systems._splitting import EXTRAPOLATION, Splitting

RHO = 5.0
GRID = grid_of(reaction_diffusion.SYSTEM)
X, T = GRID.axes["x"][::4, None], GRID.axes["t"][None, ::9]
STRANG = {1: 1.0}


def logistic(u: np.ndarray, dt: np.ndarray) -> np.ndarray:
    return u / (u + (1 - u) * np.exp(-RHO * dt))


def solve(steps: int, points: int = 256, **options: Any) -> np.ndarray:
    settings = {"diffusivity": 5.0, "interval": (0.0, 2 * np.pi), **options}
    return Splitting(reaction.gaussian, logistic, points=points, steps=steps, **settings)(X, T)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return solve(800)


@pytest.mark.parametrize(("weights", "order", "steps"), [(STRANG, 2, 50), (EXTRAPOLATION, 6, 33)])
def test_the_error_falls_with_the_order_in_time(
    truth: np.ndarray, weights: dict[int, float], order: int, steps: int
) -> None:
    coarse, fine = (np.abs(solve(count, weights=weights) - truth).max() for count in (steps, 2 * steps))
    assert np.log2(coarse / fine) == pytest.approx(order, abs=0.6)


def test_the_error_falls_spectrally_in_space(truth: np.ndarray) -> None:
    errors = [np.abs(solve(200, points)[:, 1:] - truth[:, 1:]).max() for points in (4, 8, 16)]
    assert errors[0] > 1e-4
    assert errors[1] < 0.1 * errors[0]
    assert errors[2] < 1e-4 * errors[1]


def test_between_two_states_the_solution_is_as_good_as_at_them(truth: np.ndarray) -> None:
    """The times of the grid are none of 250 steps."""
    assert np.abs(solve(250) - truth).max() < 1e-11


def test_without_a_reaction_each_mode_decays_by_the_exponential() -> None:
    x, t = np.linspace(0, 2, 30), np.linspace(0, 1, 30)
    made = Splitting(lambda x: np.cos(3 * np.pi * x), lambda u, dt: u, 0.1, (0.0, 2.0), points=32, steps=4)
    np.testing.assert_allclose(made(x, t), np.exp(-0.1 * (3 * np.pi) ** 2 * t) * np.cos(3 * np.pi * x), atol=1e-13)


@pytest.mark.parametrize(
    ("system", "nu", "rho", "most"),
    [
        (reaction_diffusion, 2, 5, 1e-10),
        (reaction_diffusion, 6, 5, 1e-10),
        (reaction_diffusion, 0.1, 20, 1e-10),
        (reaction_diffusion, 100, 5, 1e-6),
        (allen_cahn, 1e-4, 5, 1e-9),
        (allen_cahn, 1e-4, 20, 1e-6),
        (allen_cahn, 1, 20, 1e-6),
    ],
)
def test_a_reference_has_converged(system: Any, nu: float, rho: float, most: float) -> None:
    c, grid = system.Coefficients(nu=nu, rho=rho), grid_of(system.SYSTEM)
    x, t = grid.axes["x"][::4, None], grid.axes["t"][None, ::9]
    assert np.abs(system.solution(c)(x, t) - system.solution(c, 2)(x, t)).max() < most


def test_scattered_points_and_the_lattice_agree() -> None:
    c = reaction_diffusion.Coefficients()
    field, points = GRID.reference(reaction_diffusion.SYSTEM, c), GRID.points[::997]
    scattered = reaction_diffusion.reference(c, points[:, 0], points[:, 1])
    np.testing.assert_allclose(scattered, field.ravel()[::997], atol=1e-13)
