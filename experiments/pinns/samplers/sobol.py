"""A scrambled Sobol sequence: points that leave no large gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.api import lazy_import
from experiments.pinns.samplers import Sampler

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    np = lazy_import("numpy")
    torch = lazy_import("torch")


def draw(count: int, dimensions: int, rng: np.random.Generator) -> np.ndarray:
    sequence = torch.quasirandom.SobolEngine(dimensions, scramble=True, seed=int(rng.integers(2**31)))
    return sequence.draw(count, dtype=torch.float64).numpy()


SAMPLER = Sampler(
    title="Sobol",
    summary="A scrambled Sobol sequence: evenly spread, without the gaps of random points",
    source="Sobol 1967; scrambling by Owen 1995 and Matoušek 1998",
    draw=draw,
)
