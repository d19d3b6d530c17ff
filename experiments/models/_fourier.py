"""A Fourier block and a pointwise projection with their gradients written out: what makes `fno` fast.

Fields lie as (nx, ny, samples, width). A discrete Fourier transform from n points to a few modes is a product with a
small matrix of cosines and sines, and in this order of axes every stage is a few large products with nothing to
transpose: along y for each x, along x at once, the mixing of channels for each mode, the 1x1 convolution. The adjoint
of analysis is synthesis with the transposed matrix, so two functions serve both directions. What is pointwise runs
over a few rows at a time, which then stay in the processor's cache.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

CACHED = 1 << 18
"""Numbers that are worked on at a time on a CPU: about what its second-level cache holds."""

PRODUCTS_UP_TO = 64
"""Modes from which on a CPU fast Fourier transforms take less time than products with a matrix, whose cost rises with
the modes. Measured, there and back, one core, float32: at 256 x 256 with 32 modes products take half the time, with 64
as well, with 128 four times as long; at 1024 x 1024 with 16 a third, with 128 three times as long. A GPU multiplies
matrices so fast that products are used for any number of modes."""

_gelu = torch.ops.aten.gelu.out
_gelu_gradient = torch.ops.aten.gelu_backward.grad_input


class Basis(NamedTuple):
    """Matrices of the truncated transforms on nx x ny points.

    x: (2 (modes + 1), nx), the rows cos then sin of kx = 0 .. modes.
    analysis: (2 modes, ny), the rows cos then -sin of ky = 0 .. modes - 1.
    synthesis: (ny, 2 modes), the inverse along y, with the factor 1 / (nx ny) of both directions.
    """

    x: torch.Tensor
    analysis: torch.Tensor
    synthesis: torch.Tensor


@functools.lru_cache(maxsize=16)
def basis(nx: int, ny: int, modes: int, dtype: torch.dtype, device: torch.device) -> Basis:
    along_x, along_y = _angles(modes + 1, nx), _angles(modes, ny)
    analysis = torch.cat([along_y.cos(), -along_y.sin()])
    weight = torch.full((2, modes, 1), 2.0, dtype=torch.float64)  # a field is real: ky stands for -ky too, ky = 0 alone
    weight[:, 0] = 1.0
    synthesis = (analysis * weight.view(-1, 1)).T / (nx * ny)
    x = torch.cat([along_x.cos(), along_x.sin()])
    return Basis(*(matrix.to(device, dtype).contiguous() for matrix in (x, analysis, synthesis)))


def _angles(count: int, n: int) -> torch.Tensor:
    """2π k j / n for k < count and j < n; k j is reduced first, so that large k lose nothing."""
    return 2 * math.pi / n * (torch.outer(torch.arange(count), torch.arange(n)) % n).double()


def _to_modes(rows: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """From (nx, 2, modes, samples, width), transformed along y, to modes (kx, ky, 2, samples, width).

    With C and S the sums with cos and sin of kx x, the modes ±kx of a + ib are C a ± S b + i (C b ∓ S a).
    kx is in the order 0, 1, .., modes - 1, -1, -2, .., -modes; the axis of length 2 is (real, imaginary).
    """
    nx, _, modes, samples, width = rows.shape
    c, s = torch.mm(x, rows.view(nx, -1)).view(2, modes + 1, 2, modes, samples, width)
    z = rows.new_empty(2 * modes, modes, 2, samples, width)
    plus, minus = z[:modes], z[modes:]
    torch.add(c[:-1, 0], s[:-1, 1], out=plus[:, :, 0])
    torch.sub(c[:-1, 1], s[:-1, 0], out=plus[:, :, 1])
    torch.sub(c[1:, 0], s[1:, 1], out=minus[:, :, 0])
    torch.add(c[1:, 1], s[1:, 0], out=minus[:, :, 1])
    return z


def _from_modes(z: torch.Tensor, x: torch.Tensor, mean: torch.Tensor | None = None) -> torch.Tensor:
    """The adjoint of `_to_modes`: (nx, 2 modes, samples width). `mean` is added to the mode (0, 0)."""
    modes, _, samples, width = z.shape[1:]
    q = z.new_empty(2, modes + 1, 2, modes, samples, width)
    c, s = q
    q[:, modes] = 0
    plus, minus = z[:modes].transpose(1, 2), z[modes:].transpose(1, 2)
    c[:-1] = plus
    c[1:] += minus
    torch.neg(plus[:, 1], out=s[:-1, 0])
    s[:-1, 1] = plus[:, 0]
    s[1:, 0] += minus[:, 1]
    s[1:, 1] -= minus[:, 0]
    if mean is not None:
        c[0, 0, 0] += mean
    return torch.mm(x.T, q.view(2 * (modes + 1), -1)).view(-1, 2 * modes, samples * width)


def _strips(tensor: torch.Tensor, numbers: int) -> Iterator[slice]:
    """Slices of the first axis, each of about as many `numbers` a row as the cache holds; one slice on a GPU."""
    length = len(tensor)
    step = max(1, CACHED // numbers) if tensor.device.type == "cpu" else length
    return (slice(start, start + step) for start in range(0, length, step))


class Block(torch.autograd.Function):
    """A spectral convolution plus a 1x1 convolution with a bias, of GELU of the field (if `activated`) or of the field.

    field: (nx, ny, samples, width). spectral: (2 modes, modes, width, 2, width). weight: (width, width) from old to new
    channels. bias: (width,). GELU comes first and is made again in the backward pass, so that of each block only one
    field is kept.
    """

    @staticmethod
    def forward(
        ctx: Any,
        field: torch.Tensor,
        spectral: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        basis: Basis,
        activated: bool,
    ) -> torch.Tensor:
        nx, ny, samples, width = field.shape
        modes = spectral.shape[1]
        active = torch.empty_like(field) if activated else field
        rows = field.new_empty(nx, 2 * modes, samples * width)
        for strip in _strips(field, ny * samples * width):
            if activated:
                _gelu(field[strip], out=active[strip])
            _along_y(basis.analysis, active[strip], rows[strip])
        z = _to_modes(rows.view(nx, 2, modes, samples, width), basis.x)
        # the bias is a constant, the mode (0, 0): added there it costs nothing
        rows = _from_modes(_mixed(z, spectral), basis.x, bias * (nx * ny))
        output = torch.empty_like(field)
        for strip in _strips(field, ny * samples * width):
            part = output[strip]
            torch.bmm(basis.synthesis.expand(len(part), -1, -1), rows[strip], out=part.view(len(part), ny, -1))
            points = part.view(-1, width)
            torch.addmm(points, active[strip].view(-1, width), weight, out=points)
        ctx.save_for_backward(field, z, spectral, weight)
        ctx.basis, ctx.activated = basis, activated
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        field, z, spectral, weight = ctx.saved_tensors
        basis, gradient = ctx.basis, gradient.contiguous()
        nx, ny, samples, width = field.shape
        modes = spectral.shape[1]
        rows = field.new_empty(nx, 2 * modes, samples * width)
        to_field, to_weight = torch.empty_like(field), torch.zeros_like(weight)
        for strip in _strips(field, ny * samples * width):
            part, active, into = gradient[strip], field[strip], to_field[strip]
            _along_y(basis.synthesis.T, part, rows[strip])
            if ctx.activated:
                active = _gelu(active, out=into)  # `into` is free until the last line
            to_weight.addmm_(active.view(-1, width).T, part.view(-1, width))
            torch.mm(part.view(-1, width), weight.T, out=into.view(-1, width))
        to_mixed = _to_modes(rows.view(nx, 2, modes, samples, width), basis.x)
        to_bias = to_mixed[0, 0, 0].sum(0) * (nx * ny)
        to_z, to_spectral = _mixed_gradient(to_mixed, z, spectral)
        rows = _from_modes(to_z, basis.x)
        for strip in _strips(field, ny * samples * width):
            into = to_field[strip]
            lines = into.view(len(into), ny, -1)
            torch.baddbmm(lines, basis.analysis.T.expand(len(into), -1, -1), rows[strip], out=lines)
            if ctx.activated:
                _gelu_gradient(into, field[strip], grad_input=into)
        return to_field, to_spectral, to_weight, to_bias, None, None


def _along_y(matrix: torch.Tensor, field: torch.Tensor, rows: torch.Tensor) -> None:
    """rows[i] = matrix @ field[i], for the transform along y of each x."""
    nx, ny = field.shape[:2]
    torch.bmm(matrix.expand(nx, -1, -1), field.view(nx, ny, -1), out=rows)


def _mixed(z: torch.Tensor, spectral: torch.Tensor) -> torch.Tensor:
    """Each mode's channels times its complex matrix. z: (kx, ky, 2, samples, width), and so is the result."""
    kx, ky, _, samples, width = z.shape
    products = torch.bmm(z.view(kx * ky, 2 * samples, width), spectral.view(kx * ky, width, 2 * width))
    real, imaginary = products.view(kx, ky, 2, samples, 2, width).unbind(2)
    mixed = torch.empty_like(z)
    torch.sub(real[..., 0, :], imaginary[..., 1, :], out=mixed[:, :, 0])
    torch.add(real[..., 1, :], imaginary[..., 0, :], out=mixed[:, :, 1])
    return mixed


def _mixed_gradient(
    gradient: torch.Tensor, z: torch.Tensor, spectral: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    kx, ky, _, samples, width = z.shape
    real, imaginary = gradient.unbind(2)
    products = gradient.new_empty(kx, ky, 2, samples, 2, width)
    products[:, :, 0, :, 0] = real
    products[:, :, 0, :, 1] = imaginary
    products[:, :, 1, :, 0] = imaginary
    torch.neg(real, out=products[:, :, 1, :, 1])
    flat = products.view(kx * ky, 2 * samples, 2 * width)
    to_z = torch.bmm(flat, spectral.view(kx * ky, width, 2 * width).transpose(1, 2))
    to_spectral = torch.bmm(z.view(kx * ky, 2 * samples, width).transpose(1, 2), flat)
    return to_z.view_as(z), to_spectral.view_as(spectral)


class Projection(torch.autograd.Function):
    """A linear layer, GELU and a linear layer to one channel, at every point.

    field: (..., width) -> (...). The hidden layer, wider than all else, is made again in the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any,
        field: torch.Tensor,
        hidden_weight: torch.Tensor,
        hidden_bias: torch.Tensor,
        output_weight: torch.Tensor,
        output_bias: torch.Tensor,
    ) -> torch.Tensor:
        points = field.view(-1, len(hidden_weight))
        output = points.new_empty(len(points), 1)
        for strip in _strips(points, len(hidden_bias)):
            hidden = torch.addmm(hidden_bias, points[strip], hidden_weight)
            torch.addmm(output_bias, _gelu(hidden, out=hidden), output_weight, out=output[strip])
        ctx.save_for_backward(field, hidden_weight, hidden_bias, output_weight)
        return output.view(field.shape[:-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        field, hidden_weight, hidden_bias, output_weight = ctx.saved_tensors
        points = field.view(-1, len(hidden_weight))
        gradient = gradient.contiguous().view(-1, 1)
        to_points, to_hidden_weight = torch.empty_like(points), torch.zeros_like(hidden_weight)
        to_hidden_bias, to_output_weight = torch.zeros_like(hidden_bias), torch.zeros_like(output_weight)
        for strip in _strips(points, len(hidden_bias)):
            hidden = torch.addmm(hidden_bias, points[strip], hidden_weight)
            other = torch.empty_like(hidden)
            to_output_weight.addmm_(_gelu(hidden, out=other).T, gradient[strip])
            torch.mul(gradient[strip], output_weight.view(-1), out=other)
            _gelu_gradient(other, hidden, grad_input=hidden)
            to_hidden_weight.addmm_(points[strip].T, hidden)
            to_hidden_bias += hidden.sum(0)
            torch.mm(hidden, hidden_weight.T, out=to_points[strip])
        return to_points.view_as(field), to_hidden_weight, to_hidden_bias, to_output_weight, gradient.sum(0)


def fft_block(
    field: torch.Tensor, spectral: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, basis: Basis, activated: bool
) -> torch.Tensor:
    """What `Block` computes by fast Fourier transforms, for many modes."""
    nx, ny, samples, width = field.shape
    modes = spectral.shape[1]
    active = torch.nn.functional.gelu(field) if activated else field
    spectrum = torch.fft.rfft2(active, dim=(0, 1))
    turned = torch.cat([spectrum[:modes, :modes], spectrum[-modes:, :modes].flip(0)])
    z = torch.view_as_real(turned).movedim(-1, 2).contiguous()
    mixed = torch.view_as_complex(_plainly_mixed(z, spectral).movedim(2, -1).contiguous())
    kept = mixed.new_zeros(nx, ny // 2 + 1, samples, width)
    kept[:modes, :modes] = mixed[:modes]
    kept[-modes:, :modes] = mixed[modes:].flip(0)
    spread = torch.fft.irfft2(kept, s=(nx, ny), dim=(0, 1)).contiguous()
    return spread + torch.matmul(active, weight) + bias


def _plainly_mixed(z: torch.Tensor, spectral: torch.Tensor) -> torch.Tensor:
    """`_mixed` in operations that differentiate themselves."""
    kx, ky, _, samples, width = z.shape
    products = torch.bmm(z.view(-1, 2 * samples, width), spectral.reshape(-1, width, 2 * width))
    real, imaginary = products.view(kx, ky, 2, samples, 2, width).unbind(2)
    return torch.stack([real[..., 0, :] - imaginary[..., 1, :], real[..., 1, :] + imaginary[..., 0, :]], 2)


def plain_block(
    field: torch.Tensor, spectral: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, basis: Basis, activated: bool
) -> torch.Tensor:
    """What `Block` computes in operations that differentiate themselves and that a compiler takes in whole.

    On a GPU it fuses what is pointwise into one kernel each, where `Block` launches dozens; on a CPU, and wherever the
    compiler is not to be had, `Block` is faster and needs less memory.
    """
    nx, ny, samples, width = field.shape
    modes = spectral.shape[1]
    active = torch.nn.functional.gelu(field) if activated else field
    rows = torch.matmul(basis.analysis, active.reshape(nx, ny, -1))
    c, s = torch.mm(basis.x, rows.reshape(nx, -1)).view(2, modes + 1, 2, modes, samples, width).unbind(0)
    plus = torch.stack([c[:-1, 0] + s[:-1, 1], c[:-1, 1] - s[:-1, 0]], 2)
    minus = torch.stack([c[1:, 0] - s[1:, 1], c[1:, 1] + s[1:, 0]], 2)
    z = _plainly_mixed(torch.cat([plus, minus]), spectral)
    plus, minus = z[:modes].transpose(1, 2), z[modes:].transpose(1, 2)
    none = plus.new_zeros(1, *plus.shape[1:])
    c = torch.cat([plus, none]) + torch.cat([none, minus])
    turned = torch.cat([plus, none]) - torch.cat([none, minus])
    s = torch.stack([-turned[:, 1], turned[:, 0]], 1)
    rows = torch.mm(basis.x.T, torch.cat([c, s]).view(2 * (modes + 1), -1)).view(nx, 2 * modes, -1)
    spread = torch.matmul(basis.synthesis, rows).view(nx, ny, samples, width)
    return spread + torch.matmul(active, weight) + bias


def plain_projection(
    field: torch.Tensor,
    hidden_weight: torch.Tensor,
    hidden_bias: torch.Tensor,
    output_weight: torch.Tensor,
    output_bias: torch.Tensor,
) -> torch.Tensor:
    """What `Projection` computes, likewise."""
    hidden = torch.nn.functional.gelu(torch.matmul(field, hidden_weight) + hidden_bias)
    return (torch.matmul(hidden, output_weight) + output_bias).squeeze(-1)
