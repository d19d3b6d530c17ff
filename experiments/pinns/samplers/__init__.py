"""One file each: how collocation points are placed in a box."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from engine.api import lazy_import

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")


class Sampler(msgspec.Struct, frozen=True, kw_only=True):
    """draw(count, dimensions, rng): points of the unit cube, (count, dimensions), float64."""

    title: str
    summary: str
    source: str = ""
    draw: Callable[[int, int, np.random.Generator], np.ndarray]

    def points(self, axes: Mapping[str, tuple[float, float]], count: int, rng: np.random.Generator) -> np.ndarray:
        """(count, axes), within the bounds of each axis."""
        low, high = np.array(list(axes.values())).T
        return low + (high - low) * self.draw(count, len(axes), rng)
