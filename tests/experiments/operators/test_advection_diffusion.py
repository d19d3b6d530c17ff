from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch

from engine.errors import TaskError
from experiments.operators import generate, spectral
from experiments.operators.recipe import Recipe
from experiments.operators.systems.advection_diffusion import SYSTEM

RecipeOf = Callable[..., Recipe]
PSI, E, THETA, PHI = range(4)


def ratios(samples: generate.Samples) -> np.ndarray:
    """‖λ v·∇u‖ / ‖(1-λ) ∇·K∇u‖ of the fields, the derivatives by a Fourier transform that is written out here."""
    n = samples.solution.shape[-1]
    k = 2j * torch.pi * torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)
    k1 = torch.where(2 * torch.arange(n) == n, 0, k)  # of the highest mode an odd derivative is zero at every point
    spectrum = torch.fft.fft2(samples.solution.double())
    k11, k22, k12, v1, v2 = torch.from_numpy(samples.coefficients)[:, :, None, None].unbind(1)
    second = k11 * k[:, None] ** 2 + k22 * k[None, :] ** 2 + 2 * k12 * k1[:, None] * k1[None, :]
    first = v1 * k1[:, None] + v2 * k1[None, :]
    advection, diffusion = (torch.fft.ifft2(s * spectrum).real.flatten(1).norm(dim=1) for s in (first, second))
    return (advection / diffusion).numpy()


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0.2, 1.0, "float64"),
        (1.0, 2.0, "float64"),
        (0.2, 0.4, "float32"),
        (1e-4, 1e-3, "float64"),
        (5.0, 9.0, "float64"),
    ],
)
def test_the_ratio_of_advection_to_diffusion_is_the_one_drawn(
    recipe_of: RecipeOf, low: float, high: float, dtype: str
) -> None:
    recipe = recipe_of(system="advection_diffusion", range=(low, high), grid=64, dtype=dtype)
    samples = generate.make(recipe, "train", 128)
    psi = samples.drawn[:, PSI]
    assert low <= psi.min() < low + 0.1 * (high - low) < high - 0.1 * (high - low) < psi.max() <= high
    assert np.abs(ratios(samples) / psi - 1).max() < (1e-10 if dtype == "float64" else 1e-6)


@pytest.mark.parametrize("end", [0.2, 1.0, 2.0])
def test_the_ends_of_a_range_are_hit(recipe_of: RecipeOf, end: float) -> None:
    recipe = recipe_of(system="advection_diffusion", range=(end, end), grid=32, dtype="float64")
    assert ratios(generate.make(recipe, "test", 64)) == pytest.approx(np.full(64, end), rel=1e-10)


def test_parameters_are_uniform_and_coefficients_are_made_of_them(recipe_of: RecipeOf) -> None:
    samples = generate.make(recipe_of(system="advection_diffusion", range=(0.2, 1.0), grid=12), "train", 2000)
    for column, start, width in ((PSI, 0.2, 0.8), (E, 1, 4), (THETA, 0, 2 * np.pi), (PHI, 0, 2 * np.pi)):
        assert scipy.stats.kstest(samples.drawn[:, column], "uniform", (start, width)).pvalue > 0.01
    assert np.abs(np.corrcoef(samples.drawn[:, :4].T) - np.eye(4)).max() < 0.07
    k11, k22, k12, v1, v2 = samples.coefficients.T
    mix = np.hypot(v1, v2)
    e, phi = samples.drawn[:, E], samples.drawn[:, PHI]
    assert 0 < mix.min() < mix.max() < 1
    assert np.allclose(np.stack([v1, v2]), mix * np.stack([np.cos(phi), np.sin(phi)]))
    assert np.allclose(k11 + k22, 0.01 * (1 - mix) * (1 + e))
    assert np.allclose(k11 * k22 - k12**2, (0.01 * (1 - mix)) ** 2 * e)


def test_sources_and_solutions_have_zero_mean(recipe_of: RecipeOf) -> None:
    samples = generate.make_block(recipe_of(system="advection_diffusion", grid=32, dtype="float64"), "train", 0)
    for field in (samples.source, samples.solution):
        assert field.mean((1, 2)).abs().max() < 1e-15


def test_the_ratio_does_not_depend_on_the_grid(recipe_of: RecipeOf) -> None:
    coarse, fine = (
        generate.make_block(
            recipe_of(system="advection_diffusion", range=(0.2, 1.0), grid=n, dtype="float64"), "train", 0
        )
        for n in (64, 96)
    )
    assert np.allclose(coarse.coefficients, fine.coefficients, rtol=1e-6, atol=1e-9)


def test_a_ratio_that_no_mixture_has_is_refused() -> None:
    transform = spectral.AllModes(16, torch.float64)
    along_y = torch.cos(2 * torch.pi * torch.arange(16, dtype=torch.float64) / 16).expand(1, 16, 16)
    along_x = along_y.transpose(1, 2)
    drawn = {key: np.array([value]) for key, value in (("psi", 1.5), ("e", 2.0), ("theta", 0.0), ("phi", 0.0))}
    found = SYSTEM.coefficients_of(drawn, transform.analyse(along_x), transform.modes)
    assert found[0, 3] > 0
    half = transform.analyse(along_x + along_y)  # half of it is never advected: at most Ψ = 1
    with pytest.raises(TaskError, match=r"range: required ratios .* some λ in \(0, 1\) gives on this grid, got 1.5"):
        SYSTEM.coefficients_of(drawn, half, transform.modes)
    with pytest.raises(TaskError, match=r"got 1\.5"):
        SYSTEM.coefficients_of(drawn, transform.analyse(along_y), transform.modes)
