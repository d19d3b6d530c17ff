"""The weights of the settings, throughout."""

from __future__ import annotations

from engine.api import Spec
from experiments.pinns.balancing import Balancing


class Settings(Spec, frozen=True, kw_only=True):
    pass


BALANCING = Balancing(
    title="Fixed",
    summary="The weights lambda, weight_initial and weight_boundary as they are",
    settings=Settings,
)
