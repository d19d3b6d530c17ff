"""Self-scaled BFGS with a dense inverse Hessian."""

from __future__ import annotations

from experiments.pinns.optimizers import Optimizer
from experiments.pinns.optimizers._quasi_newton import QuasiNewton
from experiments.pinns.optimizers._self_scaled import SelfScaled, Update, memory


def rule(b: float, h: float, size: int) -> Update:
    return Update(1.0, min(1.0, 1 / b))


def make(settings: QuasiNewton) -> SelfScaled:
    return SelfScaled(settings, rule)


OPTIMIZER = Optimizer(
    title="Self-scaled BFGS",
    summary="BFGS with a dense inverse Hessian, rescaled at each step: for networks of up to a few thousand parameters",
    source="Al-Baali and Khalfan 2005; for PINNs Urbán, Stefanou and Pons 2024 (J. Comput. Phys. 523)",
    settings=QuasiNewton,
    make=make,
    memory=memory,
)
