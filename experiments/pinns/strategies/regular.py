"""Training on the problem itself, from the start."""

from __future__ import annotations

from engine.api import Spec
from experiments.pinns.strategies import Stage, Stages, Strategy, Target


class Settings(Spec, frozen=True, kw_only=True):
    pass


def stages(settings: Settings, target: Target) -> Stages:
    name = target.system.name_of(target.coefficients, target.system.main)
    yield Stage(name=name, coefficients=target.coefficients, target=target.loss)


STRATEGY = Strategy(
    title="Regular",
    summary="One stage, at the target's coefficients: what fails in Krishnapriyan et al. 2021",
    settings=Settings,
    stages=stages,
)
