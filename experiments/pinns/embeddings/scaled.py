"""Every axis scaled from its bounds to [-1, 1], where the layers of a fresh network are at their best."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.api import Spec
from experiments.pinns.embeddings import Embedding
from experiments.pinns.embeddings._lines import along, lines
from experiments.pinns.problem import System

if TYPE_CHECKING:
    import numpy as np


class Settings(Spec, frozen=True, kw_only=True):
    pass


def draw(settings: Settings, system: System, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {"lines": lines(system.axes, list(system.axes), scaled=True)}


EMBEDDING = Embedding(
    title="Scaled",
    summary="Every axis scaled to [-1, 1]",
    source="LeCun, Bottou, Orr and Müller 1998, Efficient BackProp, Sec. 4.3",
    settings=Settings,
    count=lambda settings, system: len(system.axes),
    draw=draw,
    features=lambda arrays, points: along(arrays["lines"], points),
)
