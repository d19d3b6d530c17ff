"""One file each: how the terms of the loss are weighed against each other while a network trains.

The factors found here multiply the weights of the settings. A run is judged, and its loss reported, by the weights of
the settings alone, so that its loss target means the same whatever the balancing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from experiments.pinns.optimizers import Evaluation


class Balancing(msgspec.Struct, frozen=True, kw_only=True):
    """A balancing as data; `settings` of the functions is an instance of the struct of that name.

    every(settings): iterations between two balancings, the first being at the start of a stage; 0: never.
    balance(settings, factors, alone): new factors of the terms, from the present ones and each term's evaluation.
    """

    title: str
    summary: str
    source: str = ""
    settings: type[msgspec.Struct]
    every: Callable[[Any], int] = lambda settings: 0
    balance: Callable[[Any, Mapping[str, float], Mapping[str, Evaluation]], dict[str, float]] = (
        lambda settings, factors, alone: dict(factors)
    )
