"""No embedding: the network is fed the points themselves."""

from __future__ import annotations

from engine.api import Spec
from experiments.pinns.embeddings import Embedding


class Settings(Spec, frozen=True, kw_only=True):
    pass


EMBEDDING = Embedding(
    title="None",
    summary="The network is fed the points themselves",
    settings=Settings,
    count=lambda settings, system: len(system.axes),
    draw=lambda settings, system, rng: {},
    features=lambda arrays, points: points,
)
