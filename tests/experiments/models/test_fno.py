from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from experiments.models import _fourier as fourier
from experiments.models import fno
from experiments.models.fno import FNO, MODEL, SIZES, _forward, forward, initialise, shapes


def parameters_of(spec: FNO, channels: int, dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    """Weights of a size that lets every part be seen in the output."""
    rng = np.random.default_rng(0)
    drawn = {name: rng.normal(size=shape) / spec.width**0.5 for name, shape in shapes(spec, channels).items()}
    return {name: torch.tensor(array, dtype=dtype, requires_grad=True) for name, array in drawn.items()}


def reference(spec: FNO, p: dict[str, torch.Tensor], varying: torch.Tensor, constant: torch.Tensor) -> torch.Tensor:
    """The same operator, written down with plain FFTs and nothing clever."""
    samples, nx, ny, _ = varying.shape
    spread = constant[:, None, None, :].expand(samples, nx, ny, -1)
    x = torch.cat([varying, spread], -1) @ p["lift.weight"] + p["lift.bias"]
    kx = [*range(spec.modes), *range(-1, -spec.modes - 1, -1)]
    for block in range(spec.blocks):
        weight = torch.complex(*p[f"blocks.{block}.spectral"].unbind(3))
        spectrum = torch.fft.rfft2(x, dim=(1, 2))
        mixed = torch.zeros_like(spectrum)
        mixed[:, kx, : spec.modes] = torch.einsum("bxyi,xyio->bxyo", spectrum[:, kx, : spec.modes], weight)
        x = (
            torch.fft.irfft2(mixed, s=(nx, ny), dim=(1, 2))
            + x @ p[f"blocks.{block}.weight"]
            + p[f"blocks.{block}.bias"]
        )
        if block < spec.blocks - 1:
            x = torch.nn.functional.gelu(x)
    hidden = torch.nn.functional.gelu(x @ p["hidden.weight"] + p["hidden.bias"])
    return (hidden @ p["output.weight"] + p["output.bias"])[..., 0]


def inputs(nx: int, ny: int, dtype: torch.dtype = torch.float64, samples: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    draw = partial(torch.randn, generator=generator, dtype=dtype)
    return draw(samples, nx, ny, 2), draw(samples, 3)


GRIDS = [(12, 12), (13, 9), (8, 16)]
"""Even, odd, with as many modes as the grid carries."""


@pytest.mark.parametrize(("nx", "ny"), GRIDS)
def test_it_is_what_plain_ffts_make_it(nx: int, ny: int) -> None:
    spec = FNO(width=6, modes=4, blocks=3)
    p = parameters_of(spec, 5)
    made, expected = forward(spec, p, *inputs(nx, ny)), reference(spec, p, *inputs(nx, ny))
    assert made.shape == (3, nx, ny)
    assert torch.linalg.norm(made - expected) < 1e-13 * torch.linalg.norm(expected)


@pytest.mark.parametrize(("nx", "ny"), GRIDS)
def test_its_gradients_are_those_of_plain_ffts(nx: int, ny: int) -> None:
    spec = FNO(width=6, modes=4, blocks=3)
    p = parameters_of(spec, 5)
    for tensor in (given := inputs(nx, ny)):
        tensor.requires_grad_()
    wanted = [*p.values(), *given]
    weight = torch.randn(3, nx, ny, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    made = torch.autograd.grad((forward(spec, p, *given) * weight).sum(), wanted)
    expected = torch.autograd.grad((reference(spec, p, *given) * weight).sum(), wanted)
    for one, other in zip(made, expected, strict=True):
        assert torch.linalg.norm(one - other) < 1e-12 * torch.linalg.norm(other)


def test_its_gradients_are_those_of_finite_differences() -> None:
    spec = FNO(width=3, modes=2, blocks=2)
    p = parameters_of(spec, 5)
    varying, constant = (tensor.requires_grad_() for tensor in inputs(6, 5, samples=2))

    def of(varying: torch.Tensor, constant: torch.Tensor, *tensors: torch.Tensor) -> torch.Tensor:
        return forward(spec, dict(zip(p, tensors, strict=True)), varying, constant)

    assert torch.autograd.gradcheck(of, (varying, constant, *p.values()), fast_mode=True)


@pytest.mark.parametrize(("nx", "ny"), GRIDS)
def test_what_a_compiler_is_given_is_the_same_operator_with_the_same_gradients(nx: int, ny: int) -> None:
    spec = FNO(width=6, modes=4, blocks=3)
    p = parameters_of(spec, 5)
    varying, constant = inputs(nx, ny)
    basis = fourier.basis(nx, ny, spec.modes, torch.float64, torch.device("cpu"))
    made = _forward(spec.blocks, fourier.plain_block, fourier.plain_projection, p, varying, constant, basis)
    expected = forward(spec, p, varying, constant)
    assert torch.linalg.norm(made - expected) < 1e-13 * torch.linalg.norm(expected)
    pairs = (torch.autograd.grad(field.square().sum(), list(p.values())) for field in (made, expected))
    for one, other in zip(*pairs, strict=True):
        assert torch.linalg.norm(one - other) < 1e-12 * torch.linalg.norm(other)


@pytest.mark.parametrize(("nx", "ny"), GRIDS)
def test_with_many_modes_fast_transforms_give_the_same(nx: int, ny: int, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = FNO(width=6, modes=4, blocks=3)
    p = parameters_of(spec, 5)
    monkeypatch.setattr(fourier.Block, "apply", lambda *_: pytest.fail("products with a matrix"))
    monkeypatch.setattr(fno.fourier, "PRODUCTS_UP_TO", spec.modes - 1)
    made, expected = forward(spec, p, *inputs(nx, ny)), reference(spec, p, *inputs(nx, ny))
    assert torch.linalg.norm(made - expected) < 1e-13 * torch.linalg.norm(expected)
    pairs = (torch.autograd.grad(field.square().sum(), list(p.values())) for field in (made, expected))
    for one, other in zip(*pairs, strict=True):
        assert torch.linalg.norm(one - other) < 1e-12 * torch.linalg.norm(other)


def test_a_large_field_is_worked_on_in_strips_to_the_same_result() -> None:
    spec = FNO(width=32, modes=8, blocks=2)
    p = parameters_of(spec, 5, torch.float32)
    given = inputs(64, 64, torch.float32, samples=8)
    made, expected = forward(spec, p, *given), reference(spec, p, *given)
    assert torch.linalg.norm(made - expected) < 1e-6 * torch.linalg.norm(expected)
    made_gradient = torch.autograd.grad(made.square().sum(), p["blocks.0.spectral"])[0]
    gradient = torch.autograd.grad(expected.square().sum(), p["blocks.0.spectral"])[0]
    assert torch.linalg.norm(made_gradient - gradient) < 1e-5 * torch.linalg.norm(gradient)


def smooth(n: int) -> torch.Tensor:
    """The same periodic field on any grid, of shape (1, n, n, 2)."""
    x = 2 * torch.pi * torch.arange(n, dtype=torch.float64) / n
    first = torch.sin(x)[:, None] * torch.cos(2 * x)[None, :]
    second = torch.cos(x)[:, None] + torch.sin(x)[None, :]
    return torch.stack([first, second], -1)[None]


def test_a_finer_grid_gives_the_same_function() -> None:
    constant = inputs(8, 8, samples=1)[1]
    one = FNO(width=6, modes=4, blocks=1)
    p = parameters_of(one, 5)
    coarse, fine = (forward(one, p, smooth(n), constant) for n in (16, 48))
    assert torch.allclose(fine[:, ::3, ::3], coarse, atol=1e-13)  # a field of few modes is the same on both
    deep = FNO(width=6, modes=4, blocks=4)
    p = {name: 0.3 * tensor for name, tensor in parameters_of(deep, 5).items()}
    coarse, fine, finest = (forward(deep, p, smooth(n), constant) for n in (16, 48, 96))
    assert (finest[:, ::2, ::2] - fine).norm() < 1e-10 * fine.norm()  # GELU makes modes that a coarse grid folds
    assert (fine[:, ::3, ::3] - coarse).norm() < 1e-3 * coarse.norm()


def test_a_constant_channel_is_what_it_is_when_spread_over_the_grid() -> None:
    spec = FNO(width=6, modes=3, blocks=2)
    p = parameters_of(spec, 5)
    varying, constant = inputs(10, 10)
    spread = torch.cat([varying, constant[:, None, None, :].expand(-1, 10, 10, -1)], -1)
    assert torch.allclose(forward(spec, p, varying, constant), forward(spec, p, spread, constant[:, :0]), atol=1e-13)


@pytest.mark.parametrize(
    ("name", "parameters"), [("64K", 67_281), ("1M", 1_055_137), ("16M", 16_802_625), ("256M", 268_535_425)]
)
def test_the_published_sizes_have_the_published_numbers_of_parameters(name: str, parameters: int) -> None:
    assert MODEL.size(SIZES[name], 4) == parameters


def test_fresh_weights_have_the_stated_shapes_and_depend_on_the_seed_alone() -> None:
    spec = FNO(width=4, modes=2)
    first, again, other = (initialise(spec, 4, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert {name: array.shape for name, array in first.items()} == shapes(spec, 4)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not any(np.array_equal(first[name], other[name]) for name in first)
    assert sum(array.size for array in first.values()) == MODEL.size(spec, 4)


def test_more_modes_than_the_grid_carries_are_a_problem_of_modes() -> None:
    assert MODEL.unfit(FNO(modes=8), 16) == []
    (problem,) = MODEL.unfit(FNO(modes=9), 16)
    assert str(problem) == "modes: required at most 8 on a 16 x 16 grid, got 9 (16 points carry 8 modes of each sign)"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("grid", "samples"), [(32, 3), (128, 64)])
def test_on_a_gpu_it_and_its_gradients_are_the_same(grid: int, samples: int) -> None:
    spec = FNO(width=16, modes=8, blocks=3)
    p = parameters_of(spec, 5, torch.float32)
    given = inputs(grid, grid, torch.float32, samples)
    there = {name: tensor.detach().cuda().requires_grad_() for name, tensor in p.items()}
    here, other = forward(spec, p, *given), forward(spec, there, *(tensor.cuda() for tensor in given))
    assert torch.linalg.norm(other.cpu() - here) < 1e-5 * torch.linalg.norm(here)
    for one, two in zip(
        torch.autograd.grad(here.square().sum(), list(p.values())),
        torch.autograd.grad(other.square().sum(), list(there.values())),
        strict=True,
    ):
        assert torch.linalg.norm(two.cpu() - one) < 1e-4 * torch.linalg.norm(one)
