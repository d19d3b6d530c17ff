"""Affine maps of single axes, as the rows of a matrix (rows, axes + 1) whose last column is the offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from engine.api import lazy_import

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    np = lazy_import("numpy")


def lines(axes: Mapping[str, tuple[float, float]], chosen: Sequence[str], *, scaled: bool) -> np.ndarray:
    """The chosen axes as they are, or scaled from their bounds to [-1, 1]: (chosen, axes + 1)."""
    rows = np.zeros((len(chosen), len(axes) + 1))
    for row, name in zip(rows, chosen, strict=True):
        low, high = axes[name]
        factor = 2 / (high - low) if scaled else 1.0
        row[list(axes).index(name)] = factor
        row[-1] = -factor * (low + high) / 2 if scaled else 0.0
    return rows


def along(rows: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """The maps at points (n, axes): (n, rows)."""
    return points @ rows[:, :-1].T + rows[:, -1]
