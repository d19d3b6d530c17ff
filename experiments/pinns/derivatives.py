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

from collections.abc import Sequence
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

    def inputs(self, points: torch.Tensor) -> torch.Tensor:
        """(axes + 1, columns): points and ones under the values, directions and zeros under the channels."""
        axes = points.shape[1]
        inputs = points.new_zeros(axes + 1, self.columns)
        inputs[:axes, : self.points] = points.T
        inputs[axes, : self.points] = 1
        for channel, columns in zip(self.channels, self.slices, strict=True):
            inputs[:axes, columns] = points.new_tensor(channel.direction)[:, None]
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


class Weights:
    """The parameters as the passes use them, and the gradient that they collect. Both are flat, with views by layer."""

    def __init__(self, spec: mlp.MLP, axes: int, dtype: torch.dtype, device: torch.device | str) -> None:
        size = mlp.size(spec, axes, 1)
        self.flat, self.gradient = (torch.zeros(size, dtype=dtype, device=device) for _ in range(2))
        self.matrices = mlp.matrices(spec, self.flat, axes, 1)
        self.gradients = mlp.matrices(spec, self.gradient, axes, 1)
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
    """One network pass over a block of points. Only one block of a workspace is alive at a time."""

    def __init__(
        self, spec: mlp.MLP, points: torch.Tensor, layout: Layout, weights: Weights, workspace: Workspace
    ) -> None:
        self.layout, self._weights = layout, weights
        width, columns, n = spec.width, layout.columns, layout.points

        def cut(buffers: list[torch.Tensor], rows: int, length: int) -> list[torch.Tensor]:
            return [buffer[: rows * length].view(rows, length) for buffer in buffers]

        outputs = cut(workspace.outputs, width + 1, columns)
        self._ones = [output[width] for output in outputs]
        self._fed = [layout.inputs(points), *outputs]  # what each layer is fed, the row of ones included
        self._units = [output[:width] for output in outputs]
        self._slopes = cut(workspace.slopes, width, n)
        self._adjoints = cut(workspace.adjoints, width, columns)
        self._scratch = cut(workspace.scratch, width, n)
        self.output, self.seed = cut(workspace.results, 1, columns)
        self._half = points.new_tensor(0.5)
        self._minus_one = points.new_tensor(-1.0)

    def part(self, row: torch.Tensor, channel: int | None) -> torch.Tensor:
        """Of `output` or `seed`, what belongs to a channel, or to u itself (None), at the points that it covers."""
        return row[0, : self.layout.points] if channel is None else row[0, self.layout.slices[channel]]

    def forward(self) -> None:
        """Fills `output` with u and its channels."""
        *hidden, last = self._weights.matrices
        n = self.layout.points
        for layer, matrix in enumerate(hidden):
            units, slope = self._units[layer], self._slopes[layer]
            torch.mm(matrix, self._fed[layer], out=units)
            self._ones[layer].zero_()[:n].fill_(1)
            value = units[:, :n]
            torch.sigmoid(value, out=value)
            torch.add(self._minus_one, value, alpha=2, out=value)
            torch.addcmul(self._half, value, value, value=-0.5, out=slope)
            for c in self.layout.second:
                self._bend(units, value, slope, c)
            for c in self.layout.first:
                columns = units[:, self.layout.slices[c]]
                columns.mul_(slope[:, : self.layout.counts[c]])
        torch.mm(last, self._fed[-1], out=self.output)

    def _bend(self, units: torch.Tensor, value: torch.Tensor, slope: torch.Tensor, c: int) -> None:
        """A channel of second order through the activation, while the first-order ones are not through it yet."""
        count = self.layout.counts[c]
        curved = self._squares(units, c)
        curved.mul_(value[:, :count])
        own = units[:, self.layout.slices[c]]
        own.sub_(curved).mul_(slope[:, :count])

    def _squares(self, units: torch.Tensor, c: int) -> torch.Tensor:
        """Σ c_k (channel k)² over the points of channel c, in scratch."""
        count = self.layout.counts[c]
        total = self._scratch[1][:, :count]
        for i, (k, factor) in enumerate(self.layout.channels[c].squares):
            start = self.layout.slices[k].start
            other = units[:, start : start + count]
            if i == 0:
                torch.mul(other, other, out=total)
                if factor != 1:
                    total.mul_(factor)
            else:
                total.addcmul_(other, other, value=factor)
        return total

    def backward(self) -> None:
        """Adds the gradient of a loss whose derivatives by `output` are in `seed`."""
        matrices, gradients = self._weights.matrices, self._weights.gradients
        gradients[-1].addmm_(self.seed, self._fed[-1].T)
        adjoint, spare = self._adjoints
        torch.mm(matrices[-1][:, :-1].T, self.seed, out=adjoint)
        for layer in reversed(range(len(self._units))):
            self._through_activation(layer, adjoint)
            gradients[layer].addmm_(adjoint, self._fed[layer].T)
            if layer:
                torch.mm(matrices[layer][:, :-1].T, adjoint, out=spare)
                adjoint, spare = spare, adjoint

    def _through_activation(self, layer: int, adjoint: torch.Tensor) -> None:
        """Turns ā into z̄, in place."""
        layout, units, slope = self.layout, self._units[layer], self._slopes[layer]
        value = units[:, : layout.points]
        covered = max(layout.counts, default=0)
        total = self._scratch[0][:, :covered]
        for i, (columns, count) in enumerate(zip(layout.slices, layout.counts, strict=True)):
            if i == 0 and count == covered:
                torch.mul(adjoint[:, columns], units[:, columns], out=total)
            else:
                if i == 0:
                    total.zero_()
                total[:, :count].addcmul_(adjoint[:, columns], units[:, columns])
        total.mul_(value[:, :covered])
        for c in layout.second:
            total[:, : layout.counts[c]].addcmul_(adjoint[:, layout.slices[c]], self._squares(units, c))
        first = adjoint[:, : layout.points]
        first.mul_(slope)
        first[:, :covered].sub_(total)
        for c in layout.first:
            adjoint[:, layout.slices[c]].mul_(slope[:, : layout.counts[c]])
        for c in layout.second:
            own, count = adjoint[:, layout.slices[c]], layout.counts[c]
            for k, factor in layout.channels[c].squares:
                start = layout.slices[k].start
                cross = self._scratch[0][:, :count]
                torch.mul(own, units[:, start : start + count], out=cross)
                adjoint[:, start : start + count].addcmul_(cross, value[:, :count], value=-2 * factor)
            own.mul_(slope[:, :count])
