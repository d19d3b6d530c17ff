"""The dominant eigenpairs of a symmetric operator that is known by its products alone: Lanczos.

Every new vector is made orthogonal to all before it, twice, so that none comes again (Parlett, The Symmetric Eigenvalue
Problem, ch. 13). An eigenvalue is settled when the residual of its pair, which Lanczos gives for nothing, is small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.api import lazy_import

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")

TOLERANCE = 1e-5
"""Of the largest eigenvalue in magnitude: residuals below settle a pair. Differences of gradients are not exact."""

MOST = 300
"""Products at most: what is not settled by then is what it is."""


def dominant(
    product: Callable[[np.ndarray], np.ndarray],
    size: int,
    count: int,
    rng: np.random.Generator,
    *,
    tolerance: float = TOLERANCE,
    stopping: Callable[[], bool] = lambda: False,
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` eigenvalues (or `size`, if that is fewer) of largest magnitude, the largest first, and their unit
    eigenvectors, (count, size). Stops early, with what it has, when asked to.
    """
    count = min(count, size)
    basis = np.empty((min(MOST, size), size))
    diagonal, beside = np.empty(len(basis)), np.empty(len(basis))
    vector = rng.standard_normal(size)
    basis[0] = vector / np.linalg.norm(vector)
    taken = 0
    while True:
        new = product(basis[taken])
        diagonal[taken] = new @ basis[taken]
        taken += 1
        for _ in range(2):
            new -= basis[:taken].T @ (basis[:taken] @ new)
        beside[taken - 1] = np.linalg.norm(new)
        values, rotation = _ritz(diagonal[:taken], beside[: taken - 1])
        chosen = np.argsort(-np.abs(values), kind="stable")[:count]
        residuals = beside[taken - 1] * np.abs(rotation[-1, chosen])
        largest = np.abs(values).max()
        settled = taken >= count and (residuals <= tolerance * largest).all()
        exhausted = taken == len(basis) or beside[taken - 1] <= 1e-14 * max(largest, 1e-300)
        if settled or exhausted or stopping():
            return values[chosen], (basis[:taken].T @ rotation[:, chosen]).T
        basis[taken] = new / beside[taken - 1]


def _ritz(diagonal: np.ndarray, beside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors of the tridiagonal matrix."""
    matrix = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    values, vectors = np.linalg.eigh(matrix)
    return values, vectors
