"""The loss of a problem and its gradient by the flat parameters of a model: what an optimiser minimises.

`objective` chooses the fast passes of `derivatives` where they apply (a tanh MLP, derivatives up to the second order
along one axis), and automatic differentiation for everything else. Both give the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from engine.api import lazy_import
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


class _MeanSquare(NamedTuple):
    """Of residuals: as it is, and with the weights of the points."""

    plain: float
    weighted: float


class _Placed(NamedTuple):
    """A condition, the points of a piece at which it holds, and its channel (None for u itself)."""

    condition: Condition
    channel: int | None
    at: slice
    minus: slice | None
    target: torch.Tensor


class Piece:
    """Some of the collocation points, and behind them the points of conditions, laid out in columns."""

    point_weights: torch.Tensor | None = None
    """Of the collocation points."""

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

    def forward(self) -> None:
        self.block.forward()
        if self.rows is not None:
            self.rows.applied(self.block.output, out=self.output)
        self.seed.zero_()

    def backward(self) -> None:
        if self.rows is not None:
            self.rows.returned(self.seed, out=self.block.seed)
        self.block.backward()


class Fused:
    """Loss and gradient by the passes of `derivatives`, block after block."""

    def __init__(self, network: Network, problem: Problem, plan: Plan) -> None:
        self.network, self.problem, self._plan = network, problem, plan
        self._weights = Weights(network.spec, network.inputs, network.dtype, network.device)
        self._pieces = [
            Piece(network, plan, chunk, () if i else problem.conditions)
            for i, chunk in enumerate(network.blocks(problem.collocation))
        ]
        if problem.point_weights is not None:
            for piece, weights in zip(self._pieces, network.blocks(problem.point_weights), strict=True):
                piece.point_weights = network.tensor(weights)
        layouts = [piece.layout for piece in self._pieces]
        workspace = Workspace(network.spec, layouts, self._weights.flat)
        for piece in self._pieces:
            inputs = piece.layout.inputs(network.embedded, piece.points)
            piece.place(Block(network.spec, inputs, piece.layout, self._weights, workspace))
        axes = list(problem.system.axes)
        self._read = {name: plan.named.get(name) for name in problem.system.reads if name not in axes}
        self._read_axes = {name: axes.index(name) for name in problem.system.reads if name in axes}

    def __call__(self, flat: torch.Tensor) -> Evaluation:
        with torch.no_grad():
            self._weights.load(flat)
            terms, weighted = dict.fromkeys(self.problem.terms, 0.0), 0.0
            for piece in self._pieces:
                piece.forward()
                residual = self._residual(piece)
                terms["residual"] += residual.plain
                weighted += residual.weighted
                for placed in piece.placed:
                    terms[placed.condition.term] += self._condition(piece, placed)
                piece.backward()
            loss = self.problem.loss({**terms, "residual": weighted})
            return Evaluation(loss, self._weights.collected(), terms)

    def _residual(self, piece: Piece) -> _MeanSquare:
        """The part of the mean square residual that these points make; its derivatives go into the seed."""
        block, inside, count = piece.block, piece.inside, len(self.problem.collocation)
        arguments = {name: block.part(piece.output, c)[:inside] for name, c in self._read.items()}
        nonlinear = self._nonlinear(arguments, piece.points[:inside])
        residual = piece.output.new_zeros(inside) if nonlinear is None else nonlinear.detach().clone()
        for c, factor in self._plan.linear:
            residual.add_(block.part(piece.output, c)[:inside], alpha=factor)
        seed = residual * (2 * self.problem.weights["residual"] / count)
        if piece.point_weights is not None:
            seed.mul_(piece.point_weights)
        for c, factor in self._plan.linear:
            block.part(piece.seed, c)[:inside].add_(seed, alpha=factor)
        if nonlinear is not None:
            slopes = torch.autograd.grad(nonlinear, list(arguments.values()), seed, allow_unused=True)
            for c, slope in zip(self._read.values(), slopes, strict=True):
                if slope is not None:
                    block.part(piece.seed, c)[:inside].add_(slope)
        plain = float(residual.dot(residual)) / count
        if piece.point_weights is None:
            return _MeanSquare(plain, plain)
        return _MeanSquare(plain, float((residual * piece.point_weights).dot(residual)) / count)

    def _nonlinear(self, arguments: dict[str, torch.Tensor], points: torch.Tensor) -> torch.Tensor | None:
        """The nonlinear part of the residual; `arguments` become leaves to differentiate it by."""
        system = self.problem.system
        if system.nonlinear is None:
            return None
        for name, values in arguments.items():
            arguments[name] = values.detach().requires_grad_()
        axes = {axis: points[:, i] for axis, i in self._read_axes.items()}
        with torch.enable_grad():
            found: torch.Tensor = system.nonlinear(self.problem.coefficients, SimpleNamespace(**arguments, **axes))
        return found

    def _condition(self, piece: Piece, placed: _Placed) -> float:
        values, seeds = (piece.block.part(row, placed.channel) for row in (piece.output, piece.seed))
        difference = values[placed.at] - placed.target
        if placed.minus is not None:
            difference -= values[placed.minus]
        count = len(difference)
        seed = difference * (2 * self.problem.weights[placed.condition.term] / count)
        seeds[placed.at].add_(seed)
        if placed.minus is not None:
            seeds[placed.minus].sub_(seed)
        return float(difference.dot(difference)) / count


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
