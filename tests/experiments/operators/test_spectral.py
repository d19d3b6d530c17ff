from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from experiments.operators import spectral
from experiments.operators.system import find

K, V, OMEGA = (0.021, 0.043, -0.013), (0.6, -0.9), 7.0
"""k11, k22, k12 of a positive definite tensor; a velocity; the ω of Helmholtz."""
CASES = {
    "poisson": (K, (*K, 0.0, 0.0, 0.0)),
    "advection_diffusion": ((*K, *V), (*K, *V, 0.0)),
    "helmholtz": ((0.01, OMEGA), (0.01, 0.01, 0.0, 0.0, 0.0, OMEGA)),
}
"""By system: coefficients, and what they say of the terms k11, k22, k12, v1, v2, ω of -∇·K∇u + v·∇u - ωu."""


@pytest.fixture(params=CASES)
def key(request: pytest.FixtureRequest) -> str:
    return request.param


def solve(key: str, source: torch.Tensor, transform: spectral.Transform) -> torch.Tensor:
    coefficients = torch.tensor([CASES[key][0]], dtype=source.dtype)[:, :, None, None]
    operator = find(key).symbol(coefficients, transform.modes)
    return transform.synthesise(spectral.divide(transform.analyse(source), operator))


def manufactured(key: str, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """u = exp(sin 2πx) cos(2πy + 1), with a mean only where the equation has a term in u, and f by hand."""
    x, y = torch.meshgrid(*[2 * torch.pi * torch.arange(n, dtype=torch.float64) / n] * 2, indexing="ij")
    e, c, s, w = torch.exp(torch.sin(x)), torch.cos(y + 1), torch.sin(y + 1), 2 * torch.pi
    xx, xy, yy = w**2 * e * (torch.cos(x) ** 2 - torch.sin(x)) * c, -(w**2) * e * torch.cos(x) * s, -(w**2) * e * c
    k11, k22, k12, v1, v2, omega = CASES[key][1]
    u = e * c - (e * c).mean() + (0.7 if omega else 0.0)
    advection = w * (v1 * e * torch.cos(x) * c - v2 * e * s)
    return u[None], (advection - (k11 * xx + 2 * k12 * xy + k22 * yy) - omega * u)[None]


@pytest.mark.parametrize("n", [48, 63])
def test_a_manufactured_solution_is_found(key: str, n: int) -> None:
    u, f = manufactured(key, n)
    found = solve(key, f, spectral.AllModes(n, torch.float64))
    assert (found - u).norm() < 1e-10 * u.norm()


def differentiation(n: int) -> tuple[np.ndarray, np.ndarray]:
    """First and second derivatives of the trigonometric interpolant at n (even) points of the unit interval: Trefethen,
    Spectral Methods in MATLAB, chapter 3."""
    h = 2 * np.pi / n
    j = np.arange(1, n)
    first = np.concatenate([[0], 0.5 * (-1.0) ** j / np.tan(j * h / 2)])
    second = np.concatenate([[-(np.pi**2) / (3 * h**2) - 1 / 6], -0.5 * (-1.0) ** j / np.sin(j * h / 2) ** 2])
    lags = np.arange(n)[:, None] - np.arange(n)[None, :]
    return 2 * np.pi * first[lags % n], (2 * np.pi) ** 2 * second[lags % n]


def test_it_solves_what_a_dense_matrix_of_spectral_differences_solves(key: str) -> None:
    n, (k11, k22, k12, v1, v2, omega) = 10, CASES[key][1]
    first, second = differentiation(n)
    one = np.eye(n)
    operator = -(k11 * np.kron(second, one) + k22 * np.kron(one, second) + 2 * k12 * np.kron(first, first))
    operator += v1 * np.kron(first, one) + v2 * np.kron(one, first) - omega * np.eye(n * n)
    f = np.random.default_rng(0).normal(size=(n, n))  # every mode there is, the highest too
    if not omega:
        f -= f.mean()
    u, *_ = scipy.linalg.lstsq(operator, f.ravel())
    if not omega:
        u -= u.mean()  # which the equation leaves open
    found = solve(key, torch.from_numpy(f)[None], spectral.AllModes(n, torch.float64))
    assert np.linalg.norm(found[0].numpy() - u.reshape(n, n)) < 1e-10 * np.linalg.norm(u)


def test_low_modes_are_those_of_the_whole_transform() -> None:
    n, bound = 20, 6
    field = torch.randn(2, n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    low, whole = spectral.LowModes(n, bound, torch.float64), spectral.AllModes(n, torch.float64)
    kx = [*range(bound + 1), *range(-bound, 0)]
    kept = whole.analyse(field)[:, kx, : bound + 1]
    assert torch.allclose(low.analyse(field), kept, atol=1e-12)
    spread = torch.zeros_like(whole.analyse(field))
    spread[:, kx, : bound + 1] = kept
    assert torch.allclose(low.synthesise(kept), whole.synthesise(spread), atol=1e-14)
    for one, other in zip(low.modes, whole.modes, strict=True):
        rows = other[kx] if len(other) > 1 else other
        assert torch.equal(one, rows[:, : bound + 1] if rows.shape[1] > 1 else rows)


def test_a_mode_on_which_the_operator_is_zero_is_left_out_of_the_solution() -> None:
    spectrum = torch.tensor([3 + 1j, 4 + 2j])
    assert spectral.divide(spectrum, torch.tensor([0.0, 2.0])).tolist() == [0, 2 + 1j]


def test_more_low_modes_than_the_grid_has_are_refused() -> None:
    with pytest.raises(ValueError, match="below n / 2 = 10, got 10"):
        spectral.LowModes(20, 10, torch.float64)
