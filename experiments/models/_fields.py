"""What a model from fields to a field is: the operator that takes a PDE's data to its solution."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api import Problem

if TYPE_CHECKING:
    import numpy as np
    import torch


class FieldModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model as data and functions; `spec` is an instance of `settings`.

    Inputs are channels over a grid, of shape (samples, nx, ny, varying), and channels that are constant over the grid,
    of shape (samples, constant); `channels` is the number of both. Parameters are real tensors by name.

    sizes: published sizes by name, each an instance of `settings`.
    shapes(spec, channels): the shape of every parameter by name.
    initialise(spec, channels, rng): fresh parameters by name, float64.
    widen(spec, parameters, more): the same model with `more` further constant channels, which it ignores: zero weights.
    forward(spec, parameters, varying, constant): the field predicted, of shape (samples, nx, ny); differentiable.
    compiled(spec): forward of this spec by `torch.compile`, of (parameters, varying, constant); None: not to be had.
    any_grid: whether what was trained on one grid holds on others: of the same fields on a finer one it predicts the
        same, as far as both carry them. A run on another grid cannot begin with the weights of a model that does not.
    unfit(spec, grid): what is wrong with this spec on a grid x grid, fields named as those of `settings`.
    work(spec, grid): floating-point operations of a training step, for each sample.
    kept(spec, grid): numbers held in memory at once in a training step, for each sample.
    """

    title: str
    summary: str
    source: str = ""
    settings: type[msgspec.Struct]
    sizes: Mapping[str, Any] = {}
    shapes: Callable[[Any, int], dict[str, tuple[int, ...]]]
    initialise: Callable[[Any, int, np.random.Generator], dict[str, np.ndarray]]
    widen: Callable[[Any, Mapping[str, np.ndarray], int], dict[str, np.ndarray]]
    forward: Callable[[Any, Mapping[str, torch.Tensor], torch.Tensor, torch.Tensor], torch.Tensor]
    compiled: (
        Callable[[Any], Callable[[Mapping[str, torch.Tensor], torch.Tensor, torch.Tensor], torch.Tensor]] | None
    ) = None
    any_grid: bool = True
    unfit: Callable[[Any, int], list[Problem]]
    work: Callable[[Any, int], float]
    kept: Callable[[Any, int], float]

    def size(self, spec: Any, channels: int) -> int:
        """The number of parameters."""
        return sum(math.prod(shape) for shape in self.shapes(spec, channels).values())
