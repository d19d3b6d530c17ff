"""Fourier transforms of real periodic fields on the unit square, and solving with them.

A field of n x n points lies at (x, y) = (i / n, j / n), as (samples, i, j). `AllModes` transforms by FFT and is exact.
`LowModes` keeps the modes up to a bound of each sign and transforms by matrix products, several times faster; it serves
where the solution's higher modes are below what the precision can hold.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple, Protocol

import torch


class Modes(NamedTuple):
    """What derivatives become for each mode, broadcast over (kx, ky): ∂x is i kx, ∂xx is -kx2, ∂xy is -kxky.

    At the highest mode of an even grid, whose sine vanishes at every point, an odd derivative is zero: there kx is 0
    while kx2 is not. So a real field has a real derivative.
    """

    kx: torch.Tensor
    ky: torch.Tensor
    kx2: torch.Tensor
    ky2: torch.Tensor
    kxky: torch.Tensor


def modes(kx: torch.Tensor, ky: torch.Tensor, n: int, dtype: torch.dtype, device: torch.device | str) -> Modes:
    """Of integer wave numbers kx and ky on n x n points."""
    x, y = ((2 * math.pi * k.double()) for k in (kx[:, None], ky[None, :]))
    x1, y1 = (torch.where(2 * k.abs() == n, 0.0, w) for k, w in ((kx[:, None], x), (ky[None, :], y)))
    return Modes(*(t.to(device, dtype) for t in (x1, y1, x**2, y**2, x1 * y1)))


class Transform(Protocol):
    """modes: which ones, and their derivatives. The spectrum of a field is complex, (samples, kx, ky)."""

    modes: Modes

    def analyse(self, field: torch.Tensor) -> torch.Tensor: ...

    def synthesise(self, spectrum: torch.Tensor) -> torch.Tensor: ...


class AllModes:
    """The discrete Fourier transform."""

    def __init__(self, n: int, dtype: torch.dtype, device: torch.device | str = "cpu") -> None:
        self._n = n
        kx = torch.cat([torch.arange((n + 1) // 2), torch.arange(-(n // 2), 0)])
        self.modes = modes(kx, torch.arange(n // 2 + 1), n, dtype, device)

    def analyse(self, field: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfft2(field)

    def synthesise(self, spectrum: torch.Tensor) -> torch.Tensor:
        return torch.fft.irfft2(spectrum, s=(self._n, self._n))


class LowModes:
    """The modes |kx|, ky <= bound of the discrete Fourier transform, by products with matrices of exponentials."""

    def __init__(self, n: int, bound: int, dtype: torch.dtype, device: torch.device | str = "cpu") -> None:
        if 2 * bound >= n:
            raise ValueError(f"bound: required below n / 2 = {n / 2:g}, got {bound}")
        kx = torch.cat([torch.arange(bound + 1), torch.arange(-bound, 0)])
        ky = torch.arange(bound + 1)
        self.modes = modes(kx, ky, n, dtype, device)
        points = torch.arange(n)
        along_x, along_y = (torch.exp(-2j * math.pi / n * (torch.outer(k, points) % n).double()) for k in (kx, ky))
        twice = torch.where(ky == 0, 1.0, 2.0)[:, None]  # a real field: ky stands for -ky as well
        complex_dtype = dtype.to_complex()
        self._to_x = along_x.to(device, complex_dtype)
        self._from_x = (along_x.conj().T / n**2).to(device, complex_dtype)
        self._to_y = torch.view_as_real(along_y.T.contiguous()).flatten(1).to(device, dtype)
        self._from_y = torch.view_as_real(along_y * twice).transpose(1, 2).flatten(0, 1).to(device, dtype)

    def analyse(self, field: torch.Tensor) -> torch.Tensor:
        lines = torch.matmul(field, self._to_y)
        return torch.matmul(self._to_x, torch.view_as_complex(lines.unflatten(-1, (-1, 2))))

    def synthesise(self, spectrum: torch.Tensor) -> torch.Tensor:
        lines = torch.matmul(self._from_x, spectrum)
        return torch.matmul(torch.view_as_real(lines).flatten(-2), self._from_y)


def divide(spectrum: torch.Tensor, symbol: torch.Tensor) -> torch.Tensor:
    """The spectrum of the solution of (symbol) u = f; modes on which the operator is zero are left out of it."""
    return torch.where(symbol == 0, 0, spectrum / symbol)


LOW = 24
"""The bound that `transform` keeps in single precision. For sources of Gaussians with σ = 1/32 what lies above is
exp(-(2π 24 σ)² / 2) = 1.5e-5 of the source, and in the solution it is divided by the operator's symbol."""


def truncated(n: int, dtype: torch.dtype) -> bool:
    """Whether `transform` leaves out the modes above LOW."""
    return dtype == torch.float32 and n > 2 * LOW


@functools.lru_cache(maxsize=8)
def transform(n: int, dtype: torch.dtype, device: str = "cpu") -> Transform:
    """The fastest transform that is exact to `dtype` for the sources used here."""
    return LowModes(n, LOW, dtype, device) if truncated(n, dtype) else AllModes(n, dtype, device)
