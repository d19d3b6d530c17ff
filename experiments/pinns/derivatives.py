"""u, its derivatives and the gradient of a loss over them, for tanh MLPs: a hand-written forward and backward pass.

Beside the value, *channels* are carried through the network: linear differential operators D = D_v + Σ_k c_k D_k²,
where D_v is the derivative along a direction v and the D_k are first-order channels. All linear derivative terms of a
residual make one channel, so that convection costs one channel instead of two.

What makes it fast on a CPU: activations lie feature by feature, the columns being first the values at all points, then
each channel's; a layer is one matrix product over all columns, in which a row of ones (zero for channels) applies the
bias. Only outputs of layers are kept, since the backward formulas can be written in them. tanh z = 2 σ(2z) - 1 is
faster than tanh, and the factor 2 is put into the weights: hidden units are a = tanh(z/2) of doubled weights, and

    a' = h = (1 - a²)/2,   a'' = -a h,   a''' = a² h - h²
    forward    a_k = h z_k          a_D = h z_D - Σ c_k (a z_k) a_k
    backward   z̄_D = h ā_D          z̄_k = h ā_k - 2 c_k a (a_k ā_D)
               z̄   = h ā - a (Σ_k ā_k a_k + ā_D a_D) - Σ c_k a_k (a_k ā_D)

for channels k of first order and D of second, where x̄ is the derivative of the loss by x. The bracketed products are
kept apart, so that each formula is a few passes over memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.api import lazy_import
from experiments.models import mlp

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


class Channel(NamedTuple):
    """The operator D_v + Σ_k c_k D_k²: `direction` is v over the axes, `squares` are pairs (k, c_k).

    A channel without squares is of first order; each k is one of these.
    """

    direction: tuple[float, ...]
    squares: tuple[tuple[int, float], ...] = ()


Map = Callable[["torch.Tensor"], "torch.Tensor"]
"""From points (n, axes) to (n, m), row by row, differentiable by torch."""


def operate(channels: Sequence[Channel], c: int, function: Map, points: torch.Tensor) -> torch.Tensor:
    """What channel c makes of a known function, at points (n, axes): (n, m), by automatic differentiation."""
    direction, squares = channels[c]
    total = _along(direction, function)(points)
    for k, factor in squares:
        total = total + factor * _along(channels[k].direction, _along(channels[k].direction, function))(points)
    return total.detach()


def _along(direction: Sequence[float], function: Map) -> Map:
    """The derivative of a function along a direction: forward mode, as the derivative of backward mode by what it is
    fed.
    """

    def derivative(points: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            points = points if points.requires_grad else points.detach().requires_grad_()
            values = function(points)
            fed = torch.zeros_like(values, requires_grad=True)
            if not values.requires_grad:
                return torch.zeros_like(values)
            pulled = _gradient(values, points, fed)
            return _gradient(pulled, fed, points.new_tensor(direction).expand_as(points))

    return derivative


def _gradient(outputs: torch.Tensor, inputs: torch.Tensor, fed: torch.Tensor) -> torch.Tensor:
    if not outputs.requires_grad:
        return torch.zeros_like(inputs)
    (found,) = torch.autograd.grad(outputs, inputs, fed, create_graph=True, materialize_grads=True)
    return found


class Layout:
    """Where values and channels lie in the columns: channel c covers the first `counts[c]` points.

    A channel covers no more points than those of its squares.
    """

    def __init__(self, points: int, channels: Sequence[Channel], counts: Sequence[int]) -> None:
        self.points, self.channels, self.counts = points, tuple(channels), tuple(counts)
        self.slices: list[slice] = []
        end = points
        for count in counts:
            self.slices.append(slice(end, end + count))
            end += count
        self.columns = end
        self.groups: list[tuple[slice, int, int]] = []
        """Channels that lie side by side and cover the same points: their columns, how many, and the points."""
        for count, members in itertools.groupby(zip(counts, self.slices, strict=True), key=lambda pair: pair[0]):
            slices = [columns for _, columns in members]
            self.groups.append((slice(slices[0].start, slices[-1].stop), len(slices), count))
        self.squares = [(k, c, factor) for c, channel in enumerate(self.channels) for k, factor in channel.squares]
        """Of all channels: channel c has the square of channel k, with this factor."""
        self.squared = sorted({k for k, _, _ in self.squares})

    def inputs(self, features: Map, points: torch.Tensor) -> torch.Tensor:
        """What the first layer is fed, (features + 1, columns): features of the points (n, axes) and ones under the
        values, what a channel makes of the features and zeros under that channel. Computed in float64.
        """
        exact = points.double()
        values = features(exact)
        count = values.shape[1]
        inputs = points.new_zeros(count + 1, self.columns)
        inputs[:count, : self.points] = values.T
        inputs[count, : self.points] = 1
        for c, (columns, covered) in enumerate(zip(self.slices, self.counts, strict=True)):
            inputs[:count, columns] = operate(self.channels, c, features, exact[:covered]).T
        return inputs


class Workspace:
    """Memory for one pass over a block, reused by all blocks of these layouts."""

    def __init__(self, spec: mlp.MLP, layouts: Sequence[Layout], like: torch.Tensor) -> None:
        columns = max(layout.columns for layout in layouts)
        points = max(layout.points for layout in layouts)

        def empty(rows: int, length: int) -> torch.Tensor:
            return like.new_empty(rows * length)

        self.outputs = [empty(spec.width + 1, columns) for _ in range(spec.depth)]
        self.slope = empty(spec.width, points)
        self.adjoint = empty(spec.width, columns)
        self.products = [empty(spec.width, points) for _ in range(max(1, *(len(layout.squares) for layout in layouts)))]
        self.results = [empty(1, columns) for _ in range(2)]
        self.user: Block | None = None
        """The block whose rows of ones are in `outputs`."""


class _Columns:
    """The parts of a (width, columns) array that the formulas name, as views that are made once."""

    def __init__(self, whole: torch.Tensor, layout: Layout) -> None:
        self.whole = whole
        self.transposed = whole.T
        self.value = whole[:, : layout.points]
        self.channel = [whole[:, columns] for columns in layout.slices]
        self.together = [whole[:, columns].unflatten(1, (many, count)) for columns, many, count in layout.groups]
        """The channels of each group at once, (width, channels, points)."""
        self.value_at = [whole[:, :count] for count in layout.counts]
        """The values at the points of each channel."""
        self.squared = [self.channel[k][:, : layout.counts[c]] for k, c, _ in layout.squares]
        """Of each square, what is squared, at the points of the channel that has it."""


class Weights:
    """The parameters as the passes use them, and the gradient that they collect. Both are flat, with views by layer."""

    def __init__(self, spec: mlp.MLP, inputs: int, dtype: torch.dtype, device: torch.device | str) -> None:
        size = mlp.size(spec, inputs, 1)
        self.flat, self.gradient = (torch.zeros(size, dtype=dtype, device=device) for _ in range(2))
        self.matrices = mlp.matrices(spec, self.flat, inputs, 1)
        self.transposed = [matrix[:, :-1].T for matrix in self.matrices]
        self.gradients = mlp.matrices(spec, self.gradient, inputs, 1)
        self.by_matrix = [gradient[:, :-1] for gradient in self.gradients]
        self.by_bias = [gradient[:, -1] for gradient in self.gradients]
        hidden = sum(matrix.numel() for matrix in self.matrices[:-1])
        self._doubled = torch.ones_like(self.flat)
        self._doubled[:hidden] = 2
        self._factors: list[torch.Tensor] = []
        """Of a factorised network, the factor exp(s) of each neuron's weights, by layer, as columns."""
        if spec.factorised:
            self._factors = [scale[:, None] for scale in mlp.scales(spec, self.flat, inputs, 1)]
            self._scales = mlp.scales(spec, self.gradient, inputs, 1)

    def load(self, flat: torch.Tensor) -> None:
        """Takes parameters, the hidden layers doubled, and clears the gradient."""
        torch.mul(flat, self._doubled, out=self.flat)
        for factor, matrix in zip(self._factors, self.matrices, strict=False):
            matrix[:, :-1].mul_(factor.exp_())
        self.gradient.zero_()

    def collected(self) -> torch.Tensor:
        """The gradient by the parameters that were loaded, as a new tensor."""
        if self._factors:
            for factor, scale, matrix, gradient in zip(
                self._factors, self._scales, self.matrices, self.gradients, strict=True
            ):
                torch.sum(gradient[:, :-1] * matrix[:, :-1], dim=1, out=scale)
                gradient[:, :-1].mul_(factor)
        return self.gradient * self._doubled


class Block:
    """One network pass over a block of points. Of the blocks of a workspace, each is run to its end before the next."""

    def __init__(
        self, spec: mlp.MLP, inputs: torch.Tensor, layout: Layout, weights: Weights, workspace: Workspace
    ) -> None:
        self.layout, self._weights, self._workspace = layout, weights, workspace
        width, columns, n = spec.width, layout.columns, layout.points

        def cut(buffer: torch.Tensor, rows: int, length: int) -> torch.Tensor:
            return buffer[: rows * length].view(rows, length)

        outputs = [cut(buffer, width + 1, columns) for buffer in workspace.outputs]
        self._fed = [inputs, *outputs]  # what each layer is fed, the row of ones included
        self._ones = [output[width] for output in outputs]
        self._units = [_Columns(output[:width], layout) for output in outputs]
        # a layer's adjoint lies where the outputs of the layer above were, which nothing reads any more
        self._adjoints = [*self._units[1:], _Columns(cut(workspace.adjoint, width, columns), layout)]
        self._slope = cut(workspace.slope, width, n)
        self._slopes = [self._slope[:, None, :count] for _, _, count in layout.groups]
        products = [cut(buffer, width, n) for buffer in workspace.products]
        self._total = [products[0][:, :count] for count in layout.counts]  # read before there are products
        self._bent = {k: product[:, : layout.counts[k]] for k, product in zip(layout.squared, products, strict=False)}
        self._bent_at = [self._bent[k][:, : layout.counts[c]] for k, c, _ in layout.squares]
        self._products = [
            product[:, : layout.counts[c]] for (_, c, _), product in zip(layout.squares, products, strict=False)
        ]
        self._channels = sorted(range(len(layout.counts)), key=lambda c: -layout.counts[c])  # the widest first
        self._first_gradient = inputs.new_empty(len(inputs), width)
        self.output, self.seed = (cut(buffer, 1, columns) for buffer in workspace.results)
        self._all = inputs.new_ones(n)
        self._half, self._minus_one = inputs.new_tensor(0.5), inputs.new_tensor(-1.0)

    def feed(self, inputs: torch.Tensor) -> None:
        """Other inputs in the place of those that it was made with."""
        self._fed[0].copy_(inputs)

    def part(self, row: torch.Tensor, channel: int | None) -> torch.Tensor:
        """Of `output` or `seed`, what belongs to a channel, or to u itself (None), at the points that it covers."""
        return row[0, : self.layout.points] if channel is None else row[0, self.layout.slices[channel]]

    def forward(self) -> None:
        """Fills `output` with u and its channels."""
        self._claim()
        *hidden, last = self._weights.matrices
        for matrix, fed, units in zip(hidden, self._fed[:-1], self._units, strict=True):
            torch.mm(matrix, fed, out=units.whole)
            torch.sigmoid(units.value, out=units.value)
            torch.add(self._minus_one, units.value, alpha=2, out=units.value)
            torch.addcmul(self._half, units.value, units.value, value=-0.5, out=self._slope)
            for k, bent in self._bent.items():
                torch.mul(units.channel[k], units.value_at[k], out=bent)
            for channels, slope in zip(units.together, self._slopes, strict=True):
                channels.mul_(slope)
            for (_, c, factor), bent, squared in zip(self.layout.squares, self._bent_at, units.squared, strict=True):
                units.channel[c].addcmul_(bent, squared, value=-factor)
        torch.mm(last, self._fed[-1], out=self.output)

    def _claim(self) -> None:
        if self._workspace.user is not self:
            for row in self._ones:
                row.zero_()[: self.layout.points].fill_(1)
            self._workspace.user = self

    def backward(self) -> None:
        """Adds the gradient of a loss whose derivatives by `output` are in `seed`."""
        weights = self._weights
        weights.gradients[-1].addmm_(self.seed, self._fed[-1].T)
        torch.mm(weights.transposed[-1], self.seed, out=self._adjoints[-1].whole)
        for layer in reversed(range(1, len(self._units))):
            adjoint = self._adjoints[layer]
            self._through_activation(layer, adjoint)
            # the biases apart, which is faster than a product of an odd shape
            weights.by_matrix[layer].addmm_(adjoint.whole, self._units[layer - 1].transposed)
            weights.by_bias[layer].addmv_(adjoint.value, self._all)
            torch.mm(weights.transposed[layer], adjoint.whole, out=self._adjoints[layer - 1].whole)
        self._through_activation(0, self._adjoints[0])
        torch.mm(self._fed[0], self._adjoints[0].transposed, out=self._first_gradient)
        weights.gradients[0].add_(self._first_gradient.T)

    def _through_activation(self, layer: int, adjoint: _Columns) -> None:
        """Turns ā into z̄, in place."""
        units, squares = self._units[layer], self.layout.squares
        torch.addcmul(self._half, units.value, units.value, value=-0.5, out=self._slope)
        adjoint.value.mul_(self._slope)
        if not self._channels:
            return
        widest, *others = self._channels
        total = torch.mul(adjoint.channel[widest], units.channel[widest], out=self._total[widest])
        for c in others:
            self._total[c].addcmul_(adjoint.channel[c], units.channel[c])
        adjoint.value_at[widest].addcmul_(total, units.value_at[widest], value=-1)
        for (_, c, factor), product, squared in zip(squares, self._products, units.squared, strict=True):
            torch.mul(squared, adjoint.channel[c], out=product)
            adjoint.value_at[c].addcmul_(squared, product, value=-factor)
        for channels, slope in zip(adjoint.together, self._slopes, strict=True):
            channels.mul_(slope)
        for (_, c, factor), product, other in zip(squares, self._products, adjoint.squared, strict=True):
            other.addcmul_(units.value_at[c], product, value=-2 * factor)
