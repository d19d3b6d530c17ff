"""The Fourier neural operator in two dimensions: a linear lift, blocks of a spectral convolution beside a 1x1
convolution, and a pointwise projection; GELU between the blocks and in the projection.

Li et al. 2021 (arXiv 2010.08895), in the form of Subramanian et al. 2023 (arXiv 2306.00258): no padding, no
normalisation, no coordinates among the inputs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from engine.api import Problem, Spec, lazy_import
from experiments.models._fields import FieldModel

if TYPE_CHECKING:
    import numpy as np
    import torch

    from experiments.models import _fourier as fourier
else:
    np = lazy_import("numpy")
    torch = lazy_import("torch")
    fourier = lazy_import("experiments.models._fourier")


class FNO(Spec, frozen=True, kw_only=True):
    width: Annotated[int, Meta(ge=1, le=1024, description="Channels of the blocks")] = 32
    modes: Annotated[int, Meta(ge=1, le=512, description="Fourier modes kept of each sign, along x and along y")] = 12
    blocks: Annotated[int, Meta(ge=1, le=64, description="Number of Fourier blocks")] = 4


SIZES = {
    "64K": FNO(width=16, modes=4),
    "1M": FNO(width=32, modes=8),
    "16M": FNO(width=64, modes=16),
    "256M": FNO(width=128, modes=32),
}
"""Of Subramanian et al. 2023, by their number of parameters."""


def shapes(spec: FNO, channels: int) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter.

    A spectral weight is (kx, ky, in, 2, out): for each mode a complex matrix as its real and imaginary part, kx in the
    order 0, 1, .., modes - 1, -1, -2, .., -modes and ky in the order 0, 1, .., modes - 1.
    """
    width, modes = spec.width, spec.modes
    found: dict[str, tuple[int, ...]] = {"lift.weight": (channels, width), "lift.bias": (width,)}
    for block in range(spec.blocks):
        found[f"blocks.{block}.spectral"] = (2 * modes, modes, width, 2, width)
        found[f"blocks.{block}.weight"] = (width, width)
        found[f"blocks.{block}.bias"] = (width,)
    return found | {
        "hidden.weight": (width, 2 * width),
        "hidden.bias": (2 * width,),
        "output.weight": (2 * width, 1),
        "output.bias": (1,),
    }


def initialise(spec: FNO, channels: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Spectral weights uniform in (0, 1 / width²) as in Li et al.; all others as torch.nn.Linear draws them."""
    drawn = {}
    for name, shape in shapes(spec, channels).items():
        if name.endswith("spectral"):
            drawn[name] = rng.uniform(0, spec.width**-2, shape)
        else:
            inputs = shapes(spec, channels)[name.replace("bias", "weight")][0]
            drawn[name] = rng.uniform(-(inputs**-0.5), inputs**-0.5, shape)
    return drawn


def widen(spec: FNO, parameters: Mapping[str, np.ndarray], more: int) -> dict[str, np.ndarray]:
    lift = parameters["lift.weight"]
    rows = np.zeros((more, spec.width), lift.dtype)
    return {**parameters, "lift.weight": np.concatenate([lift, rows])}


def unfit(spec: FNO, grid: int) -> list[Problem]:
    most = grid // 2
    if spec.modes <= most:
        return []
    hint = f"{grid} points carry {most} modes of each sign"
    return [Problem("modes", f"at most {most} on a {grid} x {grid} grid", str(spec.modes), hint)]


def work(spec: FNO, grid: int) -> float:
    """A training step is three times the products of a forward pass: along y and back, along x and back, the mixing of
    the modes, the 1x1 convolution; the hidden layer four times."""
    width, modes = spec.width, spec.modes
    block = grid**2 * 4 * modes * width + grid * 8 * modes**2 * width + 8 * modes**2 * width**2 + grid**2 * width**2
    return 6 * spec.blocks * block + 8 * grid**2 * 2 * width**2


def kept(spec: FNO, grid: int) -> float:
    """A field and its modes for each block, and a few fields while gradients are made."""
    return grid**2 * spec.width * (spec.blocks + 5) + spec.blocks * 4 * spec.modes**2 * spec.width


def forward(
    spec: FNO, parameters: Mapping[str, torch.Tensor], varying: torch.Tensor, constant: torch.Tensor
) -> torch.Tensor:
    """The field predicted, of shape (samples, nx, ny).

    varying: (samples, nx, ny, v), channels over the grid. constant: (samples, c), channels that are constant over it.
    The lift's rows are the varying channels, then the constant ones: a constant channel is a bias of its sample, so it
    is never spread over the grid.
    """
    many = spec.modes > fourier.PRODUCTS_UP_TO and varying.device.type == "cpu"
    block = fourier.fft_block if many else fourier.Block.apply
    basis = _basis(spec, varying)
    return _forward(spec.blocks, block, fourier.Projection.apply, parameters, varying, constant, basis)


def compiled(spec: FNO, **options: Any) -> Callable[..., torch.Tensor]:
    """`forward` of this spec by `torch.compile`, a program a shape, of (parameters, varying, constant)."""
    inner = functools.partial(_forward, spec.blocks, fourier.plain_block, fourier.plain_projection)
    program = torch.compile(inner, dynamic=False, fullgraph=True, **options)

    def forward(parameters: Mapping[str, torch.Tensor], varying: torch.Tensor, constant: torch.Tensor) -> torch.Tensor:
        predicted: torch.Tensor = program(parameters, varying, constant, _basis(spec, varying))
        return predicted

    return forward


def _basis(spec: FNO, varying: torch.Tensor) -> fourier.Basis:
    return fourier.basis(varying.shape[1], varying.shape[2], spec.modes, varying.dtype, varying.device)


def _forward(
    blocks: int,
    through: Callable[..., torch.Tensor],
    projected: Callable[..., torch.Tensor],
    parameters: Mapping[str, torch.Tensor],
    varying: torch.Tensor,
    constant: torch.Tensor,
    basis: fourier.Basis,
) -> torch.Tensor:
    p, v = parameters, varying.shape[-1]
    shift = torch.addmm(p["lift.bias"], constant, p["lift.weight"][v:])
    field = torch.matmul(varying.permute(1, 2, 0, 3), p["lift.weight"][:v]).add_(shift)
    for block in range(blocks):
        own = (p[f"blocks.{block}.{name}"] for name in ("spectral", "weight", "bias"))
        field = through(field, *own, basis, block > 0)
    own = (p[name] for name in ("hidden.weight", "hidden.bias", "output.weight", "output.bias"))
    return projected(field, *own).permute(2, 0, 1)


MODEL = FieldModel(
    title="Fourier neural operator",
    summary="Spectral convolutions on the lowest Fourier modes: maps fields to fields on any grid.",
    source="Li et al. 2021, arXiv 2010.08895",
    settings=FNO,
    sizes=SIZES,
    shapes=shapes,
    initialise=initialise,
    widen=widen,
    forward=forward,
    compiled=compiled,
    unfit=unfit,
    work=work,
    kept=kept,
)
