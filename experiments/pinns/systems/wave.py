"""The wave equation on a string with two modes: the higher one is what a network is slow to learn."""

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
    beta: Annotated[
        float,
        Meta(
            ge=0,
            le=50,
            description="Number of the second mode",
            extra_json_schema={"x-symbol": "β", "x-unit": "half waves"},
        ),
    ] = 5.0
    speed: Annotated[
        float,
        Meta(ge=0, le=20, description="Wave speed", extra_json_schema={"x-symbol": "c", "x-unit": "length/time"}),
    ] = 2.0


def linear(c: Coefficients) -> dict[str, float]:
    return {"u_tt": 1.0, "u_xx": -(c.speed**2)}


def initial(c: Coefficients, x: np.ndarray) -> np.ndarray:
    return np.sin(math.pi * x) + 0.5 * np.sin(c.beta * math.pi * x)


def at_rest(c: Coefficients, x: np.ndarray) -> np.ndarray:
    return np.zeros_like(x)


def lower(c: Coefficients, t: np.ndarray) -> np.ndarray:
    return np.zeros_like(t)


def upper(c: Coefficients, t: np.ndarray) -> np.ndarray:
    """0 for a whole number of half waves; for others, what keeps the mode a mode."""
    return 0.5 * sine_of_half_waves(c.beta) * np.cos(c.beta * math.pi * c.speed * t)


def sine_of_half_waves(count: float) -> float:
    """sin(π · count), 0 for whole numbers without rounding."""
    return 0.0 if count == round(count) else math.sin(math.pi * count)


def reference(c: Coefficients, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Each mode stands and swings, at its own frequency."""
    first, second = math.pi, c.beta * math.pi
    return np.sin(first * x) * np.cos(first * c.speed * t) + 0.5 * np.sin(second * x) * np.cos(second * c.speed * t)


def ansatz(c: Coefficients, d: Any) -> tuple[Any, Any]:
    """The initial shape at rest; its upper end moves where the second mode has no whole number of half waves. M is
    quadratic in time at first and 1 once the fast mode has swung, so that N is of the size of u at all times.
    """
    shape = (math.pi * d.x).sin() + 0.5 * (c.beta * math.pi * d.x).sin()
    moved = 0.5 * sine_of_half_waves(c.beta) * ((c.beta * math.pi * c.speed * d.t).cos() - 1)
    swung = (math.pi * max(1.0, c.beta) * max(1.0, c.speed) * d.t) ** 2
    return shape + d.x * moved, 4 * d.x * (1 - d.x) * swung / (1 + swung)


SYSTEM = System(
    title="Wave",
    summary="A string with a slow and a fast mode, the fast one of β half waves",
    equation="u_tt - c² u_xx = 0 on [0, 1],  u(x, 0) = sin πx + ½ sin βπx,  u_t(x, 0) = 0,  u(0, t) = u(1, t) = 0",
    source="Rathore et al. 2024 (ICML), Challenges in Training PINNs, c = 2, β = 5; Wang, Yu and Perdikaris 2022",
    label="wave β={beta:g} c={speed:g}",
    coefficients=Coefficients,
    main="beta",
    step=1.0,
    axes={"x": (0.0, 1.0), "t": (0.0, 1.0)},
    linear=linear,
    initial={"u": initial, "u_t": at_rest},
    boundary={"u": (lower, upper)},
    reference=reference,
    ansatz=ansatz,
)
