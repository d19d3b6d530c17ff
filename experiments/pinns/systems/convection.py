"""Linear convection at constant speed: the solution is the initial wave, carried along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from engine.api import Spec, lazy_import
from experiments.pinns.problem import System

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")


class Coefficients(Spec, frozen=True, kw_only=True):
    beta: Annotated[
        float,
        Meta(
            ge=0,
            le=1000,
            description="Wave speed. Regular training fails from about 20 to 40, by optimiser and precision",
            extra_json_schema={"x-symbol": "β", "x-unit": "length/time"},
        ),
    ] = 30.0


def linear(c: Coefficients) -> dict[str, float]:
    return {"u_t": 1.0, "u_x": c.beta}


def initial(c: Coefficients, x: np.ndarray) -> np.ndarray:
    return np.sin(x)


def reference(c: Coefficients, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.sin(x - c.beta * t)


def ansatz(c: Coefficients, d: Any) -> tuple[Any, Any]:
    return d.x.sin(), d.t


SYSTEM = System(
    title="Convection",
    summary="A sine wave carried around a periodic domain at speed β",
    equation="u_t + β u_x = 0,  u(x, 0) = sin x,  u(0, t) = u(2π, t)",
    source="Krishnapriyan et al. 2021 (NeurIPS), Sec. 3.1, Fig. 3 and Tab. 1",
    label="convection β={beta:g}",
    coefficients=Coefficients,
    main="beta",
    step=5.0,
    linear=linear,
    initial={"u": initial},
    periodic=("u",),
    reference=reference,
    ansatz=ansatz,
)
