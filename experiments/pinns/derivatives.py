"""u, its derivatives and the gradient of a loss over them, for tanh MLPs: a hand-written forward and backward pass.

Beside the value, *channels* are carried through the network: linear differential operators D = D_v + Σ_k c_k D_k²,
where D_v is the derivative along a direction v and the D_k are first-order channels. All linear derivative terms of a
residual make one channel, so that convection costs one channel instead of two.

What makes it fast on a CPU: activations lie feature by feature, the columns being first the values at all points, then
each channel's; a layer is one matrix product over all columns, in which a row of ones (zero for channels) applies the
bias. Only outputs of layers are kept, since the backward formulas can be written in them. tanh z = 2 σ(2z) - 1 is
faster than tanh, and the factor 2 is put into the weights: hidden units are a = tanh(z/2) of doubled weights, and

    a' = h = (1 - a²)/2,   a'' = -a h,   a''' = a² h - h²
    forward    a_k = h z_k          a_D = h z_D - a Σ c_k z_k a_k
    backward   z̄_D = h ā_D          z̄_k = h ā_k - 2 c_k a a_k ā_D
               z̄   = h ā - a (Σ_k ā_k a_k + ā_D a_D) - ā_D Σ c_k a_k²

for channels k of first order and D of second, where x̄ is the derivative of the loss by x.
"""

from __future__ import annotations

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
        self.first = [c for c, channel in enumerate(channels) if not channel.squares]
        self.second = [c for c, channel in enumerate(channels) if channel.squares]

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
        self.slopes = [empty(spec.width, points) for _ in range(spec.depth)]
        self.adjoints = [empty(spec.width, columns) for _ in range(2)]
        self.scratch = [empty(spec.width, points) for _ in range(2)]
        self.results = [empty(1, columns) for _ in range(2)]
        self.user: Block | None = None
        """The block whose rows of ones are in `outputs`."""


class _Columns:
    """The parts of a (width, columns) array that the formulas name, as views that are made once."""

    def __init__(self, whole: torch.Tensor, layout: Layout) -> None:
        self.whole = whole
        self.value = whole[:, : layout.points]
        self.channel = [whole[:, columns] for columns in layout.slices]
        self.value_at = [whole[:, :count] for count in layout.counts]
        """The values at the points of each channel."""
        self.squared = [
            [whole[:, layout.slices[k].start : layout.slices[k].start + count] for k, _ in channel.squares]
            for channel, count in zip(layout.channels, layout.counts, strict=True)
        ]
        """Of each channel, the channels that it squares, at its own points."""


class Weights:
    """The parameters as the passes use them, and the gradient that they collect. Both are flat, with views by layer."""

    def __init__(self, spec: mlp.MLP, inputs: int, dtype: torch.dtype, device: torch.device | str) -> None:
        size = mlp.size(spec, inputs, 1)
        self.flat, self.gradient = (torch.zeros(size, dtype=dtype, device=device) for _ in range(2))
        self.matrices = mlp.matrices(spec, self.flat, inputs, 1)
        self.gradients = mlp.matrices(spec, self.gradient, inputs, 1)
        self._hidden = size - self.matrices[-1].numel()

    def load(self, flat: torch.Tensor) -> None:
        """Takes parameters, the hidden layers doubled, and clears the gradient."""
        self.flat.copy_(flat)
        self.flat[: self._hidden].mul_(2)
        self.gradient.zero_()

    def collected(self) -> torch.Tensor:
        """The gradient by the parameters that were loaded, as a new tensor."""
        gradient = self.gradient.clone()
        gradient[: self._hidden].mul_(2)
        return gradient


class Block:
    """One network pass over a block of points. Of the blocks of a workspace, each is run to its end before the next."""

    def __init__(
        self, spec: mlp.MLP, inputs: torch.Tensor, layout: Layout, weights: Weights, workspace: Workspace
    ) -> None:
        self.layout, self._weights, self._workspace = layout, weights, workspace
        width, columns, n = spec.width, layout.columns, layout.points

        def cut(buffers: list[torch.Tensor], rows: int, length: int) -> list[torch.Tensor]:
            return [buffer[: rows * length].view(rows, length) for buffer in buffers]

        outputs = cut(workspace.outputs, width + 1, columns)
        self._fed = [inputs, *outputs]  # what each layer is fed, the row of ones included
        self._ones = [output[width] for output in outputs]
        self._units = [_Columns(output[:width], layout) for output in outputs]
        self._adjoints = [_Columns(adjoint, layout) for adjoint in cut(workspace.adjoints, width, columns)]
        self._slopes = cut(workspace.slopes, width, n)
        self._slopes_at = [[slope[:, :count] for count in layout.counts] for slope in self._slopes]
        one, two = cut(workspace.scratch, width, n)
        self._spare, self._other = ([scratch[:, :count] for count in layout.counts] for scratch in (one, two))
        self._widest = max(range(len(layout.counts)), key=layout.counts.__getitem__, default=None)
        self.output, self.seed = cut(workspace.results, 1, columns)
        self._half, self._minus_one = inputs.new_tensor(0.5), inputs.new_tensor(-1.0)

    def part(self, row: torch.Tensor, channel: int | None) -> torch.Tensor:
        """Of `output` or `seed`, what belongs to a channel, or to u itself (None), at the points that it covers."""
        return row[0, : self.layout.points] if channel is None else row[0, self.layout.slices[channel]]

    def forward(self) -> None:
        """Fills `output` with u and its channels."""
        self._claim()
        *hidden, last = self._weights.matrices
        for layer, matrix in enumerate(hidden):
            units, slope = self._units[layer], self._slopes[layer]
            torch.mm(matrix, self._fed[layer], out=units.whole)
            torch.sigmoid(units.value, out=units.value)
            torch.add(self._minus_one, units.value, alpha=2, out=units.value)
            torch.addcmul(self._half, units.value, units.value, value=-0.5, out=slope)
            for c in self.layout.second:  # while those of first order are still as they came out of the product
                curved = self._squares(units, c).mul_(units.value_at[c])
                units.channel[c].sub_(curved).mul_(self._slopes_at[layer][c])
            for c in self.layout.first:
                units.channel[c].mul_(self._slopes_at[layer][c])
        torch.mm(last, self._fed[-1], out=self.output)

    def _claim(self) -> None:
        if self._workspace.user is not self:
            for row in self._ones:
                row.zero_()[: self.layout.points].fill_(1)
            self._workspace.user = self

    def _squares(self, units: _Columns, c: int) -> torch.Tensor:
        """Σ c_k (channel k)² over the points of channel c, in scratch."""
        total = self._other[c].zero_()
        for (_, factor), channel in zip(self.layout.channels[c].squares, units.squared[c], strict=True):
            total.addcmul_(channel, channel, value=factor)
        return total

    def backward(self) -> None:
        """Adds the gradient of a loss whose derivatives by `output` are in `seed`."""
        matrices, gradients = self._weights.matrices, self._weights.gradients
        gradients[-1].addmm_(self.seed, self._fed[-1].T)
        adjoint, spare = self._adjoints
        torch.mm(matrices[-1][:, :-1].T, self.seed, out=adjoint.whole)
        for layer in reversed(range(len(self._units))):
            self._through_activation(layer, adjoint)
            gradients[layer].addmm_(adjoint.whole, self._fed[layer].T)
            if layer:
                torch.mm(matrices[layer][:, :-1].T, adjoint.whole, out=spare.whole)
                adjoint, spare = spare, adjoint

    def _through_activation(self, layer: int, adjoint: _Columns) -> None:
        """Turns ā into z̄, in place."""
        layout, units, slopes = self.layout, self._units[layer], self._slopes_at[layer]
        widest = self._widest
        if widest is not None:
            total = torch.mul(adjoint.channel[widest], units.channel[widest], out=self._spare[widest])
            for c in range(len(layout.channels)):
                if c != widest:
                    self._spare[c].addcmul_(adjoint.channel[c], units.channel[c])
            total.mul_(units.value_at[widest])
            for c in layout.second:
                self._spare[c].addcmul_(adjoint.channel[c], self._squares(units, c))
        adjoint.value.mul_(self._slopes[layer])
        if widest is not None:
            adjoint.value_at[widest].sub_(total)
        for c in layout.first:
            adjoint.channel[c].mul_(slopes[c])
        for c in layout.second:
            bent = torch.mul(adjoint.channel[c], units.value_at[c], out=self._spare[c])
            squares = zip(layout.channels[c].squares, units.squared[c], adjoint.squared[c], strict=True)
            for (_, factor), channel, other in squares:
                other.addcmul_(bent, channel, value=-2 * factor)
            adjoint.channel[c].mul_(slopes[c])
