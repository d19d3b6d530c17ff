"""SYS-1 of Subramanian et al. 2023: Poisson's equation with a constant, anisotropic diffusion tensor.

-∇·K∇u = f with K = 0.01 Rᵀ diag(1, e) R, R a rotation by θ, θ uniform in (0, 2π), e uniform in the range. f and u have
zero mean. The larger e, the more the solution is drawn out along one direction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.api import lazy_import
from experiments.operators.system import System, between

if TYPE_CHECKING:
    import numpy as np
    import torch

    from experiments.operators.spectral import Modes
else:
    np = lazy_import("numpy")

SCALE = 0.01


def draw(rng: np.random.Generator, count: int, low: float, high: float) -> dict[str, np.ndarray]:
    return {"e": rng.uniform(low, high, count), "theta": rng.uniform(0, 2 * math.pi, count)}


def bounds(low: float, high: float) -> dict[str, tuple[float, float]]:
    return {"e": (low, high), "theta": (0, 2 * math.pi)}


def tensor(drawn: Mapping[str, np.ndarray], spectrum: torch.Tensor, modes: Modes) -> np.ndarray:
    e, c, s = drawn["e"], np.cos(drawn["theta"]), np.sin(drawn["theta"])
    return SCALE * np.stack([c**2 + e * s**2, s**2 + e * c**2, (e - 1) * s * c], axis=1)


def symbol(coefficients: torch.Tensor, modes: Modes) -> torch.Tensor:
    k11, k22, k12 = coefficients.unbind(1)
    return k11 * modes.kx2 + k22 * modes.ky2 + 2 * k12 * modes.kxky


SYSTEM = System(
    title="Poisson",
    summary="Poisson's equation with a constant diffusion tensor; the range is that of its eigenvalue e.",
    equation="-∇·K∇u = f,  K = 0.01 Rᵀ diag(1, e) R,  periodic, zero mean",
    source="Subramanian et al. 2023, arXiv 2306.00258, SYS-1",
    label="Poisson({range})",
    conditions="e is uniform in the range, theta in (0, 2π); f and u have zero mean",
    range=between(1.0, 5.0, "Range of the diffusion eigenvalue e; the other one is 1", "e"),
    cases={
        "sys1-1-5": (1.0, 5.0, "pretraining"),
        "sys1-1-2.5": (1.0, 2.5, "downstream of sys1-1-5, inside its range"),
        "sys1-2.5-7.5": (2.5, 7.5, "downstream of sys1-1-5, half outside its range"),
        "sys1-5-10": (5.0, 10.0, "downstream of sys1-1-5, outside its range"),
        "sys1-10-20": (10.0, 20.0, "downstream of sys1-1-5, farthest from its range"),
    },
    drawn={"e": "eigenvalue of the diffusion tensor", "theta": "angle of its axes"},
    units={"theta": "rad"},
    coefficients={
        "k11": "K along x, 0.01 included",
        "k22": "K along y, 0.01 included",
        "k12": "K across, 0.01 included",
    },
    draw=draw,
    coefficients_of=tensor,
    symbol=symbol,
    bounds=bounds,
)
