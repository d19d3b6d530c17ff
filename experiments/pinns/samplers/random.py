"""Independent uniform points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.pinns.samplers import Sampler

if TYPE_CHECKING:
    import numpy as np


def draw(count: int, dimensions: int, rng: np.random.Generator) -> np.ndarray:
    return rng.random((count, dimensions))


SAMPLER = Sampler(
    title="Random",
    summary="Independent uniform points; a strong optimiser can hide errors in the gaps between a few hundred of them",
    draw=draw,
)
