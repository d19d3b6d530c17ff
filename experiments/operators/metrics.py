"""Errors of predicted fields, one for each sample. Fields are (samples, nx, ny) on the periodic unit square."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from engine.api import lazy_import

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")

BANDS = {"low": (0.0, 4.0), "mid": (4.0, 12.0), "high": (12.0, math.inf)}
"""Wave numbers |k| = (kx² + ky²)^½ from and below which, in periods over the domain: PDEBench's default bands."""

MEANINGS = {
    "rel_l2": "relative L2 error, mean over the test samples",
    "rel_l2_median": "relative L2 error, median over the test samples",
    "rel_l2_q25": "relative L2 error, first quartile of the test samples",
    "rel_l2_q75": "relative L2 error, third quartile of the test samples",
    "nrmse": "nRMSE as PDEBench has it: of one field on an even grid it is the relative L2 error",
    "vrmse": "VRMSE of The Well: 1 is what the field's mean scores; mean over the test samples",
    "rmse": "root mean square error, mean over the test samples",
    "rmse_low": "the part of rmse in modes with |k| < 4, mean over the test samples",
    "rmse_mid": "the part of rmse in modes with 4 <= |k| < 12, mean over the test samples",
    "rmse_high": "the part of rmse in modes with |k| >= 12, mean over the test samples",
    "max_error": "largest absolute error of any test sample at any point",
    "residual": "‖operator(prediction) - f‖ / ‖f‖, mean over the test samples",
}
"""The figures of an evaluation."""


def relative_l2(predicted: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """‖predicted - reference‖₂ / ‖reference‖₂ of each sample, (samples,); differentiable.

    0 is exact, 1 is what the prediction 0 scores. The figure of the papers is the mean of this over the samples. For
    one field on an even grid it is also the nRMSE of PDEBench (Takamoto et al. 2022, arXiv 2210.07182).
    """
    return (predicted - reference).flatten(1).norm(dim=1) / reference.flatten(1).norm(dim=1)


def geometric_mean(errors: torch.Tensor) -> torch.Tensor:
    """The geometric mean of errors of samples, (samples,) -> (); differentiable, also where one is 0.

    Of relative errors it asks every sample for the same relative progress: in a mixture of systems the hard ones, whose
    errors stay large, do not drown what the easy ones still have to learn.
    """
    return errors.clamp(min=torch.finfo(errors.dtype).tiny).log().mean().exp()


def squared_error(predicted: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The sum over the points of (predicted - reference)² of each sample, (samples,)."""
    return (predicted - reference).flatten(1).square().sum(1)


def rmse(predicted: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The root mean square error over the points of each sample, (samples,), in the units of the field."""
    return (predicted - reference).flatten(1).square().mean(1).sqrt()


def vrmse(predicted: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """⟨(predicted - reference)²⟩^½ / ⟨(reference - ⟨reference⟩)²⟩^½ of each sample, (samples,).

    Of The Well (Ohana et al. 2024, arXiv 2412.00568): 0 is exact, 1 is what the reference's own mean scores. The Well
    adds 1e-7 to the variance, for fields that are constant; there are none here, and it is left out.
    """
    return rmse(predicted, reference) / reference.flatten(1).var(1, correction=0).sqrt()


def maximum(predicted: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The largest |predicted - reference| of each sample, (samples,); PDEBench reports the largest of all samples."""
    return (predicted - reference).abs().amax((1, 2))


def rmse_in_bands(predicted: torch.Tensor, reference: torch.Tensor) -> dict[str, torch.Tensor]:
    """The root mean square of the error's part in each of BANDS: {band: (samples,)}.

    The squares of the three sum to that of `rmse`, on any grid. PDEBench's fRMSE has the same bands, but counts a
    quadrant of the modes and averages over the whole numbers in a band.
    """
    n, m = predicted.shape[1:]
    power = torch.view_as_real(torch.fft.rfft2(predicted - reference, norm="forward")).square().sum(-1)
    return {band: (power * share).sum((1, 2)).sqrt() for band, share in _shares(n, m, predicted.device).items()}


@functools.lru_cache(maxsize=4)
def _shares(n: int, m: int, device: torch.device) -> dict[str, torch.Tensor]:
    """How often a mode of `rfft2` counts in each band: a real field's ky stands for -ky as well."""
    kx, ky = torch.fft.fftfreq(n, 1 / n, device=device)[:, None], torch.arange(m // 2 + 1, device=device)[None, :]
    size = (kx**2 + ky**2).sqrt()
    times = torch.where((ky == 0) | (2 * ky == m), 1.0, 2.0)
    return {band: ((size >= low) & (size < high)) * times for band, (low, high) in BANDS.items()}


def errors_of(predicted: torch.Tensor, reference: torch.Tensor) -> dict[str, torch.Tensor]:
    """All of the above by name, each (samples,)."""
    return {
        "rel_l2": relative_l2(predicted, reference),
        "vrmse": vrmse(predicted, reference),
        "rmse": rmse(predicted, reference),
        **{f"rmse_{band}": part for band, part in rmse_in_bands(predicted, reference).items()},
        "max_error": maximum(predicted, reference),
    }
