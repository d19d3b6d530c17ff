"""Self-scaled Broyden: between BFGS and DFP and beyond, as the curvature along each step asks for."""

from __future__ import annotations

import math

from experiments.pinns.optimizers import Optimizer
from experiments.pinns.optimizers._quasi_newton import QuasiNewton
from experiments.pinns.optimizers._self_scaled import SelfScaled, Update, memory


def rule(b: float, h: float, size: int) -> Update:
    """Al-Baali's θ between its bounds θ⁻ and θ⁺, φ = (1 - θ) / (1 + aθ), and τ with the determinant's share σ."""
    a = h * b - 1  # at least 0, by Cauchy and Schwarz; 0 where H⁻¹s and y are parallel
    if a < 1e-12:
        return Update(1.0, min(1.0, 1 / b))
    low = min(1.0, h * (1 - math.sqrt(a / (1 + a))))
    theta = max((low - 1) / a, min(1 / low, (1 - b) / b))
    sigma = 1 + a * theta
    share = sigma ** (1 / (1 - size)) if size > 1 else 1.0
    scale = min(1.0, 1 / b)
    tau = scale * min(share, 1 / theta) if theta > 0 else min(scale * share, sigma)
    return Update((1 - theta) / sigma, tau)


def make(settings: QuasiNewton) -> SelfScaled:
    return SelfScaled(settings, rule)


OPTIMIZER = Optimizer(
    title="Self-scaled Broyden",
    summary="As ssbfgs, with Al-Baali's choice within the Broyden family: often another factor of ten in the error",
    source="Al-Baali and Khalfan 2005; for PINNs Urbán, Stefanou and Pons 2024 (J. Comput. Phys. 523)",
    settings=QuasiNewton,
    make=make,
    memory=memory,
)
