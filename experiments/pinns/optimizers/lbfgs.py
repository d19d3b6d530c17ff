"""L-BFGS with a strong-Wolfe line search, taking the same steps as torch.optim.LBFGS.

The two loops of the method (Nocedal and Wright, algorithm 7.4) are solutions with the triangular matrix R_ij = s_iᵀy_j,
i ≤ j. Kept up to date, it turns 4m products of vectors into four of a matrix and a vector:

    R α = S q,   r = γ (q - Yᵀα),   Rᵀ δ = D α - Y r,   H q = r + Sᵀδ,   D = diag R.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from engine.api import lazy_import
from experiments.pinns.optimizers import Optimizer, to_array, to_tensor
from experiments.pinns.optimizers._quasi_newton import Descent, QuasiNewton

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


class Settings(QuasiNewton, frozen=True, kw_only=True):
    history: Annotated[int, Meta(ge=1, le=10000, description="Pairs of steps and gradient changes that are kept")] = 100
    curvature: Annotated[
        float, Meta(ge=0, description="A pair is used only if the product of step and gradient change is larger")
    ] = 1e-10


class LBFGS(Descent):
    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._history, self._curvature = settings.history, settings.curvature
        self._pairs: _Pairs | None = None

    def _direction(self) -> torch.Tensor:
        q = self.at.gradient.neg()
        return self._pairs.apply(q) if self._pairs is not None and not self._fresh else q

    def _learn(self, s: torch.Tensor, y: torch.Tensor, expected: float) -> None:
        if self._pairs is None:
            self._pairs = _Pairs(self._history, s)
        if float(s.dot(y)) > self._curvature:
            self._pairs.add(s, y)

    def state(self) -> dict[str, Any]:
        pairs = self._pairs.state() if self._pairs is not None else {}
        return {**super().state(), "pairs": pairs}

    def restore(self, state: Mapping[str, Any], like: torch.Tensor) -> None:
        super().restore(state, like)
        self._pairs = None
        if state["pairs"]:
            self._pairs = _Pairs(self._history, self.x)
            self._pairs.restore(state["pairs"])


class _Pairs:
    """The last `most` pairs, oldest first, in memory for twice as many: old ones are moved out only now and then."""

    def __init__(self, most: int, like: torch.Tensor) -> None:
        self._most, self._scale = most, 1.0
        self._steps, self._changes = (like.new_empty(2 * most, len(like)) for _ in range(2))
        self._products = like.new_zeros(2 * most, 2 * most)  # s_iᵀ y_j
        self._begin = self._end = 0

    def add(self, s: torch.Tensor, y: torch.Tensor) -> None:
        if self._end == len(self._steps):
            kept, now = slice(0, self._most), slice(self._most, self._end)
            self._steps[kept], self._changes[kept] = self._steps[now], self._changes[now]
            self._products[kept, kept] = self._products[now, now].clone()
            self._begin, self._end = self._begin - self._most, self._most
        new = self._end
        self._steps[new], self._changes[new] = s, y
        self._end += 1
        self._begin = max(self._begin, self._end - self._most)
        used = slice(self._begin, self._end)
        self._products[used, new] = self._steps[used] @ y
        self._scale = float(s.dot(y)) / float(y.dot(y))

    def apply(self, q: torch.Tensor) -> torch.Tensor:
        """H q, the inverse Hessian's approximation applied to a vector."""
        if self._begin == self._end:
            return q * self._scale
        used = slice(self._begin, self._end)
        s, y, r = self._steps[used], self._changes[used], self._products[used, used].triu()
        alpha = torch.linalg.solve_triangular(r, (s @ q)[:, None], upper=True)[:, 0]
        result = torch.addmv(q, y.T, alpha, alpha=-1).mul_(self._scale)
        right = r.diagonal() * alpha - y @ result
        delta = torch.linalg.solve_triangular(r.T, right[:, None], upper=False)[:, 0]
        return result.addmv_(s.T, delta)

    def state(self) -> dict[str, Any]:
        used = slice(self._begin, self._end)
        return {
            "begin": self._begin,
            "steps": to_array(self._steps[used]),
            "changes": to_array(self._changes[used]),
            "products": to_array(self._products[used, used]),
            "scale": self._scale,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """At the same place in memory, on which the rounding of products may depend."""
        self._begin, self._scale = int(state["begin"]), float(state["scale"])
        self._end = self._begin + len(state["steps"])
        used = slice(self._begin, self._end)
        self._steps[used] = to_tensor(state["steps"], self._steps)
        self._changes[used] = to_tensor(state["changes"], self._changes)
        self._products[used, used] = to_tensor(state["products"], self._products)


def memory(settings: Settings, size: int) -> float:
    return 8.0 * 2 * settings.history * (2 * size + 2 * settings.history)


OPTIMIZER = Optimizer(
    title="L-BFGS",
    summary="Limited-memory BFGS on the full batch: the usual choice for PINNs, right for networks of any size",
    source="Nocedal and Wright, Numerical Optimization, 2nd ed., ch. 7",
    settings=Settings,
    make=LBFGS,
    memory=memory,
)
