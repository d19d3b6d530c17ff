"""Reference solutions of u_t = D u_xx + r(u) on a periodic interval, by splitting into diffusion and reaction.

Each part is solved exactly: diffusion mode by mode, reaction point by point. Strang's composition of both,
S(h) = diffuse(h/2) react(h) diffuse(h/2), is symmetric, so its error is even in h, and three of them make a step of the
sixth order without ever going back in time, which diffusion would not survive (Hairer, Lubich and Wanner, Geometric
Numerical Integration, II.4 and II.5; extrapolation: Hairer, Nørsett and Wanner, Solving ODEs I, II.9):

    Φ(h) = 1/24 S(h) - 16/15 S(h/2)² + 81/40 S(h/3)³
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.api import lazy_import

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")

EXTRAPOLATION = {1: 1 / 24, 2: -16 / 15, 3: 81 / 40}
"""Parts of a step -> weight; of Strang's composition alone, {1: 1.0}."""

SAMPLES = 2**14
"""The initial condition is sampled so often for its modes: a kink at the ends of the interval aliases as 1/n²."""


ROUNDING = 1e-9
"""Parts of a step by which a time may miss that of a state."""


class Splitting:
    """The solution at any x and t, from states after equal steps; between two of them, by a shorter step.

    react(u, dt): what the reaction makes of u in the time dt, both arrays that broadcast. interval: of x, periodic.
    points: in x, twice the number of modes. steps: up to t = end; the first state is the initial condition at t = 0.
    """

    def __init__(
        self,
        initial: Callable[[np.ndarray], np.ndarray],
        react: Callable[[np.ndarray, np.ndarray], np.ndarray],
        diffusivity: float,
        interval: tuple[float, float],
        *,
        end: float = 1.0,
        points: int,
        steps: int,
        weights: dict[int, float] = EXTRAPOLATION,
    ) -> None:
        self._initial, self._react, self._weights = initial, react, weights
        self._low, self._length = interval[0], interval[1] - interval[0]
        self._points, self._step = points, end / steps
        self._wavenumbers = 2 * np.pi / self._length * np.arange(points // 2 + 1)
        self._rates = diffusivity * self._wavenumbers**2
        self._states = self._march(steps)

    def _march(self, steps: int) -> np.ndarray:
        """(steps + 1, modes), complex."""
        x = self._low + self._length * np.arange(SAMPLES) / SAMPLES
        modes = np.fft.rfft(self._initial(x))[: len(self._rates)] * (self._points / SAMPLES)
        states = np.empty((steps + 1, len(modes)), dtype=complex)
        states[0] = modes
        for i in range(steps):
            states[i + 1] = self._advance(states[i], np.array(self._step))
        return states

    def _advance(self, modes: np.ndarray, dt: np.ndarray) -> np.ndarray:
        """Φ(dt): modes (..., modes), dt (..., 1)."""
        total = np.zeros_like(modes)
        for parts, weight in self._weights.items():
            part, decay = modes, np.exp(-self._rates * (dt / (2 * parts)))
            for _ in range(parts):
                u = self._react(np.fft.irfft(part * decay, self._points), dt / parts)
                part = np.fft.rfft(u) * decay
            total += weight * part
        return total

    def __call__(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        """u, for arrays that broadcast; by the Fourier series in x, which is the initial condition itself at t = 0."""
        inside = np.mod(np.asarray(x, dtype=float) - self._low, self._length)
        times, which = np.unique(t, return_inverse=True)
        modes = self._modes(times) / self._points
        modes[:, 1:-1] *= 2  # each stands for its conjugate as well
        phases = inside[..., None] * self._wavenumbers
        at = modes[which.reshape(np.shape(t))]
        series = _products(np.cos(phases), at.real) - _products(np.sin(phases), at.imag)
        return np.where(np.asarray(t) == 0, self._initial(self._low + inside), series)

    def _modes(self, times: np.ndarray) -> np.ndarray:
        """(times, modes); at a state, what is stored."""
        steps = times / self._step
        before = np.clip(np.floor(steps + ROUNDING), 0, len(self._states) - 1).astype(int)
        between = np.abs(steps - before) > ROUNDING
        modes = self._states[before]
        dt = (steps - before)[between, None] * self._step
        modes[between] = self._advance(modes[between], dt)
        return modes


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sums of products over the last axis, the others broadcast: for a lattice, (n, 1, k) and (1, m, k), one product
    of matrices.
    """
    if a.ndim == b.ndim == 3 and a.shape[1] == b.shape[0] == 1:
        return a[:, 0] @ b[0].T
    return np.einsum("...k,...k->...", a, b)
