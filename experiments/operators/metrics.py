"""Errors of predicted fields, one for each sample. Fields are (samples, nx, ny)."""

from __future__ import annotations

import torch


def relative_l2(predicted: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """‖predicted - reference‖₂ / ‖reference‖₂ of each sample, (samples,); differentiable.

    0 is exact, 1 is what the prediction 0 scores. The figure of the papers is the mean of this over the samples.
    """
    return (predicted - reference).flatten(1).norm(dim=1) / reference.flatten(1).norm(dim=1)


def squared_error(predicted: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The sum over the points of (predicted - reference)² of each sample, (samples,)."""
    return (predicted - reference).flatten(1).square().sum(1)
