"""Latin hypercube: random points of which every slice of every axis holds one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.api import lazy_import
from experiments.pinns.samplers import Sampler

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")


def draw(count: int, dimensions: int, rng: np.random.Generator) -> np.ndarray:
    slices = np.stack([rng.permutation(count) for _ in range(dimensions)], axis=-1)
    return (slices + rng.random((count, dimensions))) / count


SAMPLER = Sampler(
    title="Latin hypercube",
    summary="Random points of which every one of as many slices of each axis holds exactly one",
    source="McKay, Beckman and Conover 1979 (Technometrics 21)",
    draw=draw,
)
