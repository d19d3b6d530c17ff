"""Initial conditions whose slope jumps at the ends of a period, for solutions that are smooth from there on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.api import lazy_import

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")

WIDEST = 0.1
"""Of the heat kernel, √τ over the period, beyond which it is kept from growing."""


def rounded(x: torch.Tensor, t: torch.Tensor, ends: tuple[float, float], jump: float, nu: float) -> torch.Tensor:
    """What diffusion at ν adds to jump/2 |s|, s being the distance from the ends: zero at t = 0, and from then on it
    takes the jump of the slope away.

    The mean of |s + √(2τ) z| - |s| over normal z, with τ = νt at first, over the ends of three periods.
    """
    low, high = ends
    period = high - low
    limit = (WIDEST * period) ** 2
    width = 2 * (limit * -torch.expm1(-nu * t / limit)).clamp(min=1e-30).sqrt()
    total = torch.zeros_like(x * t)
    for s in (x - low, x - low + period, high - x, high - x + period):
        z = s / width
        total = total + width / math.sqrt(math.pi) * (-z * z).exp() - s * torch.special.erfc(z)
    return jump / 2 * total
