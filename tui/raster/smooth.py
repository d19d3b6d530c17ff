"""Exponential moving average, before points are thinned: smoothing what is left of them would smooth nothing."""

from __future__ import annotations

import numpy as np


def moving_average(values: np.ndarray, weight: float) -> np.ndarray:
    """The debiased exponential moving average of (n,) values; NaN stays NaN and is passed over.

    s_t = weight s_{t-1} + y_t, n_t = weight n_{t-1} + 1 over the finite y, average s_t / n_t: the bias correction of
    Kingma & Ba 2015, so that the first values are not drawn towards zero. weight in [0, 1).
    """
    if not 0 <= weight < 1:
        raise ValueError(f"smoothing: required a weight in [0, 1), got {weight:g}")
    values = np.asarray(values, float)
    finite = np.isfinite(values)
    if weight == 0 or values.size == 0:
        return values
    if finite.all():
        average = _decayed_sum(values, weight) * (1 - weight)
        start = min(values.size, int(-20 / np.log10(weight)) + 1)  # after it, the correction is lost in rounding
        average[:start] /= 1 - weight ** np.arange(1.0, start + 1)
        return average
    total = _decayed_sum(np.where(finite, values, 0.0), weight)
    count = _decayed_sum(finite.astype(float), weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(finite, total / count, np.nan)


def _decayed_sum(values: np.ndarray, weight: float) -> np.ndarray:
    """s_t = weight s_{t-1} + y_t without a loop over points: sums of y_j / weight^j within blocks short enough not to
    overflow, then the carry from block to block."""
    length = max(1, min(values.size, 512, int(-100 / np.log10(weight))))
    blocks = np.zeros((-(-values.size // length), length))
    blocks.reshape(-1)[: values.size] = values
    powers = weight ** np.arange(length)
    sums = np.cumsum(blocks / powers, axis=1) * powers
    carry = 0.0
    for block in sums:
        block += carry * weight * powers
        carry = block[-1]
    return sums.reshape(-1)[: values.size]
