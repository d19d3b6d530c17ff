"""Random numbers of a run: each purpose has generators of its own, which follow from the run's seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.api import lazy_import

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")

WEIGHTS, TRAINING_POINTS, FRESH_POINTS, FEATURES, OBSERVATIONS, DIAGNOSIS, BATCHES = range(7)
"""The purposes."""


class Seeds(NamedTuple):
    seed: int

    def generator(self, purpose: int, *numbers: int) -> np.random.Generator:
        """numbers: which of the purpose's generators, such as that of a stage."""
        return np.random.default_rng([self.seed, purpose, *(numbers or (0,))])
