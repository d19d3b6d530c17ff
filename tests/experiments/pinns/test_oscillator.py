"""The damped oscillator, below, at and beyond critical damping."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from experiments.pinns.systems.oscillator import Coefficients, reference

CRITICAL = 2 * math.sqrt(400.0)
T = np.linspace(0, 1, 50)


@pytest.mark.parametrize("mu", [0.0, 4.0, CRITICAL * (1 - 1e-9), CRITICAL, CRITICAL * (1 + 1e-9), 60.0, 1000.0])
def test_the_reference_is_what_an_integrator_finds(mu: float) -> None:
    c = Coefficients(m=1.0, mu=mu, k=400.0)
    found = solve_ivp(
        lambda t, y: [y[1], -(c.mu * y[1] + c.k * y[0]) / c.m], (0, 1), [1.0, 0.0], "DOP853", T, rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(reference(c, T), found.y[0], atol=1e-9)


def test_the_solution_passes_smoothly_through_critical_damping() -> None:
    at = reference(Coefficients(mu=CRITICAL), T)
    for mu in (CRITICAL * (1 - 1e-12), CRITICAL * (1 + 1e-12)):
        np.testing.assert_allclose(reference(Coefficients(mu=mu), T), at, atol=1e-10)


def test_without_a_spring_a_mass_at_rest_stays() -> None:
    np.testing.assert_allclose(reference(Coefficients(mu=3.0, k=0.0), T), 1.0)
