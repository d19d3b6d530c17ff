"""Terms weighed so that none has the say by the size of its gradient alone.

The factor of a term goes towards λ̂_i = Σ_j ‖∇L_j‖ / ‖∇L_i‖, as a moving average: λ_i ← α λ_i + (1 - α) λ̂_i.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from engine.api import Spec
from experiments.pinns.balancing import Balancing
from experiments.pinns.optimizers import Evaluation


class Settings(Spec, frozen=True, kw_only=True):
    every: Annotated[
        int, Meta(ge=1, description="Iterations between two balancings, each of which takes an evaluation a term")
    ] = 100
    decay: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="Part of a weight that a balancing keeps",
            extra_json_schema={"x-symbol": "α"},
        ),
    ] = 0.9


def balance(settings: Settings, factors: Mapping[str, float], alone: Mapping[str, Evaluation]) -> dict[str, float]:
    """A term whose gradient is 0, or not finite, keeps its factor."""
    norms = {term: float(at.gradient.norm()) for term, at in alone.items()}
    total = sum(norm for norm in norms.values() if math.isfinite(norm))
    return {
        term: settings.decay * factors[term] + (1 - settings.decay) * total / norm
        if math.isfinite(norm) and norm > 0
        else factors[term]
        for term, norm in norms.items()
    }


BALANCING = Balancing(
    title="Gradient norms",
    summary="Every so many iterations, towards weights by which the gradients of all terms are of one size",
    source="Wang, Teng and Perdikaris 2021 (SIAM J. Sci. Comput. 43); as in Wang et al. 2023, An expert's guide",
    settings=Settings,
    every=lambda settings: settings.every,
    balance=balance,
)
