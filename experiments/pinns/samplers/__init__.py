"""One file each: how collocation points are placed in a box."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api import TaskError, lazy_import

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")


Residual = Callable[["np.ndarray"], "np.ndarray"]
"""points (n, axes) -> the residual of what is trained, there, (n,)."""


class Sampler(msgspec.Struct, frozen=True, kw_only=True):
    """draw(count, dimensions, rng): points of the unit cube, (count, dimensions), float64.

    adapt(settings, count, dimensions, rng, residual): such points by the residual, a function of points of the unit
        cube; for samplers that follow it. `settings` is an instance of the struct of that name.
    """

    title: str
    summary: str
    source: str = ""
    settings: type[msgspec.Struct] | None = None
    draw: Callable[[int, int, np.random.Generator], np.ndarray]
    adapt: Callable[[Any, int, int, np.random.Generator, Residual], np.ndarray] | None = None

    def points(
        self,
        axes: Mapping[str, tuple[float, float]],
        count: int,
        rng: np.random.Generator,
        settings: Any = None,
        residual: Residual | None = None,
    ) -> np.ndarray:
        """(count, axes), within the bounds of each axis. residual: where it is known, of points within these bounds.

        Raises TaskError where what is drawn is not so many points of the unit cube.
        """
        low, high = np.array(list(axes.values())).T
        if self.adapt is None or residual is None:
            drawn = self.draw(count, len(axes), rng)
        else:
            known = residual
            drawn = self.adapt(settings, count, len(axes), rng, lambda cube: known(low + (high - low) * cube))
        if drawn.shape != (count, len(axes)) or not (drawn.min(initial=0) >= 0 and drawn.max(initial=1) <= 1):
            raise TaskError(
                f"sampler: required {count} points of the unit cube in {len(axes)} dimensions, got {self.title} points "
                f"of the shape {drawn.shape} from {drawn.min(initial=1):g} to {drawn.max(initial=0):g}"
            )
        return low + (high - low) * drawn
