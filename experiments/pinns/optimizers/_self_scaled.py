"""Dense self-scaled quasi-Newton methods of the Broyden family.

With H the approximation of the inverse Hessian, s a step and y the change of the gradient:

    H ← (H - H y yᵀ H / yᵀHy + φ v vᵀ) / τ + s sᵀ / yᵀs,   v = √(yᵀHy) (s / yᵀs - H y / yᵀHy)
    b = sᵀH⁻¹s / yᵀs,   h = yᵀHy / yᵀs

φ = 1 and τ = min(1, 1/b) make SSBFGS; SSBroyden chooses φ and τ by Al-Baali's rules. (Al-Baali and Khalfan 2005;
for PINNs: Urbán, Stefanou and Pons 2024, J. Comput. Phys. 523.) Time and memory are O(n²) an iteration.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.api import lazy_import
from experiments.pinns.optimizers import Stop, to_array, to_tensor
from experiments.pinns.optimizers._quasi_newton import Descent, QuasiNewton

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


class Update(NamedTuple):
    phi: float
    tau: float


Rule = Callable[[float, float, int], Update]
"""(b, h, number of parameters) -> the update."""


class SelfScaled(Descent):
    def __init__(self, settings: QuasiNewton, rule: Rule) -> None:
        super().__init__(settings)
        self._rule = rule
        self._inverse: torch.Tensor | None = None  # H; None stands for the identity
        self._ahead: torch.Tensor | None = None  # H times the gradient at x, where it is known

    def _moved(self) -> None:
        self._ahead = None

    def _direction(self) -> torch.Tensor:
        if self._ahead is None:
            gradient = self.at.gradient
            self._ahead = gradient.clone() if self._inverse is None else self._inverse @ gradient
        return self._ahead.neg()

    def _stuck(self, why: Stop) -> Stop | None:
        """A wrong idea of the curvature is dropped, once; from steepest descent there is no way on."""
        if self._inverse is None:
            return why
        self._inverse, self._ahead, self._fresh = None, None, True
        return None

    def _learn(self, s: torch.Tensor, y: torch.Tensor, expected: float) -> None:
        """One pass over H for its product with the gradient, and one to update it: Hy and the next Hg follow."""
        before, gradient = self._ahead, self.at.gradient
        assert before is not None
        first = self._inverse is None
        ahead = gradient.clone() if self._inverse is None else self._inverse @ gradient
        hy = ahead - before
        # in one copy to the host: on a GPU each waits for all that was launched before
        products = [y.dot(s), y.dot(hy), s.dot(gradient), hy.dot(gradient), s.norm(), hy.norm()]
        ys, yhy, sg, hyg, *norms = torch.stack(products).tolist()
        self._ahead = ahead
        if not (ys > 0 and yhy > 0 and math.isfinite(ys) and math.isfinite(yhy)):
            return
        b, h = expected / ys, yhy / ys
        phi, tau = Update(1.0, h) if first else self._rule(b, h, len(s))
        # over span {s, Hy}: H/τ + a s sᵀ + c (s Hyᵀ + Hy sᵀ) + d Hy Hyᵀ
        a, c, d = (1 + phi * h / tau) / ys, -phi / (ys * tau), (phi - 1) / (yhy * tau)
        if self._inverse is None:
            self._inverse = torch.eye(len(s), dtype=s.dtype, device=s.device)
        _add_rank_two(self._inverse, 1 / tau, (s, hy), norms, (a, c, d))
        self._ahead = (ahead / tau).add_(s, alpha=a * sg + c * hyg).add_(hy, alpha=c * sg + d * hyg)

    def state(self) -> dict[str, Any]:
        known = {"inverse": self._inverse, "ahead": self._ahead}
        return {**super().state(), **{name: None if v is None else to_array(v) for name, v in known.items()}}

    def restore(self, state: Mapping[str, Any], like: torch.Tensor) -> None:
        super().restore(state, like)
        self._inverse, self._ahead = (
            None if state[name] is None else to_tensor(state[name], like) for name in ("inverse", "ahead")
        )


def _add_rank_two(
    matrix: torch.Tensor,
    scale: float,
    vectors: tuple[torch.Tensor, torch.Tensor],
    norms: Sequence[float],
    form: tuple[float, float, float],
) -> None:
    """matrix ← scale · matrix + a u uᵀ + c (u vᵀ + v uᵀ) + d v vᵀ, as two symmetric updates of rank one. vectors: u and
    v, of these norms. form: a, c, d.

    They are the principal axes of the 2 x 2 form over the normalised u and v, so that either may be small.
    """
    (u, v), (p, q), (a, c, d) = vectors, norms, form
    a, c, d = a * p * p, c * p * q, d * q * q
    angle = math.atan2(2 * c, a - d) / 2
    cos, sin = math.cos(angle), math.sin(angle)
    first, second = (u * (cos / p)).add_(v, alpha=sin / q), (v * (cos / q)).sub_(u, alpha=sin / p)
    matrix.addr_(first, first, beta=scale, alpha=a * cos * cos + 2 * c * sin * cos + d * sin * sin)
    matrix.addr_(second, second, alpha=a * sin * sin - 2 * c * sin * cos + d * cos * cos)


def memory(settings: QuasiNewton, size: int) -> float:
    return 8.0 * size * size
