"""What is solved: a system of equations, and a problem posed for a network: points, conditions and weights, as arrays.

Derivatives are named as in the literature: "u", "u_x", "u_t", "u_xx", "u_xt".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api import describe_struct, lazy_import, settings

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")

GRID_X, GRID_T = 256, 100
"""The grid on which errors are reported: x without its end point (the domain is periodic), t with both ends."""


class System(msgspec.Struct, frozen=True, kw_only=True):
    """A PDE for u over named axes, with the solution that it is judged by.

    The residual is written in two parts, so that the part that is linear with constant coefficients can be carried
    through a network as one derivative: residual = Σ linear[name] · name + nonlinear.

    coefficients: a struct of settings, each field one coefficient; `c` below is an instance.
    main: the coefficient whose rise makes the problem hard; step: a rise that a trained network survives.
    linear(c): {name of a derivative: its coefficient}.
    nonlinear(c, d): the rest; `d.u`, `d.u_x`, `d.t` are arrays of NumPy or torch. reads: the names that it uses.
    initial: {name of a derivative: function(c, x)}, what holds at the start of time.
    periodic: the derivatives that agree at both ends of x.
    reference(c, x, t): the solution, for arrays that broadcast.
    label: a format string over the coefficients, as "convection β={beta:g}".
    """

    title: str
    summary: str
    equation: str
    source: str
    label: str
    coefficients: type[msgspec.Struct]
    main: str
    step: float
    axes: Mapping[str, tuple[float, float]] = msgspec.field(
        default_factory=lambda: {"x": (0.0, 2 * math.pi), "t": (0.0, 1.0)}
    )
    linear: Callable[[Any], Mapping[str, float]]
    nonlinear: Callable[[Any, Any], Any] | None = None
    reads: tuple[str, ...] = ()
    initial: Mapping[str, Callable[[Any, np.ndarray], np.ndarray]]
    periodic: tuple[str, ...] = ("u",)
    reference: Callable[[Any, np.ndarray, np.ndarray], np.ndarray]

    @property
    def periodic_axes(self) -> tuple[str, ...]:
        """The axes at whose ends u agrees."""
        return ("x",) if self.periodic else ()

    def residual(self, c: Any, values: Mapping[str, Any]) -> Any:
        """The residual from arrays of the named derivatives, of NumPy or torch."""
        terms = [factor * values[name] for name, factor in self.linear(c).items()]
        if self.nonlinear is not None:
            terms.append(self.nonlinear(c, SimpleNamespace(**values)))
        return sum(terms[1:], terms[0])

    def coefficients_of(self, params: Mapping[str, Any]) -> Any:
        """The coefficients among these parameters. Raises SpecError, naming those that are out of bounds."""
        return settings(self.coefficients, params)

    def name_of(self, c: Any, coefficient: str) -> str:
        """A coefficient with its value, as "β=30"."""
        described = describe_struct(self.coefficients)[coefficient]
        return f"{described.get('x-symbol', coefficient)}={getattr(c, coefficient):g}"

    def derivatives(self, c: Any) -> tuple[str, ...]:
        """The names that the residual needs, axes left out."""
        return tuple(name for name in dict.fromkeys([*self.linear(c), *self.reads]) if name not in self.axes)


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """A derivative of u that is to be `target` at n points; or, with `minus`, its difference between pairs of points.

    term: the part of the loss that it belongs to ("initial", "boundary"). points, minus: (n, axes). target: (n,).
    """

    term: str
    derivative: str
    points: np.ndarray
    target: np.ndarray
    minus: np.ndarray | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A system with its coefficients fixed, posed on points.

    The loss is the sum over terms of weight · mean square: of the residual over the collocation points (n, axes), and
    of each condition over its points.
    """

    system: System
    coefficients: Any
    collocation: np.ndarray
    conditions: tuple[Condition, ...]
    weights: Mapping[str, float]

    @property
    def terms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(["residual", *(condition.term for condition in self.conditions)]))


def pose(
    system: System,
    coefficients: Any,
    collocation: np.ndarray,
    *,
    n_initial: int,
    n_boundary: int,
    residual_weight: float = 1.0,
) -> Problem:
    """The problem on these collocation points, with evenly spaced points for its conditions."""
    (x0, x1), (t0, t1) = system.axes["x"], system.axes["t"]
    x = x0 + (x1 - x0) * np.arange(n_initial) / n_initial
    t = np.linspace(t0, t1, n_boundary)
    start = np.column_stack([x, np.full_like(x, t0)])
    conditions = [
        Condition(term="initial", derivative=name, points=start, target=value(coefficients, x))
        for name, value in system.initial.items()
    ]
    lower, upper = (np.column_stack([np.full_like(t, end), t]) for end in (x0, x1))
    conditions += [
        Condition(term="boundary", derivative=name, points=lower, minus=upper, target=np.zeros_like(t))
        for name in system.periodic
    ]
    weights = {"residual": residual_weight, "initial": 1.0, "boundary": 1.0}
    return Problem(
        system=system,
        coefficients=coefficients,
        collocation=collocation,
        conditions=tuple(conditions),
        weights=weights,
    )


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """A lattice over the domain. x: (n,), t: (m,); fields over it have the shape (n, m)."""

    x: np.ndarray
    t: np.ndarray

    @property
    def points(self) -> np.ndarray:
        """All points, (n · m, 2), in the order of a flattened field."""
        return np.stack(np.meshgrid(self.x, self.t, indexing="ij"), axis=-1).reshape(-1, 2)

    def reference(self, system: System, coefficients: Any) -> np.ndarray:
        return system.reference(coefficients, self.x[:, None], self.t[None, :])

    def until(self, end: float) -> Grid:
        """The sub-lattice of times up to the end."""
        return Grid(x=self.x, t=self.t[self.t <= end])

    def every(self, x: int, t: int) -> Grid:
        """The sub-lattice of each x-th and t-th point."""
        return Grid(x=self.x[::x], t=self.t[::t])


def grid_of(system: System) -> Grid:
    (x0, x1), (t0, t1) = system.axes["x"], system.axes["t"]
    return Grid(x=np.linspace(x0, x1, GRID_X, endpoint=False), t=np.linspace(t0, t1, GRID_T))
