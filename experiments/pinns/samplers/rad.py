"""Residual-based adaptive distribution: points where the residual is large, and some everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from engine.api import Spec, lazy_import
from experiments.pinns.samplers import Residual, Sampler, sobol

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")


class Settings(Spec, frozen=True, kw_only=True):
    exponent: Annotated[
        float,
        Meta(
            ge=0,
            le=10,
            description="How sharply points follow the residual; 0: not at all",
            extra_json_schema={"x-symbol": "k"},
        ),
    ] = 1.0
    constant: Annotated[
        float,
        Meta(
            ge=0,
            le=1000,
            description="Density that every place gets beside its residual's, in multiples of its mean",
            extra_json_schema={"x-symbol": "c"},
        ),
    ] = 1.0
    candidates: Annotated[
        int, Meta(ge=2, le=1000, description="Random places that points are chosen from, in multiples of the points")
    ] = 20


def adapt(settings: Settings, count: int, dimensions: int, rng: np.random.Generator, residual: Residual) -> np.ndarray:
    """Candidates drawn without repetition, with a probability p(x) in proportion to |r(x)|^k / mean |r|^k + c."""
    candidates = rng.random((settings.candidates * count, dimensions))
    size = np.abs(residual(candidates))
    largest = size.max()
    if not np.isfinite(largest) or largest == 0:
        return candidates[:count]
    powers = (size / largest) ** settings.exponent
    density = powers / powers.mean() + settings.constant
    if np.count_nonzero(density) < count:  # c = 0, and the residual is exactly 0 nearly everywhere
        return candidates[:count]
    chosen = rng.choice(len(candidates), count, replace=False, p=density / density.sum())
    return candidates[chosen]


SAMPLER = Sampler(
    title="Adaptive by residual (RAD)",
    summary="Drawn anew every so many iterations with a density that follows the residual; Sobol points to begin with",
    source="Wu, Zhu, Tan, Kartha and Lu 2023 (CMAME 403), RAD",
    settings=Settings,
    draw=sobol.draw,
    adapt=adapt,
)
