"""SYS-2 of Subramanian et al. 2023: steady advection and diffusion with constant coefficients.

-(1-λ) ∇·K∇u + λ v·∇u = f. K is that of SYS-1 with e uniform in (1, 5); v has the length 1 and an angle uniform in
(0, 2π). f and u have zero mean.

The range is that of Ψ = ‖λ v·∇u‖₂ / ‖(1-λ) ∇·K∇u‖₂, the ratio of the two terms as they stand in the equation, of the
solution u. Each sample draws its Ψ uniformly and has the λ in (0, 1) that makes it so; the coefficients contain 1-λ and
λ, as in the published code. That code looks λ up by a mean over other samples, and misses the range by up to a quarter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.api import TaskError, lazy_import
from experiments.operators.system import System, between
from experiments.operators.systems import poisson

if TYPE_CHECKING:
    import numpy as np
    import torch

    from experiments.operators.spectral import Modes
else:
    np = lazy_import("numpy")
    torch = lazy_import("torch")

EIGENVALUES = (1.0, 5.0)
TOLERANCE, ITERATIONS = 1e-12, 100


def draw(rng: np.random.Generator, count: int, low: float, high: float) -> dict[str, np.ndarray]:
    return {
        "psi": rng.uniform(low, high, count),
        **poisson.draw(rng, count, *EIGENVALUES),
        "phi": rng.uniform(0, 2 * math.pi, count),
    }


def bounds(low: float, high: float) -> dict[str, tuple[float, float]]:
    return {"psi": (low, high), **poisson.bounds(*EIGENVALUES), "phi": (0, 2 * math.pi)}


def coefficients_of(drawn: Mapping[str, np.ndarray], spectrum: torch.Tensor, modes: Modes) -> np.ndarray:
    """(1-λ) K and λ v. Raises TaskError where no λ gives the ratio asked for."""
    whole = np.concatenate([poisson.tensor(drawn, spectrum, modes), _direction(drawn["phi"])], axis=1)
    terms = torch.as_tensor(whole, device=spectrum.device)[:, :, None, None]
    operator = symbol(terms, type(modes)(*(mode.double() for mode in modes)))
    diffusion, advection = operator.real, operator.imag
    twice = torch.where(modes.ky == 0, 1.0, 2.0)  # a real field: ky stands for -ky as well
    power = torch.view_as_real(spectrum).double().square().sum(-1) * twice
    there = diffusion != 0
    weight = torch.where(there, power, 0).flatten(1)
    ratio = torch.where(there, advection / diffusion, 0).flatten(1)
    t = torch.exp(0.5 * _balance(ratio.square(), weight, torch.as_tensor(drawn["psi"], device=spectrum.device)))
    mix = (t / (1 + t)).cpu().numpy()[:, None]
    return whole * np.concatenate([np.repeat(1 - mix, 3, axis=1), np.repeat(mix, 2, axis=1)], axis=1)


def _direction(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _balance(squares: torch.Tensor, weight: torch.Tensor, psi: torch.Tensor) -> torch.Tensor:
    """The x = log (λ / (1-λ))² that gives each sample its Ψ, (count,).

    With q the `squares` of advection over diffusion and w the `weight` |f|² of the modes, both (count, modes), and
    p = q eˣ / (1 + q eˣ), Ψ² = Σ w p / Σ w (1 - p). Its logarithm rises with x, with a slope in (0, 1]: so stepping by
    what is missing never oversteps, and does what is left to do where a step of Newton's leaves the bracket.
    """
    weight = weight / weight.sum(1, keepdim=True)
    target = 2 * psi.log()
    x = target - (weight * squares).sum(1).log()
    low, high = torch.full_like(x, -math.inf), torch.full_like(x, math.inf)
    for _ in range(ITERATIONS):
        scaled = squares * x.exp()[:, None]
        rest = 1 / (1 + scaled)
        diffusive = weight * rest
        advective = diffusive * scaled
        above, below = advective.sum(1), diffusive.sum(1)
        missing = target - (above / below).log()
        if missing.abs().max() < TOLERANCE:
            return x
        low, high = torch.where(missing > 0, x, low), torch.where(missing > 0, high, x)
        newton = x + missing * above * below / (advective * rest).sum(1)
        x = torch.where((newton > low) & (newton < high), newton, x + missing)
    worst = int(torch.nan_to_num(missing, nan=math.inf).abs().argmax())
    raise TaskError(
        f"range: required ratios of advection to diffusion that some λ in (0, 1) gives on this grid, got "
        f"{psi[worst].item():g}; choose a lower range or a finer grid"
    )


def symbol(coefficients: torch.Tensor, modes: Modes) -> torch.Tensor:
    _, _, _, v1, v2 = coefficients.unbind(1)
    return torch.complex(poisson.symbol(coefficients[:, :3], modes), v1 * modes.kx + v2 * modes.ky)


SYSTEM = System(
    title="Advection-diffusion",
    summary="Steady advection and diffusion; the range is that of Ψ, the size of advection over that of diffusion.",
    equation="-(1-λ) ∇·K∇u + λ v·∇u = f,  K = 0.01 Rᵀ diag(1, e) R,  |v| = 1,  periodic, zero mean",
    source="Subramanian et al. 2023, arXiv 2306.00258, SYS-2",
    label="Advection-diffusion({range})",
    conditions="λ is such that Ψ = ‖λ v·∇u‖₂ / ‖(1-λ) ∇·K∇u‖₂ of the solution is the psi drawn, uniform in the range; "
    "e is uniform in (1, 5), theta and phi in (0, 2π); the length of the velocity (v1, v2) is λ",
    range=between(0.2, 1.0, "Range of Ψ = ‖λ v·∇u‖ / ‖(1-λ) ∇·K∇u‖", "Ψ"),
    cases={
        "sys2-0.2-1": (0.2, 1.0, "pretraining"),
        "sys2-0.2-0.4": (0.2, 0.4, "downstream of sys2-0.2-1, inside its range"),
        "sys2-1-2": (1.0, 2.0, "downstream of sys2-0.2-1, outside its range"),
    },
    drawn={
        "psi": "ratio Ψ of advection to diffusion in the solution",
        **poisson.SYSTEM.drawn,
        "phi": "angle of the velocity",
    },
    units={"theta": "rad", "phi": "rad"},
    coefficients={
        "k11": "(1-λ) K along x, 0.01 included",
        "k22": "(1-λ) K along y, 0.01 included",
        "k12": "(1-λ) K across, 0.01 included",
        "v1": "λ v along x",
        "v2": "λ v along y",
    },
    draw=draw,
    coefficients_of=coefficients_of,
    symbol=symbol,
    bounds=bounds,
)
