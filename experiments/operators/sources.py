"""Random sources: mixtures of Gaussians on a square lattice, with sparse amplitudes (Subramanian et al. 2023).

12 x 12 Gaussians with σ = 1/32, spacing 1/16, around the middle of the unit square. An amplitude is zero with the
probability `sparsity`, else uniform in (0.001, 1). The source is divided by its largest value on the grid; then, for
most systems, its mean is taken off. Distances are periodic, which the published code leaves out: a difference of 4e-6.
"""

from __future__ import annotations

import functools

import numpy as np
import torch

SIDE, SIGMA, SPACING = 12, 1 / 32, 1 / 16
SPARSITY = (0.2, 0.4, 0.6, 0.8)
"""In turn from sample to sample, so that each is had by a quarter of any set."""


def amplitudes(rng: np.random.Generator, sparsity: np.ndarray) -> np.ndarray:
    """Amplitudes of samples of this sparsity, (count,): (count, 12, 12), at least one of each sample above zero."""
    count = len(sparsity)
    active = rng.random((count, SIDE**2)) >= sparsity[:, None]
    drawn = rng.uniform(1e-3, 1.0, (count, SIDE**2))
    active[np.arange(count), rng.integers(SIDE**2, size=count)] |= ~active.any(axis=1)
    return np.where(active, drawn, 0.0).reshape(count, SIDE, SIDE)


@functools.lru_cache(maxsize=8)
def profiles(n: int, dtype: torch.dtype, device: str = "cpu") -> torch.Tensor:
    """The Gaussians of one axis at the points i / n, of shape (n, 12): those of the plane are their products."""
    centres = 0.5 + SPACING * (np.arange(SIDE) - (SIDE - 1) / 2)
    distance = np.arange(n)[:, None] / n - centres
    distance -= np.round(distance)
    return torch.as_tensor(np.exp(-(distance**2) / (2 * SIGMA**2)), dtype=dtype, device=device)


def mixture(
    drawn: np.ndarray, n: int, dtype: torch.dtype, device: str = "cpu", *, zero_mean: bool = True
) -> torch.Tensor:
    """The sources of these amplitudes on n x n points: (count, n, n)."""
    g = profiles(n, dtype, device)
    lattice = torch.as_tensor(drawn, dtype=dtype, device=device)
    field = torch.matmul(g, torch.matmul(lattice, g.T))
    scale = field.amax((1, 2), keepdim=True).reciprocal_()
    if not zero_mean:
        return field.mul_(scale)
    mean = g.mean(0) @ lattice @ g.mean(0)
    return field.sub_(mean[:, None, None]).mul_(scale)
