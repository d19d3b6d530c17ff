"""The loss of a problem and its gradient by the flat parameters of a model: what an optimiser minimises.

`objective` chooses the fast passes of `derivatives` where they apply (a tanh MLP, derivatives up to the second order
along one axis), and automatic differentiation for everything else. Both give the same numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from engine.api import lazy_import
from experiments import graphs
from experiments.pinns.ansatz import Rows
from experiments.pinns.derivatives import Block, Layout, Weights, Workspace
from experiments.pinns.network import Network, derivatives
from experiments.pinns.optimizers import Evaluation
from experiments.pinns.plan import Plan, plan
from experiments.pinns.problem import Condition, Problem

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    np = lazy_import("numpy")
    torch = lazy_import("torch")


class Objective(Protocol):
    """The terms of an evaluation are plain mean squares; the loss weighs them, and the collocation points, too."""

    def __call__(self, flat: torch.Tensor) -> Evaluation: ...


def objective(network: Network, problem: Problem) -> Objective:
    channels = plan(problem) if network.is_fast else None
    return Fused(network, problem, channels) if channels else Automatic(network, problem)


def moved(function: Objective | None, network: Network, problem: Problem) -> Objective:
    """The objective of a problem; function: that of the same problem on as many other collocation points, if there is
    one, which is not evaluated again.
    """
    return function.moved(problem) if isinstance(function, Fused) else objective(network, problem)


class _Placed(NamedTuple):
    """A condition, the points of a piece at which it holds, and its channel (None for u itself)."""

    condition: Condition
    channel: int | None
    at: slice
    minus: slice | None
    target: torch.Tensor


class Piece:
    """Some of the collocation points, and behind them the points of conditions, laid out in columns."""

    def __init__(self, network: Network, plan: Plan, collocation: np.ndarray, conditions: Sequence[Condition]) -> None:
        parts, self.inside = [collocation], len(collocation)
        end, reach = self.inside, [self.inside] * len(plan.channels)
        self.placed = []
        # conditions on derivatives come first: a channel covers all points up to the last that it is needed at
        for condition in sorted(conditions, key=lambda condition: condition.derivative == "u"):
            parts.append(condition.points)
            at, minus, end = slice(end, end + len(condition.points)), None, end + len(condition.points)
            if condition.minus is not None:
                parts.append(condition.minus)
                minus, end = slice(end, end + len(condition.minus)), end + len(condition.minus)
            place = plan.named.get(condition.derivative)
            if place is not None:
                reach[place] = end
            self.placed.append(_Placed(condition, place, at, minus, network.tensor(condition.target)))
        for c, channel in enumerate(plan.channels):
            for k, _ in channel.squares:
                reach[k] = max(reach[k], reach[c])
        self.points = network.tensor(np.concatenate(parts))
        self.layout = Layout(len(self.points), plan.channels, reach)
        self.rows = None if network.ansatz is None else Rows(network.ansatz, self.points, self.layout)

    def place(self, block: Block) -> None:
        """`output` and `seed` are of u and its channels; those of the block are of the network."""
        self.block, self.output, self.seed = block, block.output, block.seed
        if self.rows is not None:
            self.output, self.seed = torch.empty_like(block.output), torch.empty_like(block.seed)

    def move(self, network: Network, collocation: np.ndarray) -> None:
        """To as many other collocation points; the points of conditions stay."""
        self.points[: self.inside].copy_(network.tensor(collocation))
        self.block.feed(self.layout.inputs(network.embedded, self.points))
        if network.ansatz is not None:
            self.rows = Rows(network.ansatz, self.points, self.layout)

    def forward(self) -> None:
        self.block.forward()
        if self.rows is not None:
            self.rows.applied(self.block.output, out=self.output)
        self.seed.zero_()

    def backward(self) -> None:
        if self.rows is not None:
            self.rows.returned(self.seed, out=self.block.seed)
        self.block.backward()


class _Part(Protocol):
    """Of the loss, from rows of values into rows of seeds. count: over which a sum of squares is a mean."""

    term: str
    count: int
    point_weights: torch.Tensor | None

    def evaluate(self) -> list[torch.Tensor]:
        """The sum of squares, with point weights also of those weighted; the derivatives of the loss go into seeds."""
        ...


class Fused:
    """Loss and gradient by the passes of `derivatives`, block after block."""

    def __init__(self, network: Network, problem: Problem, plan: Plan) -> None:
        self.network, self.problem = network, problem
        self._weights = Weights(network.spec, network.inputs, network.dtype, network.device)
        pieces = [
            Piece(network, plan, chunk, () if i else problem.conditions)
            for i, chunk in enumerate(network.blocks(problem.collocation))
        ]
        layouts = [piece.layout for piece in pieces]
        workspace = Workspace(network.spec, layouts, self._weights.flat)
        for piece in pieces:
            inputs = piece.layout.inputs(network.embedded, piece.points)
            piece.place(Block(network.spec, inputs, piece.layout, self._weights, workspace))
        weights = [None] * len(pieces) if problem.point_weights is None else network.blocks(problem.point_weights)
        self._pieces: list[tuple[Piece, list[_Part]]] = [
            (
                piece,
                [
                    _Residual(problem, plan, piece, None if at is None else network.tensor(at)),
                    *(_Mismatch(problem, piece, placed) for placed in piece.placed),
                ],
            )
            for piece, at in zip(pieces, weights, strict=True)
        ]
        self._replayed: graphs.Function | None = None
        """What is launched, as a graph. None: launched one by one (a bound method here would be a cycle, and memory on
        a GPU would wait for the garbage collector)."""
        self._count = 0

    def moved(self, problem: Problem) -> Fused:
        """The function of a problem that is this one on as many other collocation points.

        It is laid out already: it takes the memory of this one, which must not be evaluated again.
        """
        found = copy.copy(self)
        found.problem, found._replayed, found._count = problem, None, 0
        blocks, weights = self.network.blocks, problem.point_weights
        for (piece, _), chunk in zip(self._pieces, blocks(problem.collocation), strict=True):
            piece.move(self.network, chunk)
        if weights is not None:
            for (_, (residual, *_)), chunk in zip(self._pieces, blocks(weights), strict=True):
                assert residual.point_weights is not None
                residual.point_weights.copy_(self.network.tensor(chunk))
        return found

    def __call__(self, flat: torch.Tensor) -> Evaluation:
        self._count += 1
        if self._count == graphs.CAPTURED_AFTER and graphs.are_possible(self.network.device):
            self._replayed = graphs.captured(self._launched, flat)
        with torch.no_grad():
            gradient, squares = (self._replayed or self._launched)(flat)
            found = iter(squares.tolist())  # the one copy to the host
        terms, weighted = dict.fromkeys(self.problem.terms, 0.0), 0.0
        for _, parts in self._pieces:
            for part in parts:
                mean = next(found) / part.count
                terms[part.term] += mean
                if part.term == "residual":
                    weighted += mean if part.point_weights is None else next(found) / part.count
        return Evaluation(self.problem.loss({**terms, "residual": weighted}), gradient, terms)

    def _launched(self, flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The gradient, and the sums of squares of all parts in their order; nothing here waits for a GPU."""
        self._weights.load(flat)
        squares = []
        for piece, parts in self._pieces:
            piece.forward()
            for part in parts:
                squares += part.evaluate()
            piece.backward()
        return self._weights.collected(), torch.stack(squares)


class _Residual:
    """The residual at the collocation points of a piece."""

    term = "residual"

    def __init__(self, problem: Problem, plan: Plan, piece: Piece, point_weights: torch.Tensor | None) -> None:
        self.point_weights = point_weights
        system, inside, axes = problem.system, piece.inside, list(problem.system.axes)
        self._system, self._coefficients = system, problem.coefficients
        self.count = len(problem.collocation)
        self._factor = 2 * problem.weights["residual"] / self.count

        def rows(channel: int | None) -> tuple[torch.Tensor, torch.Tensor]:
            return piece.block.part(piece.output, channel)[:inside], piece.block.part(piece.seed, channel)[:inside]

        self._linear = [(*rows(c), factor) for c, factor in plan.linear]
        self._read = {name: rows(plan.named.get(name)) for name in system.reads if name not in axes}
        self._axes = {name: piece.points[:inside, axes.index(name)] for name in system.reads if name in axes}

    def evaluate(self) -> list[torch.Tensor]:
        if self._system.nonlinear is None:
            residual = self._added(None)
            seed = self._seed(residual)
        elif self._system.slopes is not None:
            at = SimpleNamespace(**{name: values for name, (values, _) in self._read.items()}, **self._axes)
            residual = self._added(self._system.nonlinear(self._coefficients, at))
            seed = self._seed(residual)
            for name, slope in self._system.slopes(self._coefficients, at).items():
                self._read[name][1].addcmul_(seed, slope)
        else:
            leaves = {name: values.detach().requires_grad_() for name, (values, _) in self._read.items()}
            with torch.enable_grad():
                nonlinear = self._system.nonlinear(self._coefficients, SimpleNamespace(**leaves, **self._axes))
            residual = self._added(nonlinear.detach())
            seed = self._seed(residual)
            if nonlinear.requires_grad:
                slopes = torch.autograd.grad(nonlinear, list(leaves.values()), seed, allow_unused=True)
                for (_, seeds), slope in zip(self._read.values(), slopes, strict=True):
                    if slope is not None:
                        seeds.add_(slope)
        for _, seeds, factor in self._linear:
            seeds.add_(seed, alpha=factor)
        if self.point_weights is None:
            return [residual.dot(residual)]
        return [residual.dot(residual), (residual * self.point_weights).dot(residual)]

    def _added(self, nonlinear: torch.Tensor | None) -> torch.Tensor:
        """With the linear part; a new tensor, unless that is all and a row as it is."""
        if nonlinear is None:
            (values, _, factor), *others = self._linear
            if factor == 1 and not others:
                return values
            total = values * factor
        else:
            total, others = nonlinear, self._linear
            if others:
                (values, _, factor), *others = others
                total = torch.add(nonlinear, values, alpha=factor)
        for values, _, factor in others:
            total.add_(values, alpha=factor)
        return total

    def _seed(self, residual: torch.Tensor) -> torch.Tensor:
        seed = residual * self._factor
        return seed if self.point_weights is None else seed.mul_(self.point_weights)


class _Mismatch:
    """A condition at its points."""

    point_weights: torch.Tensor | None = None

    def __init__(self, problem: Problem, piece: Piece, placed: _Placed) -> None:
        self.term, self.count = placed.condition.term, len(placed.target)
        self._factor = 2 * problem.weights[self.term] / self.count
        values, seeds = (piece.block.part(row, placed.channel) for row in (piece.output, piece.seed))
        self._values, self._seeds = values[placed.at], seeds[placed.at]
        self._minus = None if placed.minus is None else (values[placed.minus], seeds[placed.minus])
        self._target = placed.target

    def evaluate(self) -> list[torch.Tensor]:
        difference = self._values - self._target
        if self._minus is not None:
            difference.sub_(self._minus[0])
            self._minus[1].sub_(difference, alpha=self._factor)
        self._seeds.add_(difference, alpha=self._factor)
        return [difference.dot(difference)]


class Automatic:
    """Loss and gradient by automatic differentiation: any model, any derivative."""

    def __init__(self, network: Network, problem: Problem) -> None:
        self._network, self._problem = network, problem
        self._axes = tuple(problem.system.axes)
        self._collocation = network.tensor(problem.collocation)
        self._point_weights = None if problem.point_weights is None else network.tensor(problem.point_weights)
        self._conditions = [
            (
                condition,
                network.tensor(condition.points),
                None if condition.minus is None else network.tensor(condition.minus),
                network.tensor(condition.target),
            )
            for condition in problem.conditions
        ]

    def __call__(self, flat: torch.Tensor) -> Evaluation:
        with torch.enable_grad():
            leaf = flat.detach().requires_grad_()
            terms = dict.fromkeys(self._problem.terms, leaf.new_zeros(()))
            squares = self._residual(leaf).square()
            terms["residual"] = squares.mean()
            for condition, points, minus, target in self._conditions:
                difference = self._derivative(leaf, points, condition.derivative) - target
                if minus is not None:
                    difference = difference - self._derivative(leaf, minus, condition.derivative)
                terms[condition.term] = terms[condition.term] + difference.square().mean()
            weighted = squares.mean() if self._point_weights is None else (squares * self._point_weights).mean()
            minimised = {**terms, "residual": weighted}
            loss = torch.stack([self._problem.weights[term] * value for term, value in minimised.items()]).sum()
            (gradient,) = torch.autograd.grad(loss, leaf)
        values = {term: value.item() for term, value in terms.items()}
        return Evaluation(self._problem.loss({**values, "residual": weighted.item()}), gradient, values)

    def _residual(self, flat: torch.Tensor) -> torch.Tensor:
        system, c = self._problem.system, self._problem.coefficients
        values = self._derivatives(flat, self._collocation, system.derivatives(c))
        axes = {axis: self._collocation[:, i] for i, axis in enumerate(self._axes)}
        residual: torch.Tensor = system.residual(c, {**values, **axes})
        return residual

    def _derivative(self, flat: torch.Tensor, points: torch.Tensor, name: str) -> torch.Tensor:
        return self._derivatives(flat, points, [name])[name]

    def _derivatives(self, flat: torch.Tensor, points: torch.Tensor, names: Sequence[str]) -> dict[str, torch.Tensor]:
        return derivatives(self._network, self._axes, flat, points, names)
