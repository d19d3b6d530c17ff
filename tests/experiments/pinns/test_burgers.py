"""The reference of Burgers' equation, beside other ways to the same solution."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.pinns.problem import grid_of
from experiments.pinns.systems.burgers import SYSTEM, Coefficients, reference


def by_fourier(nu: float, end: float, modes: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """x and u at the end, by a Fourier method: diffusion exactly, by an integrating factor, the rest by the method of
    Runge and Kutta of the fourth order. The solution is odd and periodic, so walls at 0 are met by themselves.
    """
    x = -1 + 2 * np.arange(modes) / modes
    k = np.pi * np.arange(modes // 2 + 1)
    dealiased = k < 2 / 3 * k[-1]
    dt = end / steps
    half = np.exp(-nu * k**2 * dt / 2)

    def slope(u_hat: np.ndarray) -> np.ndarray:
        u = np.fft.irfft(u_hat)
        return -0.5j * k * np.fft.rfft(u * u) * dealiased

    u = np.fft.rfft(-np.sin(np.pi * x))
    for _ in range(steps):
        one = slope(u)
        two = slope(half * (u + dt / 2 * one))
        three = slope(half * u + dt / 2 * two)
        four = slope(half * (half * u + dt * three))
        u = half**2 * u + dt / 6 * (half**2 * one + 2 * half * (two + three) + four)
    return x, np.fft.irfft(u)


def test_the_reference_is_what_a_converged_fourier_method_finds() -> None:
    """Of the fourth order in time, until it finds the very same."""
    nu, end = 0.02, 0.6
    errors = []
    for steps in (250, 500, 2000):
        x, u = by_fourier(nu, end, 1024, steps)
        errors.append(np.abs(u - reference(Coefficients(nu=nu), x, np.full_like(x, end))).max())
    assert 12 < errors[0] / errors[1] < 20
    assert errors[-1] < 1e-10


def test_the_reference_is_the_quadrature_of_the_literature() -> None:
    """Gauss and Hermite's, of Basdevant et al. 1986, where that has converged."""
    nu = 0.05
    z, weights = np.polynomial.hermite.hermgauss(100)
    x, t = np.linspace(-1, 1, 41)[:, None], np.linspace(0.05, 1, 20)[None, :]
    y = x[..., None] - 2 * np.sqrt(nu * t[..., None]) * z
    heat = weights * np.exp(-np.cos(np.pi * y) / (2 * np.pi * nu))
    expected = -(heat * np.sin(np.pi * y)).sum(axis=-1) / heat.sum(axis=-1)
    np.testing.assert_allclose(reference(Coefficients(nu=nu), x, t), expected, atol=1e-13)


@pytest.mark.parametrize("nu", [5e-4, 0.01 / math.pi, 0.05, 0.3, 1.0])
def test_a_finer_quadrature_changes_nothing(nu: float, monkeypatch: pytest.MonkeyPatch) -> None:
    c, grid = Coefficients(nu=nu), grid_of(SYSTEM).every(x=9, t=9)
    usual = grid.reference(SYSTEM, c)
    monkeypatch.setattr("experiments.pinns.systems.burgers.SPACING", 0.13)
    np.testing.assert_allclose(usual, grid.reference(SYSTEM, c), atol=1e-13)


def test_the_shock_is_as_steep_as_the_literature_says() -> None:
    """|u_x(0)| is largest at t = 1.6037 / π, and there 152.00516 (Basdevant et al. 1986)."""
    c, h = Coefficients(nu=0.01 / math.pi), 1e-6
    slope = reference(c, np.array([h]), np.array([1.6037 / math.pi])) / h
    assert slope == pytest.approx(-152.00516, rel=1e-6)
