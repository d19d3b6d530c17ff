"""The reaction term of Fisher's equation alone: logistic growth at every x, from a Gaussian."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from engine.api import Spec, lazy_import
from experiments.pinns.problem import System

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    np = lazy_import("numpy")

SPREAD = math.pi / 4
"""Standard deviation of the Gaussian that the reaction starts from, centred at π."""


class Coefficients(Spec, frozen=True, kw_only=True):
    rho: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="Growth rate. Regular training fails from about 5, by optimiser and precision",
            extra_json_schema={"x-symbol": "ρ", "x-unit": "1/time"},
        ),
    ] = 5.0


def linear(c: Coefficients) -> dict[str, float]:
    return {"u_t": 1.0}


def nonlinear(c: Coefficients, d: Any) -> Any:
    return c.rho * d.u * (d.u - 1)


def slopes(c: Coefficients, d: Any) -> dict[str, Any]:
    return {"u": c.rho * (2 * d.u - 1)}


def gaussian(x: np.ndarray) -> np.ndarray:
    return np.exp(-(((x - math.pi) / SPREAD) ** 2) / 2)


def initial(c: Coefficients, x: np.ndarray) -> np.ndarray:
    return gaussian(x)


def reference(c: Coefficients, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The logistic solution u0 / (u0 + (1 - u0) exp(-ρt)): no growing exponential, and 1 - u0 without cancellation."""
    rest = -np.expm1(-(((x - math.pi) / SPREAD) ** 2) / 2)
    start = initial(c, x)
    return start / (start + rest * np.exp(-c.rho * t))


def gaussian_of(x: torch.Tensor) -> torch.Tensor:
    return (-(((x - math.pi) / SPREAD) ** 2) / 2).exp()


def ansatz(c: Coefficients, d: Any) -> tuple[Any, Any]:
    return gaussian_of(d.x), d.t


SYSTEM = System(
    title="Reaction",
    summary="Logistic growth at rate ρ from a Gaussian: steep fronts between 0 and 1",
    equation="u_t - ρ u (1 - u) = 0,  u(x, 0) = exp(-((x - π)/(π/4))²/2),  u(0, t) = u(2π, t)",
    source="Krishnapriyan et al. 2021 (NeurIPS), Sec. 3.2 and Tab. E.2",
    label="reaction ρ={rho:g}",
    coefficients=Coefficients,
    main="rho",
    step=1.0,
    linear=linear,
    nonlinear=nonlinear,
    reads=("u",),
    slopes=slopes,
    initial={"u": initial},
    periodic=("u",),
    reference=reference,
    ansatz=ansatz,
)
