"""The damped harmonic oscillator: a mass on a spring, let go at rest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from engine.api import Spec, lazy_import
from experiments.pinns.problem import System

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")


class Coefficients(Spec, frozen=True, kw_only=True):
    m: Annotated[
        float, Meta(ge=0.1, le=10, description="Mass", extra_json_schema={"x-symbol": "m", "x-unit": "mass"})
    ] = 1.0
    mu: Annotated[
        float,
        Meta(
            ge=0,
            le=1000,
            description="Damping; critical where μ² = 4 m k",
            extra_json_schema={"x-symbol": "μ", "x-unit": "mass/time"},
        ),
    ] = 4.0
    k: Annotated[
        float,
        Meta(
            ge=0,
            le=1e5,
            description="Stiffness of the spring: without damping it swings at the angular frequency √(k/m)",
            extra_json_schema={"x-symbol": "k", "x-unit": "mass/time²"},
        ),
    ] = 400.0


def linear(c: Coefficients) -> dict[str, float]:
    return {"u_tt": c.m, "u_t": c.mu, "u": c.k}


def displacement(c: Coefficients) -> float:
    return 1.0


def velocity(c: Coefficients) -> float:
    return 0.0


def reference(c: Coefficients, t: np.ndarray) -> np.ndarray:
    """exp(-δt) (cos ωt + δ/ω sin ωt), with δ = μ/2m and ω² = k/m - δ²; beyond critical damping ω is imaginary, and the
    two exponentials are written so that neither grows nor cancels.
    """
    delta, natural = c.mu / (2 * c.m), c.k / c.m
    if natural >= delta**2:
        omega = math.sqrt(natural - delta**2)
        return np.exp(-delta * t) * (np.cos(omega * t) + delta * t * np.sinc(omega * t / math.pi))
    kappa = math.sqrt(delta**2 - natural)
    slow = natural / (delta + kappa)  # δ - κ, without cancellation
    decayed = -np.expm1(-2 * kappa * t) / (2 * kappa)
    return np.exp(-slow * t) * (1 + slow * decayed)


def ansatz(c: Coefficients, d: Any) -> tuple[Any, Any]:
    """M is quadratic in time at first and 1 once it has swung, so that N is of the size of u at all times."""
    swung = max(1.0, c.k / c.m) * d.t**2
    return 1 + 0 * d.t, swung / (1 + swung)


SYSTEM = System(
    title="Damped oscillator",
    summary="A mass on a spring, let go at rest: it swings, or creeps back where the damping is strong",
    equation="m u'' + μ u' + k u = 0 on [0, 1],  u(0) = 1,  u'(0) = 0",
    source="Any text on mechanics; as the illustration of PINNs in talks, Moseley 2021, m = 1, μ = 4, k = 400",
    label="oscillator m={m:g} μ={mu:g} k={k:g}",
    coefficients=Coefficients,
    main="k",
    step=100.0,
    axes={"t": (0.0, 1.0)},
    linear=linear,
    initial={"u": displacement, "u_t": velocity},
    reference=reference,
    ansatz=ansatz,
)
