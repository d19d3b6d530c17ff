"""Errors of a prediction, and what each of them means. Arrays of any shape; both arguments have the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.api import lazy_import

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")


def relative_l2(predicted: np.ndarray, reference: np.ndarray) -> float:
    """‖predicted - reference‖₂ / ‖reference‖₂ over all entries.

    0 is exact, 1 is what the prediction 0 scores, above 1 is worse than that. Infinite or NaN if the reference is 0.
    """
    return float(np.linalg.norm(predicted - reference) / np.linalg.norm(reference))


def mean_absolute_error(predicted: np.ndarray, reference: np.ndarray) -> float:
    """The mean of |predicted - reference| over all entries, in the units of the field."""
    return float(np.mean(np.abs(predicted - reference)))


def maximum_error(predicted: np.ndarray, reference: np.ndarray) -> float:
    """The largest |predicted - reference|: what relative L2 averages away at a front or in a corner."""
    return float(np.max(np.abs(predicted - reference)))


def relative_l2_over_time(predicted: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The relative L2 error of every time, which is the last axis: where in time a prediction is lost. (times,)"""
    space = tuple(range(reference.ndim - 1))
    off, whole = (np.sqrt(np.sum(array**2, axis=space)) for array in (predicted - reference, reference))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(off / whole)
