"""Hard constraints: u = A + M N meets the initial and boundary conditions exactly, whatever the network N is.

A meets them, and M is zero wherever they hold, to the order in time in which they hold. An ansatz is a map from points
(n, axes) to A and M, (n, 2), in float64, differentiable by torch. What the channels of `derivatives` make of the
product follows from their derivatives, which are computed once:

    D_k u = D_k A + M D_k N + (D_k M) N
    D u   = D A + M D N + (D M) N + 2 Σ c_k (D_k M)(D_k N)        for D = D_v + Σ c_k D_k²
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from engine.api import lazy_import
from experiments.pinns.derivatives import Layout, Map, operate

if TYPE_CHECKING:
    import torch

    from experiments.pinns.problem import System
else:
    torch = lazy_import("torch")


def of_system(system: System, c: Any) -> Map:
    """What the system offers, at these coefficients."""
    offered = system.ansatz
    assert offered is not None

    def values(points: torch.Tensor) -> torch.Tensor:
        axes = dict(zip(system.axes, points.unbind(1), strict=True))
        return torch.stack(torch.broadcast_tensors(*offered(c, SimpleNamespace(**axes))), dim=1)

    return values


def of_window(system: System, c: Any, start: float, before: Map) -> Map:
    """Of a window of time that begins at `start`, where it carries on from what was predicted before, a map of points
    to u, (n,): A + Σ_k (t - start)^k / k! ∂_t^k (before - A)(start), with M as if time began there.
    """
    whole, first, orders = of_system(system, c), system.axes["t"][0], len(system.initial)

    def values(points: torch.Tensor) -> torch.Tensor:
        space, elapsed = points[:, :-1], points[:, -1] - start
        added = whole(points)[:, 0]
        factor = whole(torch.cat([space, (first + elapsed)[:, None]], dim=1))[:, 1]
        with torch.enable_grad():
            at = torch.cat([space, torch.full_like(elapsed, start)[:, None]], dim=1)
            at = at if at.requires_grad else at.requires_grad_()
            missing = before(at) - whole(at)[:, 0]
            for k in range(orders):
                added = added + elapsed**k / math.factorial(k) * missing
                if k + 1 < orders:
                    (slopes,) = torch.autograd.grad(missing.sum(), at, create_graph=True)
                    missing = slopes[:, -1]
        return torch.stack([added, factor], dim=1)

    return values


class Rows:
    """The ansatz at the points of a pass: its linear map of the network's row (…, columns) to that of u."""

    def __init__(self, ansatz: Map, points: torch.Tensor, layout: Layout) -> None:
        self._layout = layout
        exact = points.double()
        added, factor = ansatz(exact).detach().unbind(1)
        derived = [operate(layout.channels, c, ansatz, exact[:count]) for c, count in enumerate(layout.counts)]

        def place(parts: list[torch.Tensor]) -> torch.Tensor:
            return torch.cat(parts).to(points.dtype)

        self._added = place([added, *(both[:, 0] for both in derived)])
        self._factor = place([factor, *(factor[:count] for count in layout.counts)])
        self._slopes = [place([both[:, 1]]) for both in derived]
        self._crossed = [2 * c_k * self._slopes[k][: layout.counts[c]] for k, c, c_k in layout.squares]

    @classmethod
    def stacked(cls, many: Sequence[Rows]) -> Rows:
        """Of networks whose passes have the same layout, for rows (networks, columns)."""
        made = cls.__new__(cls)
        made._layout = many[0]._layout
        made._added, made._factor = (
            torch.stack(parts) for parts in zip(*((it._added, it._factor) for it in many), strict=True)
        )
        made._slopes = [torch.stack(parts) for parts in zip(*(it._slopes for it in many), strict=True)]
        made._crossed = [torch.stack(parts) for parts in zip(*(it._crossed for it in many), strict=True)]
        return made

    def applied(self, row: torch.Tensor, out: torch.Tensor) -> None:
        """N and its channels -> u and its channels."""
        layout = self._layout
        torch.addcmul(self._added, self._factor, row, out=out)
        for slope, columns in zip(self._slopes, layout.slices, strict=True):
            out[..., columns].addcmul_(slope, row[..., : slope.shape[-1]])
        for (k, c, _), crossed in zip(layout.squares, self._crossed, strict=True):
            out[..., layout.slices[c]].addcmul_(crossed, row[..., layout.slices[k]][..., : crossed.shape[-1]])

    def returned(self, seed: torch.Tensor, out: torch.Tensor) -> None:
        """The derivatives of a loss by u and its channels -> those by N and its channels."""
        layout = self._layout
        torch.mul(self._factor, seed, out=out)
        for slope, columns in zip(self._slopes, layout.slices, strict=True):
            out[..., : slope.shape[-1]].addcmul_(slope, seed[..., columns])
        for (k, c, _), crossed in zip(layout.squares, self._crossed, strict=True):
            out[..., layout.slices[k]][..., : crossed.shape[-1]].addcmul_(crossed, seed[..., layout.slices[c]])
