"""What is solved: a system of equations, and a problem posed for a network: points, conditions and weights, as arrays.

Derivatives are named as in the literature: "u", "u_x", "u_t", "u_xx", "u_xt".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api import describe_struct, lazy_import, settings

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")

GRID_X, GRID_T, GRID_ALONE = 256, 100, 1000
"""The grid on which errors are reported: x without its end point where the domain is periodic, t with both ends; of t
where it is the only axis, more.
"""

Values = Callable[[Any, "np.ndarray"], "np.ndarray | float"]
"""f(c, t): values at each time, or one for all."""


class System(msgspec.Struct, frozen=True, kw_only=True):
    """A PDE for u over x and t, or an ODE over t alone, with its conditions and the solution that it is judged by.

    The residual is written in two parts, so that the part that is linear with constant coefficients can be carried
    through a network as one derivative: residual = Σ linear[name] · name + nonlinear.

    coefficients: a struct of settings, each field one coefficient; `c` below is an instance.
    main: the coefficient that makes the problem hard; step: a change of it that a trained network survives; start:
        where a curriculum over it begins, if that is not one step away from 0.
    axes: {name: its bounds}, time the last.
    linear(c): {name of a derivative: its coefficient}.
    nonlinear(c, d): the rest; `d.u`, `d.u_x`, `d.t` are arrays of NumPy or torch. reads: the names that it uses.
    slopes(c, d): the derivatives of `nonlinear` by what it reads, {name: array}; where they are not given, automatic
        differentiation finds them, which takes longer.
    initial: {name of a derivative: function(c, x)}, what holds at the start of time; of an ODE, function(c).
    periodic: the derivatives that agree at both ends of x.
    boundary: {name of a derivative: (function(c, t), function(c, t))}, what holds at the lower and the upper end of x:
        "u" by Dirichlet, "u_x" by Neumann.
    reference(c, x, t): the solution, for arrays that broadcast; of an ODE, reference(c, t).
    ansatz(c, d): where it can be said, A and M at the tensors `d.x`, `d.t`: A + M N meets all conditions for every N
        that is smooth, and has the period of the system if there is one. A meets them; M is zero where they hold, and
        at the start of time of the order of the initial conditions, t² where u_t is among them.
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
    start: float | None = None
    axes: Mapping[str, tuple[float, float]] = msgspec.field(
        default_factory=lambda: {"x": (0.0, 2 * math.pi), "t": (0.0, 1.0)}
    )
    linear: Callable[[Any], Mapping[str, float]]
    nonlinear: Callable[[Any, Any], Any] | None = None
    reads: tuple[str, ...] = ()
    slopes: Callable[[Any, Any], Mapping[str, Any]] | None = None
    initial: Mapping[str, Callable[..., np.ndarray | float]]
    periodic: tuple[str, ...] = ()
    boundary: Mapping[str, tuple[Values, Values]] = {}
    reference: Callable[..., np.ndarray]
    ansatz: Callable[[Any, Any], tuple[Any, Any]] | None = None

    @property
    def space(self) -> tuple[str, ...]:
        """The axes but for time."""
        return tuple(self.axes)[:-1]

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

    point_weights: (n,), factors of the squares in the mean over the collocation points; they are in the loss and its
        gradient, and the term "residual" that is reported beside them is without.
    """

    system: System
    coefficients: Any
    collocation: np.ndarray
    conditions: tuple[Condition, ...]
    weights: Mapping[str, float]
    point_weights: np.ndarray | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(["residual", *(condition.term for condition in self.conditions)]))

    def loss(self, terms: Mapping[str, float]) -> float:
        """The weighted sum of mean squares."""
        return sum(self.weights[term] * value for term, value in terms.items())

    def alone(self, term: str) -> Problem:
        """The problem of one term of the loss, by its weight."""
        weights = {name: weight if name == term else 0.0 for name, weight in self.weights.items()}
        return msgspec.structs.replace(self, weights=weights)

    def part(self, chosen: np.ndarray) -> Problem:
        """The problem on some of its collocation points, given by their numbers."""
        weights = None if self.point_weights is None else self.point_weights[chosen]
        return msgspec.structs.replace(self, collocation=self.collocation[chosen], point_weights=weights)


def pose(
    system: System,
    coefficients: Any,
    collocation: np.ndarray,
    *,
    n_initial: int,
    n_boundary: int,
    residual_weight: float = 1.0,
    initial_weight: float = 1.0,
    boundary_weight: float = 1.0,
    hard: bool = False,
) -> Problem:
    """The problem on these collocation points, with evenly spaced points for its conditions; hard: without them, for
    networks that meet them by their ansatz.
    """
    weights = {"residual": residual_weight, "initial": initial_weight, "boundary": boundary_weight}
    return Problem(
        system=system,
        coefficients=coefficients,
        collocation=collocation,
        conditions=()
        if hard
        else (*_initial(system, coefficients, n_initial), *_boundary(system, coefficients, n_boundary)),
        weights=weights,
    )


def _initial(system: System, c: Any, count: int) -> Iterator[Condition]:
    """At so many points of x, at the start of time; of an ODE, at that one point."""
    space = [_spaced(system, count)] if system.space else []
    points = np.stack([*space, np.full(count if space else 1, system.axes["t"][0])], axis=-1)
    for name, value in system.initial.items():
        target = np.broadcast_to(value(c, *space), len(points))
        yield Condition(term="initial", derivative=name, points=points, target=target)


def _boundary(system: System, c: Any, count: int) -> Iterator[Condition]:
    """At so many times, at both ends of x."""
    if not system.space:
        return
    t = np.linspace(*system.axes["t"], count)
    lower, upper = (np.column_stack([np.full_like(t, end), t]) for end in system.axes["x"])
    for name in system.periodic:
        yield Condition(term="boundary", derivative=name, points=lower, minus=upper, target=np.zeros_like(t))
    for name, values in system.boundary.items():
        for points, value in zip((lower, upper), values, strict=True):
            target = np.broadcast_to(value(c, t), len(t))
            yield Condition(term="boundary", derivative=name, points=points, target=target)


def _spaced(system: System, count: int) -> np.ndarray:
    """So many points of x; where it is periodic, its end point is its first."""
    low, high = system.axes["x"]
    if system.periodic:
        return low + (high - low) * np.arange(count) / count
    return np.linspace(low, high, count)


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """A lattice over the domain. axes: {name: (n,)}, time the last; fields over it have one dimension an axis."""

    axes: Mapping[str, np.ndarray]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(values) for values in self.axes.values())

    @property
    def points(self) -> np.ndarray:
        """All points, (n · m ..., axes), in the order of a flattened field."""
        lattice = np.meshgrid(*self.axes.values(), indexing="ij")
        return np.stack(lattice, axis=-1).reshape(-1, len(self.axes))

    def reference(self, system: System, coefficients: Any) -> np.ndarray:
        return system.reference(coefficients, *np.ix_(*self.axes.values()))

    def until(self, end: float) -> Grid:
        """The sub-lattice of times up to the end."""
        t = self.axes["t"]
        return Grid(axes={**self.axes, "t": t[t <= end]})

    def every(self, **strides: int) -> Grid:
        """The sub-lattice of each so many points along an axis."""
        return Grid(axes={name: values[:: strides[name]] for name, values in self.axes.items()})


def grid_of(system: System) -> Grid:
    t0, t1 = system.axes["t"]
    if not system.space:
        return Grid(axes={"t": np.linspace(t0, t1, GRID_ALONE)})
    x0, x1 = system.axes["x"]
    x = np.linspace(x0, x1, GRID_X, endpoint=not system.periodic)
    return Grid(axes={"x": x, "t": np.linspace(t0, t1, GRID_T)})
