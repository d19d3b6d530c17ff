"""Burgers' equation: a sine wave that steepens into a shock of width ν at x = 0."""

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

SPACING = 0.2
"""Of the quadrature, in units of the width of the heat kernel, over 1 + √ν: its error is below rounding, whatever ν."""

AT_ONCE = 2**20
"""Values of the integrand that are in memory at once."""


class Coefficients(Spec, frozen=True, kw_only=True):
    nu: Annotated[
        float,
        Meta(
            ge=5e-4,
            le=1,
            description="Viscosity: the smaller, the thinner the shock; 0.01/π in the literature",
            extra_json_schema={"x-symbol": "ν", "x-unit": "length²/time"},
        ),
    ] = 0.01 / math.pi


def linear(c: Coefficients) -> dict[str, float]:
    return {"u_t": 1.0, "u_xx": -c.nu}


def nonlinear(c: Coefficients, d: Any) -> Any:
    return d.u * d.u_x


def slopes(c: Coefficients, d: Any) -> dict[str, Any]:
    return {"u": d.u_x, "u_x": d.u}


def initial(c: Coefficients, x: np.ndarray) -> np.ndarray:
    return -np.sin(math.pi * x)


def wall(c: Coefficients, t: np.ndarray) -> np.ndarray:
    return np.zeros_like(t)


def reference(c: Coefficients, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """By the transform of Cole and Hopf, which makes it the heat equation: u is the mean of -sin πy under the weight
    exp(-cos πy / 2πν) exp(-(x - y)² / 4νt), by the trapezoidal rule, which converges exponentially for such integrands
    (Basdevant et al. 1986, Comput. Fluids 14; Trefethen and Weideman 2014, SIAM Rev. 56).
    """
    x, t = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(t, dtype=float))
    flat = np.empty(x.size)
    # exp(-cos πy / 2πν) varies by exp(1/πν): beyond this the heat kernel outweighs it, to rounding
    reach, spacing = math.sqrt(1 / (math.pi * c.nu) + 40), SPACING / (1 + math.sqrt(c.nu))
    count = math.ceil(reach / spacing)
    z = spacing * np.arange(-count, count + 1)
    rows = max(1, AT_ONCE // len(z))
    for begin in range(0, x.size, rows):
        part = slice(begin, begin + rows)
        flat[part] = _mean(c, x.ravel()[part, None], t.ravel()[part, None], z)
    return np.where(t == 0, initial(c, x), flat.reshape(x.shape))


def _mean(c: Coefficients, x: np.ndarray, t: np.ndarray, z: np.ndarray) -> np.ndarray:
    y = x - 2 * np.sqrt(c.nu * np.abs(t)) * z
    exponent = -np.cos(math.pi * y) / (2 * math.pi * c.nu) - z**2
    weight = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    mean: np.ndarray = -(weight * np.sin(math.pi * y)).sum(axis=1) / weight.sum(axis=1)
    return mean


def ansatz(c: Coefficients, d: Any) -> tuple[Any, Any]:
    return -(math.pi * d.x).sin(), d.t * (1 - d.x**2)


SYSTEM = System(
    title="Burgers",
    summary="A sine wave that steepens into a shock, as thin as its viscosity ν",
    equation="u_t + u u_x - ν u_xx = 0 on [-1, 1],  u(x, 0) = -sin πx,  u(-1, t) = u(1, t) = 0",
    source="Burgers 1948; as a test of PINNs Raissi, Perdikaris and Karniadakis 2019 (J. Comput. Phys. 378)",
    label="Burgers ν={nu:.3g}",
    coefficients=Coefficients,
    main="nu",
    step=0.01,
    start=0.03,
    axes={"x": (-1.0, 1.0), "t": (0.0, 1.0)},
    linear=linear,
    nonlinear=nonlinear,
    reads=("u", "u_x"),
    slopes=slopes,
    initial={"u": initial},
    boundary={"u": (wall, wall)},
    reference=reference,
    ansatz=ansatz,
)
