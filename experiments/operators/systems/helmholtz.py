"""SYS-3 of Subramanian et al. 2023: Helmholtz's equation, indefinite: its solutions oscillate.

-0.01 Δu - ω u = f, which is 0.01 Δu + ω u = -f as the published code solves it (the paper prints -Δu + ω u = f). ω is a
whole number, uniform over those of the range that are not resonant. f keeps its mean, as the term in u allows.

ω is resonant where 0.01·4π² n comes closer to it than RESONANT for a sum of two squares n, an eigenvalue of -0.01 Δ:
of 1 to 10 that is 2, by 0.026 (n = 5). Samples with |u| > 2 anywhere are drawn again, ω with the source, as published.
They are those of ω = 4 above all, which is 0.052 from n = 10.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.api import Problem, TaskError, lazy_import
from experiments.operators.system import System, between

if TYPE_CHECKING:
    import numpy as np
    import torch

    from experiments.operators.spectral import Modes
else:
    np = lazy_import("numpy")

DIFFUSION = 0.01
RESONANT = 0.04
LARGEST = 2.0


def distance(omega: int) -> float:
    """How close the nearest eigenvalue 0.01·4π² (a² + b²), of whole a and b, comes to ω."""
    unit = DIFFUSION * 4 * math.pi**2
    squares = [a * a for a in range(math.isqrt(math.ceil(omega / unit)) + 2)]
    return min(abs(unit * (a + b) - omega) for a in squares for b in squares)


def allowed(low: float, high: float) -> list[int]:
    """The whole numbers of the range that are not resonant."""
    return [omega for omega in range(math.ceil(low), math.floor(high) + 1) if distance(omega) >= RESONANT]


def unfit(low: float, high: float) -> list[Problem]:
    if allowed(low, high):
        return []
    hint = f"resonant: nearer than {RESONANT:g} to an eigenvalue of -0.01 Δ, as 2 is"
    return [Problem("range", "a whole number in it that is not resonant", f"{low:g}:{high:g}", hint)]


def draw(rng: np.random.Generator, count: int, low: float, high: float) -> dict[str, np.ndarray]:
    """Raises TaskError where nothing in the range can be drawn."""
    if problems := unfit(low, high):
        raise TaskError(str(problems[0]))
    return {"omega": rng.choice(np.array(allowed(low, high), dtype=float), count)}


def coefficients_of(drawn: Mapping[str, np.ndarray], spectrum: torch.Tensor, modes: Modes) -> np.ndarray:
    return np.stack([np.full_like(drawn["omega"], DIFFUSION), drawn["omega"]], axis=1)


def symbol(coefficients: torch.Tensor, modes: Modes) -> torch.Tensor:
    diffusion, omega = coefficients.unbind(1)
    return diffusion * (modes.kx2 + modes.ky2) - omega


def accepted(solution: torch.Tensor) -> torch.Tensor:
    return solution.abs().amax((1, 2)) <= LARGEST


SYSTEM = System(
    title="Helmholtz",
    summary="Helmholtz's equation with oscillating solutions; the range is that of the whole number ω.",
    equation="-0.01 Δu - ωu = f,  periodic",
    source="Subramanian et al. 2023, arXiv 2306.00258, SYS-3",
    label="Helmholtz({range})",
    conditions="ω is uniform over the whole numbers of the range that are not resonant, which is those no closer than "
    f"{RESONANT:g} to 0.01·4π² n for any sum of two squares n; a sample with |u| > {LARGEST:g} anywhere is drawn "
    "again, ω and source; f keeps its mean",
    zero_mean=False,
    range=between(1.0, 10.0, "Range of ω, a whole number", "ω", maximum=1000),
    cases={
        "sys3-1-10": (1.0, 10.0, "pretraining"),
        "sys3-1-5": (1.0, 5.0, "downstream of sys3-1-10, inside its range"),
    },
    drawn={"omega": "ω, the square of the wave number"},
    coefficients={"diffusion": "factor of -Δu", "omega": "ω"},
    stands_for={"diffusion": ("k11", "k22")},
    draw=draw,
    coefficients_of=coefficients_of,
    symbol=symbol,
    accepted=accepted,
    bounds=lambda low, high: {"omega": (low, high)},
    unfit=unfit,
)
