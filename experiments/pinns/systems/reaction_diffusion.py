"""Reaction and diffusion, Fisher's equation: logistic growth at every x, spread by diffusion."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from engine.api import Spec, lazy_import
from experiments.pinns.problem import System
from experiments.pinns.systems import reaction
from experiments.pinns.systems._kink import rounded
from experiments.pinns.systems._splitting import Splitting

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")

POINTS = 256
"""In x, of the reference: with ν from 0.1 the modes beyond are gone within the first hundredth of the time."""


class Coefficients(Spec, frozen=True, kw_only=True):
    nu: Annotated[
        float,
        Meta(
            ge=0.1,
            le=100,
            description="Diffusivity",
            extra_json_schema={"x-symbol": "ν", "x-unit": "length²/time"},
        ),
    ] = 5.0
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
    return {"u_t": 1.0, "u_xx": -c.nu}


def nonlinear(c: Coefficients, d: Any) -> Any:
    return c.rho * d.u * (d.u - 1)


def slopes(c: Coefficients, d: Any) -> dict[str, Any]:
    return {"u": c.rho * (2 * d.u - 1)}


def initial(c: Coefficients, x: np.ndarray) -> np.ndarray:
    return reaction.gaussian(x)


def steps(c: Coefficients) -> int:
    """Of the reference: its error is below 1e-10 for the coefficients of the paper, and below 1e-6 for all.

    All times of the grid are states.
    """
    return 99 * math.ceil(2 + c.rho / 10)


@lru_cache(maxsize=32)
def solution(c: Coefficients, finer: int = 1) -> Splitting:
    """With so many times the points and steps. The Gaussian is not quite periodic: its slope jumps by 3.4e-3 at the
    ends, which diffusion smooths at once.
    """

    def react(u: np.ndarray, dt: np.ndarray) -> np.ndarray:
        decay = np.exp(-c.rho * dt)
        return u / (u + (1 - u) * decay)

    return Splitting(reaction.gaussian, react, c.nu, SYSTEM.axes["x"], points=finer * POINTS, steps=finer * steps(c))


def reference(c: Coefficients, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    return solution(c)(x, t)


def ansatz(c: Coefficients, d: Any) -> tuple[Any, Any]:
    """The Gaussian, the jump of its slope at the ends rounded off as diffusion does."""
    start = reaction.gaussian_of(d.x)
    ends = SYSTEM.axes["x"]
    jump = 2 * math.pi / reaction.SPREAD**2 * math.exp(-((math.pi / reaction.SPREAD) ** 2) / 2)
    return start + rounded(d.x, d.t, ends, jump, c.nu), d.t


SYSTEM = System(
    title="Reaction-diffusion",
    summary="Logistic growth at rate ρ from a Gaussian, spread by diffusion at ν",
    equation="u_t - ν u_xx - ρ u (1 - u) = 0,  u(x, 0) = exp(-((x - π)/(π/4))²/2),  u and u_x periodic",
    source="Krishnapriyan et al. 2021 (NeurIPS), Sec. 3.2, Tab. 2; Fisher 1937",
    label="reaction-diffusion ν={nu:g} ρ={rho:g}",
    coefficients=Coefficients,
    main="rho",
    step=1.0,
    linear=linear,
    nonlinear=nonlinear,
    reads=("u",),
    slopes=slopes,
    initial={"u": initial},
    periodic=("u", "u_x"),
    reference=reference,
    ansatz=ansatz,
)
