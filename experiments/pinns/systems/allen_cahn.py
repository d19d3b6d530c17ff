"""The Allen-Cahn equation: phases ±1 that part into layers of width √(D/5)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from engine.api import Spec, lazy_import
from experiments.pinns.problem import System
from experiments.pinns.systems._kink import rounded
from experiments.pinns.systems._splitting import Splitting

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")

POINTS, STEPS = 2048, 198
"""Of the reference, in x and in time; all times of the grid are states. From the second of them on its error is below
1e-9 for the coefficients of the literature, and below 1e-6 for all.
"""

JUMP = 4.0
"""Of the slope of the initial condition, from the upper end to the lower."""


class Coefficients(Spec, frozen=True, kw_only=True):
    nu: Annotated[
        float,
        Meta(
            ge=1e-4,
            le=1,
            description="Diffusivity",
            extra_json_schema={"x-symbol": "ν", "x-unit": "length²/time"},
        ),
    ] = 1e-4
    rho: Annotated[
        float,
        Meta(
            ge=0,
            le=20,
            description="Rate at which the phases part",
            extra_json_schema={"x-symbol": "ρ", "x-unit": "1/time"},
        ),
    ] = 5.0


def linear(c: Coefficients) -> dict[str, float]:
    return {"u_t": 1.0, "u_xx": -c.nu, "u": -c.rho}


def nonlinear(c: Coefficients, d: Any) -> Any:
    return c.rho * d.u * d.u * d.u


def slopes(c: Coefficients, d: Any) -> dict[str, Any]:
    return {"u": 3 * c.rho * d.u * d.u}


def start(x: np.ndarray) -> np.ndarray:
    return x**2 * np.cos(math.pi * x)


def initial(c: Coefficients, x: np.ndarray) -> np.ndarray:
    return start(x)


@lru_cache(maxsize=32)
def solution(c: Coefficients, finer: int = 1) -> Splitting:
    """With so many times the points and steps. The slope of the initial condition jumps at the ends, a kink that
    diffusion rounds off.
    """

    def react(u: np.ndarray, dt: np.ndarray) -> np.ndarray:
        """u' = ρ (u - u³), solved exactly, without a growing exponential."""
        decay = np.exp(-2 * c.rho * dt)
        return u / np.sqrt(u**2 + (1 - u**2) * decay)

    return Splitting(start, react, c.nu, SYSTEM.axes["x"], points=finer * POINTS, steps=finer * STEPS)


def reference(c: Coefficients, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    return solution(c)(x, t)


def ansatz(c: Coefficients, d: Any) -> tuple[Any, Any]:
    """The initial condition, the jump of its slope at the ends rounded off as diffusion does."""
    start = d.x**2 * (math.pi * d.x).cos()
    return start + rounded(d.x, d.t, SYSTEM.axes["x"], JUMP, c.nu), d.t


SYSTEM = System(
    title="Allen-Cahn",
    summary="Two phases that part at rate ρ, with layers between them as thin as √(ν/ρ)",
    equation="u_t - ν u_xx - ρ u + ρ u³ = 0 on [-1, 1],  u(x, 0) = x² cos πx,  u and u_x periodic",
    source="Allen and Cahn 1979; as a test of PINNs Raissi, Perdikaris and Karniadakis 2019 (J. Comput. Phys. 378)",
    label="Allen-Cahn ν={nu:g} ρ={rho:g}",
    coefficients=Coefficients,
    main="rho",
    step=1.0,
    axes={"x": (-1.0, 1.0), "t": (0.0, 1.0)},
    linear=linear,
    nonlinear=nonlinear,
    reads=("u",),
    slopes=slopes,
    initial={"u": initial},
    periodic=("u", "u_x"),
    reference=reference,
    ansatz=ansatz,
)
