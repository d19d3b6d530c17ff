from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from experiments.operators import metrics


@pytest.fixture
def fields() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    predicted, reference = torch.randn(2, 3, 15, 20, dtype=torch.float64, generator=generator)
    return predicted, reference + 0.4


def wave(kx: int, ky: int, n: int = 32) -> torch.Tensor:
    """cos 2π (kx x + ky y), of shape (1, n, n), with the mean square 1/2."""
    x = 2 * torch.pi * torch.arange(n, dtype=torch.float64) / n
    return torch.cos(kx * x[:, None] + ky * x[None, :])[None]


def test_every_error_of_the_reference_itself_is_zero(fields: tuple[torch.Tensor, torch.Tensor]) -> None:
    for name, error in metrics.errors_of(fields[1], fields[1]).items():
        assert error.tolist() == [0, 0, 0], name


def test_errors_are_what_numpy_makes_of_their_formulas(fields: tuple[torch.Tensor, torch.Tensor]) -> None:
    found = metrics.errors_of(*fields)
    for sample, (p, r) in enumerate(zip(*(field.numpy() for field in fields), strict=True)):
        expected = {
            "rel_l2": np.sqrt(np.sum((p - r) ** 2) / np.sum(r**2)),
            "rmse": np.sqrt(np.mean((p - r) ** 2)),
            "vrmse": np.sqrt(np.mean((p - r) ** 2) / np.mean((r - r.mean()) ** 2)),
            "max_error": np.max(np.abs(p - r)),
        }
        for name, value in expected.items():
            assert found[name][sample].item() == pytest.approx(value, rel=1e-12)


def test_a_geometric_mean_moves_every_error_by_the_same_share() -> None:
    errors = torch.tensor([0.5, 0.02, 0.1], dtype=torch.float64, requires_grad=True)
    mean = metrics.geometric_mean(errors)
    assert mean.item() == pytest.approx(0.1)
    (gradient,) = torch.autograd.grad(mean, errors)
    assert torch.allclose(gradient * errors.detach(), mean.detach() / 3)
    exact = torch.tensor([0.0, 0.1], requires_grad=True)
    (gradient,) = torch.autograd.grad(metrics.geometric_mean(exact), exact)
    assert gradient.isfinite().all()


def test_zero_scores_a_relative_error_of_one_and_the_mean_a_vrmse_of_one(
    fields: tuple[torch.Tensor, torch.Tensor],
) -> None:
    reference = fields[1]
    assert torch.allclose(metrics.relative_l2(torch.zeros_like(reference), reference), torch.ones(3).double())
    mean = reference.mean((1, 2), keepdim=True).expand_as(reference)
    assert torch.allclose(metrics.vrmse(mean, reference), torch.ones(3).double())


@pytest.mark.parametrize("shape", [(15, 20), (16, 16), (9, 13)])
def test_the_bands_take_the_error_apart_with_nothing_left(shape: tuple[int, int]) -> None:
    predicted, reference = torch.randn(2, 4, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    parts = metrics.rmse_in_bands(predicted, reference)
    whole = sum(part.square() for part in parts.values())
    assert torch.allclose(whole, metrics.rmse(predicted, reference).square(), rtol=1e-12)


@pytest.mark.parametrize(
    ("kx", "ky", "band"),
    [(0, 0, "low"), (2, 3, "low"), (-3, 2, "low"), (4, 0, "mid"), (-3, 3, "mid"), (11, -4, "mid"), (0, 12, "high")],
)
def test_a_wave_of_error_is_in_the_band_of_its_wave_number(kx: int, ky: int, band: str) -> None:
    reference = wave(1, 1)
    parts = metrics.rmse_in_bands(reference + 0.3 * wave(kx, ky), reference)
    size = 0.3 * (1 if (kx, ky) == (0, 0) else math.sqrt(0.5))
    for name, part in parts.items():
        assert part.item() == pytest.approx(size if name == band else 0, abs=1e-14)


def test_the_same_error_is_measured_alike_on_any_grid() -> None:
    coarse, fine = (metrics.errors_of(wave(2, 1, n) + 0.1 * wave(5, 3, n), wave(2, 1, n)) for n in (16, 48))
    for name in ("rel_l2", "vrmse", "rmse", "rmse_low", "rmse_mid", "rmse_high"):
        assert coarse[name].item() == pytest.approx(fine[name].item(), rel=1e-12, abs=1e-15)
