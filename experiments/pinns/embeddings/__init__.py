"""One file each: a fixed, untrained map from points to the features that a network is fed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api import Problem, lazy_import
from experiments.pinns.problem import System

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    torch = lazy_import("torch")


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """An embedding as data and functions; `settings` of the functions is an instance of the struct of that name.

    count(settings, system): the number of features.
    draw(settings, system, rng): all numbers of the map, as named float64 arrays; they are stored with the network,
        which is of no use with others.
    features(arrays, points): points (n, axes) -> (n, count), for tensors in float64; twice differentiable.
    is_periodic(settings): whether the features agree at both ends of every axis that is periodic.
    check(settings, system): what is wrong with the settings for this system, fields under "embedding.".
    """

    title: str
    summary: str
    source: str = ""
    settings: type[msgspec.Struct]
    count: Callable[[Any, System], int]
    draw: Callable[[Any, System, np.random.Generator], dict[str, np.ndarray]]
    features: Callable[[Mapping[str, torch.Tensor], torch.Tensor], torch.Tensor]
    is_periodic: Callable[[Any], bool] = lambda settings: False
    check: Callable[[Any, System], list[Problem]] = lambda settings, system: []


class Features:
    """An embedding with its numbers: a map from points (n, axes) to features (n, count), in float64."""

    def __init__(self, embedding: Embedding, arrays: Mapping[str, np.ndarray], count: int) -> None:
        self.arrays, self.count = arrays, count
        self._embedding = embedding
        self._placed: dict[torch.device, dict[str, torch.Tensor]] = {}

    def having(self, arrays: Mapping[str, np.ndarray]) -> Features:
        """The same embedding with other numbers."""
        return Features(self._embedding, arrays, self.count)

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        if points.device not in self._placed:
            self._placed[points.device] = {
                name: torch.tensor(array, dtype=torch.float64, device=points.device)
                for name, array in self.arrays.items()
            }
        return self._embedding.features(self._placed[points.device], points)
