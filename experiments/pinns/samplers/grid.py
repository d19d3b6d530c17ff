"""A regular lattice, or as many points of it as are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.api import lazy_import
from experiments.pinns.samplers import Sampler

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")


def draw(count: int, dimensions: int, rng: np.random.Generator) -> np.ndarray:
    """Centres of the n^d cells of the smallest lattice that has enough; where these are more, some are left out."""
    n = 1
    while n**dimensions < count:
        n += 1
    chosen = np.sort(rng.choice(n**dimensions, count, replace=False))
    return (np.stack(np.unravel_index(chosen, (n,) * dimensions), axis=-1) + 0.5) / n


SAMPLER = Sampler(
    title="Grid",
    summary="A regular lattice with as many points along each axis; of those too many, some are left out by chance",
    draw=draw,
)
