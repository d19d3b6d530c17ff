from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from experiments.operators import spectral
from experiments.operators.systems.poisson import SYSTEM

K = torch.tensor([[0.021, 0.043, -0.013]], dtype=torch.float64)[:, :, None, None]
"""k11, k22, k12 of a positive definite tensor."""


def solve(source: torch.Tensor, transform: spectral.Transform) -> torch.Tensor:
    operator = SYSTEM.symbol(K.to(source.dtype), transform.modes)
    return transform.synthesise(spectral.divide(transform.analyse(source), operator))


def manufactured(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """u = exp(sin 2πx) cos(2πy + 1), less its mean, and f = -∇·K∇u by hand."""
    x, y = torch.meshgrid(*[2 * torch.pi * torch.arange(n, dtype=torch.float64) / n] * 2, indexing="ij")
    e, c, s, w = torch.exp(torch.sin(x)), torch.cos(y + 1), torch.sin(y + 1), 2 * torch.pi
    xx, xy, yy = w**2 * e * (torch.cos(x) ** 2 - torch.sin(x)) * c, -(w**2) * e * torch.cos(x) * s, -(w**2) * e * c
    k11, k22, k12 = K.flatten()
    return (e * c - (e * c).mean())[None], -(k11 * xx + 2 * k12 * xy + k22 * yy)[None]


@pytest.mark.parametrize("n", [48, 63])
def test_a_manufactured_solution_is_found(n: int) -> None:
    u, f = manufactured(n)
    found = solve(f, spectral.AllModes(n, torch.float64))
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


def test_it_solves_what_a_dense_matrix_of_spectral_differences_solves() -> None:
    n, (k11, k22, k12) = 10, K.flatten().tolist()
    first, second = differentiation(n)
    one = np.eye(n)
    operator = -(k11 * np.kron(second, one) + k22 * np.kron(one, second) + 2 * k12 * np.kron(first, first))
    f = np.random.default_rng(0).normal(size=(n, n))  # every mode there is, the highest too
    f -= f.mean()
    u, *_ = scipy.linalg.lstsq(operator, f.ravel())
    u -= u.mean()  # which the equation leaves open
    found = solve(torch.from_numpy(f)[None], spectral.AllModes(n, torch.float64))
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
