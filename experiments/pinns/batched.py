"""Loss and gradient of many networks at once: the passes of `derivatives` with a leading dimension for the networks.

For GPUs, which one network of the usual size does not fill. The networks have the same shape (`Part.shape`); their
points, coefficients, conditions and weights are their own. The formulas are those of `derivatives`, but that biases are
added by themselves instead of by a row of ones. All losses come to the host in one copy, and a batch
that is used often is replayed from a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from engine.api import lazy_import
from experiments import graphs
from experiments.models import mlp
from experiments.pinns.ansatz import Rows
from experiments.pinns.derivatives import Layout
from experiments.pinns.network import Network
from experiments.pinns.objective import Piece
from experiments.pinns.optimizers import Evaluation
from experiments.pinns.plan import plan
from experiments.pinns.problem import Problem

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


Pull = Callable[["torch.Tensor"], Mapping[str, "torch.Tensor"]]


class Part:
    """What one network brings: its problem, laid out in columns. shape: those of the same can be evaluated at once.

    Raises ValueError for a model or a problem that the passes do not know.
    """

    def __init__(self, network: Network, problem: Problem) -> None:
        found = plan(problem) if network.is_fast and not network.spec.factorised else None
        if found is None:
            raise ValueError("required a plain tanh MLP and derivatives up to the second order along one axis")
        self.network, self.problem, self.plan = network, problem, found
        self.piece = Piece(network, found, problem.collocation, problem.conditions)
        self.weights = None if problem.point_weights is None else network.tensor(problem.point_weights)
        layout, system = self.piece.layout, problem.system
        self.inputs = layout.inputs(network.embedded, self.piece.points)[:-1]
        self.shape = (
            *(network.spec, network.inputs, network.dtype, network.device),
            *(system.nonlinear, system.reads, tuple(system.axes), problem.terms, self.weights is None),
            self.piece.rows is None,
            *(self.piece.inside, layout.points, layout.counts),
            tuple((k, c) for k, c, _ in layout.squares),
            tuple(found.named.items()),
            tuple(c for c, _ in found.linear),
            *((it.condition.term, it.channel, it.at.start, it.at.stop, it.minus is None) for it in self.piece.placed),
        )

    @property
    def bytes(self) -> float:
        """What an evaluation keeps of it: of each layer the outputs and the slopes, and as much again on the way."""
        spec = self.network.spec
        return 8.0 * self.piece.layout.columns * spec.width * (2 * spec.depth + 4)


class _Layer(NamedTuple):
    """Outputs (networks, width, columns), and the slopes of the values."""

    outputs: torch.Tensor
    slope: torch.Tensor


class _Columns:
    """The parts of a (networks, rows, columns) array that the formulas name."""

    def __init__(self, whole: torch.Tensor, layout: Layout) -> None:
        self.value = whole[..., : layout.points]
        self.channel = [whole[..., columns] for columns in layout.slices]
        self.value_at = [whole[..., :count] for count in layout.counts]


class Batch:
    """The objectives of networks of one shape."""

    def __init__(self, parts: Sequence[Part]) -> None:
        first = parts[0]
        network, system = first.network, first.problem.system
        self._parts, self._piece, self._layout = parts, first.piece, first.piece.layout
        self._layers = mlp.shapes(network.spec, network.inputs, 1)
        self._inputs = torch.stack([part.inputs for part in parts])

        def column(values: list[float]) -> torch.Tensor:
            """A number of each network, over whose columns it is broadcast."""
            return self._inputs.new_tensor(values)[:, None]

        self._linear = [
            (c, column([part.plan.linear[i][1] for part in parts])) for i, (c, _) in enumerate(first.plan.linear)
        ]
        self._squares = [
            (k, c, column([part.piece.layout.squares[i][2] for part in parts])[..., None])
            for i, (k, c, _) in enumerate(self._layout.squares)
        ]
        self._terms = first.problem.terms
        self._weights = {term: column([part.problem.weights[term] for part in parts]) for term in self._terms}
        self._targets = [torch.stack(list(of_all)) for of_all in zip(*map(_targets, parts), strict=True)]
        weights = [part.weights for part in parts if part.weights is not None]
        self._point_weights = torch.stack(weights) if weights else None
        rows = [part.piece.rows for part in parts if part.piece.rows is not None]
        self._rows = Rows.stacked(rows) if rows else None
        axes, points = list(system.axes), torch.stack([part.piece.points for part in parts])
        self._read = {name: first.plan.named.get(name) for name in system.reads if name not in axes}
        self._places = {
            name: points[:, : self._piece.inside, axes.index(name)] for name in system.reads if name in axes
        }
        each = [msgspec.structs.asdict(part.problem.coefficients) for part in parts]
        self._replayed: graphs.Function | None = None
        self._count = 0
        self._coefficients = SimpleNamespace(**{name: column([one[name] for one in each]) for name in each[0]})

    def __call__(self, flats: Sequence[torch.Tensor]) -> list[Evaluation]:
        """The evaluations at a point of each."""
        stacked = torch.stack(list(flats))
        self._count += 1
        if self._count == graphs.CAPTURED_AFTER and graphs.are_possible(stacked.device):
            self._replayed = graphs.captured(self._launched, stacked)
        with torch.no_grad():
            gradient, squares = (self._replayed or self._launched)(stacked)
        found, table = [], squares.tolist()  # the one copy to the host
        for part, (weighted, *values), own in zip(self._parts, table, gradient, strict=True):
            terms = dict(zip(self._terms, values, strict=True))
            found.append(Evaluation(part.problem.loss({**terms, "residual": weighted}), own, terms))
        return found

    def _launched(self, flats: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The gradients (networks, parameters), and the mean squares (networks, 1 + terms); waits for no GPU."""
        matrices = self._matrices(flats)
        layers, output = self._forward(matrices)
        squares, seed = self._judged(output[:, 0])
        return self._backward(matrices, layers, seed[:, None]), torch.stack(squares, dim=1).double()

    def _matrices(self, flats: torch.Tensor) -> list[torch.Tensor]:
        """Of each layer, (networks, outputs, inputs + 1), the hidden ones doubled."""
        parts = flats.split([rows * columns for rows, columns in self._layers], dim=1)
        *hidden, last = (part.view(-1, *shape) for part, shape in zip(parts, self._layers, strict=True))
        return [*(2 * matrix for matrix in hidden), last]

    def _product(self, matrix: torch.Tensor, fed: torch.Tensor) -> torch.Tensor:
        """A layer before its nonlinearity: the bias belongs to the values alone."""
        product = torch.bmm(matrix[..., :-1], fed)
        product[..., : self._layout.points] += matrix[..., -1:]
        return product

    def _forward(self, matrices: list[torch.Tensor]) -> tuple[list[_Layer], torch.Tensor]:
        layout, fed, layers = self._layout, self._inputs, []
        for matrix in matrices[:-1]:
            fed = self._product(matrix, fed)
            units = _Columns(fed, layout)
            units.value.sigmoid_().mul_(2).sub_(1)
            slope = 0.5 - 0.5 * units.value.square()
            bent = {k: units.channel[k] * units.value_at[k] for k in layout.squared}
            for channel, count in zip(units.channel, layout.counts, strict=True):
                channel.mul_(slope[..., :count])
            for k, c, factor in self._squares:
                count = layout.counts[c]
                units.channel[c].sub_(factor * bent[k][..., :count] * units.channel[k][..., :count])
            layers.append(_Layer(fed, slope))
        return layers, self._product(matrices[-1], fed)

    def _backward(self, matrices: list[torch.Tensor], layers: list[_Layer], seed: torch.Tensor) -> torch.Tensor:
        """The gradients by the parameters, (networks, parameters), a new tensor."""
        fed = [self._inputs, *(layer.outputs for layer in layers)]
        adjoint, gradients = seed, []
        for i in reversed(range(len(matrices))):
            bias = adjoint[..., : self._layout.points].sum(dim=-1, keepdim=True)
            gradient = torch.cat([torch.bmm(adjoint, fed[i].transpose(1, 2)), bias], dim=-1)
            gradients.append((gradient if i == len(layers) else 2 * gradient).flatten(1))
            if i:
                adjoint = torch.bmm(matrices[i][..., :-1].transpose(1, 2), adjoint)
                self._through_activation(layers[i - 1], _Columns(adjoint, self._layout))
        return torch.cat(gradients[::-1], dim=1)

    def _through_activation(self, layer: _Layer, adjoint: _Columns) -> None:
        """Turns ā into z̄, in place."""
        counts, units, slope = self._layout.counts, _Columns(layer.outputs, self._layout), layer.slope
        adjoint.value.mul_(slope)
        for c, channel in enumerate(adjoint.channel):
            adjoint.value_at[c].sub_(channel * units.channel[c] * units.value_at[c])
        products = []
        for k, c, factor in self._squares:
            squared = units.channel[k][..., : counts[c]]
            products.append(factor * squared * adjoint.channel[c])
            adjoint.value_at[c].sub_(squared * products[-1])
        for channel, count in zip(adjoint.channel, counts, strict=True):
            channel.mul_(slope[..., :count])
        for (k, c, _), product in zip(self._squares, products, strict=True):
            adjoint.channel[k][..., : counts[c]].sub_(2 * units.value_at[c] * product)

    # The loss

    def _part(self, row: torch.Tensor, channel: int | None) -> torch.Tensor:
        """Of outputs or seeds (networks, columns), what belongs to a channel, or to u itself (None)."""
        return row[:, : self._layout.points] if channel is None else row[:, self._layout.slices[channel]]

    def _judged(self, output: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Mean squares, and the derivatives of the losses by the rows of the networks (networks, columns)."""
        if self._rows is None:
            seed = torch.zeros_like(output)
            return self._mean_squares(output, seed), seed
        u, seed = torch.empty_like(output), torch.empty_like(output)
        self._rows.applied(output, out=u)
        by_u = torch.zeros_like(u)
        squares = self._mean_squares(u, by_u)
        self._rows.returned(by_u, out=seed)
        return squares, seed

    def _mean_squares(self, output: torch.Tensor, seed: torch.Tensor) -> list[torch.Tensor]:
        """The weighted mean square residual, then every term; their derivatives go into the seed. Each (networks,)."""
        weighted, plain = self._residual(output, seed)
        terms = {"residual": plain}
        for placed, target in zip(self._piece.placed, self._targets, strict=True):
            term, values, seeds = placed.condition.term, *(self._part(row, placed.channel) for row in (output, seed))
            difference = values[:, placed.at] - target
            if placed.minus is not None:
                difference = difference - values[:, placed.minus]
            pulled = difference * (self._weights[term] * (2 / difference.shape[1]))
            seeds[:, placed.at] += pulled
            if placed.minus is not None:
                seeds[:, placed.minus] -= pulled
            square = difference.square().mean(dim=1)
            terms[term] = terms[term] + square if term in terms else square
        return [weighted, *(terms[term] for term in self._terms)]

    def _residual(self, output: torch.Tensor, seed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inside = self._piece.inside
        arguments = {name: self._part(output, c)[:, :inside] for name, c in self._read.items()}
        nonlinear, pull = self._nonlinear(arguments)
        residual = output.new_zeros(len(output), inside) if nonlinear is None else nonlinear.clone()
        for c, factor in self._linear:
            residual += factor * self._part(output, c)[:, :inside]
        pulled = residual * (self._weights["residual"] * (2 / inside))
        if self._point_weights is not None:
            pulled *= self._point_weights
        for c, factor in self._linear:
            self._part(seed, c)[:, :inside] += factor * pulled
        for name, slope in pull(pulled).items():
            self._part(seed, self._read[name])[:, :inside] += slope
        squares = residual.square()
        plain = squares.mean(dim=1)
        weighted = plain if self._point_weights is None else (squares * self._point_weights).mean(dim=1)
        return weighted, plain

    def _nonlinear(self, arguments: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor | None, Pull]:
        """The nonlinear part of the residuals, and what turns derivatives of a loss by it into those by what it reads:
        as the system says, or by automatic differentiation.
        """
        system, c = self._parts[0].problem.system, self._coefficients
        if system.nonlinear is None:
            return None, lambda pulled: {}
        if system.slopes is not None:
            at = SimpleNamespace(**arguments, **self._places)
            slopes = system.slopes(c, at)
            return system.nonlinear(c, at), lambda pulled: {name: pulled * slope for name, slope in slopes.items()}
        leaves = {name: values.detach().requires_grad_() for name, values in arguments.items()}
        with torch.enable_grad():
            found = system.nonlinear(c, SimpleNamespace(**leaves, **self._places))

        def pull(pulled: torch.Tensor) -> dict[str, torch.Tensor]:
            if not found.requires_grad:
                return {}
            slopes = torch.autograd.grad(found, list(leaves.values()), pulled, allow_unused=True)
            return {name: slope for name, slope in zip(leaves, slopes, strict=True) if slope is not None}

        return found.detach(), pull


def _targets(part: Part) -> list[torch.Tensor]:
    return [placed.target for placed in part.piece.placed]
