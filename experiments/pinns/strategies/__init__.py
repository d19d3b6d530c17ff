"""One file each: how a problem is made easier on the way to its solution, as a sequence of stages.

A strategy is a generator: it yields a stage, is sent what training made of it, and yields the next. It keeps no other
state, so that a run is resumed by sending it the results of the stages that are done.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from engine.api import Problem
from experiments.pinns.problem import System

if TYPE_CHECKING:
    import numpy as np


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is to solve: a system at these coefficients, to this loss, within this many closures in all."""

    system: System
    coefficients: Any
    loss: float
    closures: int


class PointWeights(Protocol):
    """How collocation points are weighed within a stage, anew after every so many iterations.

    weights(points, residual, system): of the points (n, axes), from the residual there, (n,); of the system's axes
    those are that the stage is trained on. is_settled(weights): the stage ends, since these will not change any more.
    """

    @property
    def every(self) -> int: ...

    def weights(self, points: np.ndarray, residual: np.ndarray, system: System) -> np.ndarray: ...

    def is_settled(self, weights: np.ndarray) -> bool: ...


START = -1
"""In place of a stage's number: the weights that the run began with."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of training; it carries on from the weights of the stage before.

    after: the number of another stage (from 0, as they were yielded) whose weights it starts from, or START.
    point_weights: how collocation points are weighed; None: all alike.
    target: the stage ends once the loss is at most this. closures: it may take so many; None for all that are left.
    window: the part of time that it is trained on; None for all. A window that begins later than time itself starts
    from what the stage before it predicts there; what is predicted of earlier times is settled.
    """

    name: str
    coefficients: Any
    target: float
    closures: int | None = None
    after: int | None = None
    point_weights: PointWeights | None = None
    window: tuple[float, float] | None = None

    def part(self, system: System) -> System:
        """The system over the stage's part of time."""
        return msgspec.structs.replace(system, axes={**system.axes, "t": self.window}) if self.window else system


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """How a stage ended. parameters: the flat vector, which the stages that follow may start from. fresh_loss: the loss
    with the residual at points that were not trained.
    """

    loss: float
    fresh_loss: float = 0.0
    closures: int
    stop: str
    parameters: np.ndarray


Stages = Generator[Stage, Trained, None]
"""May raise LostTrack."""


class LostTrack(Exception):
    """Raised by a strategy that gives up before its target, with where and why."""


class Strategy(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy as data. check(settings, target): what is wrong with its settings for this target, fields under
    "strategy."; stages(settings, target): the stages, the last of them at the target.
    """

    title: str
    summary: str
    source: str = ""
    settings: type[msgspec.Struct]
    check: Callable[[Any, Target], list[Problem]] = lambda settings, target: []
    stages: Callable[[Any, Target], Stages]


def check_closures(before: int, target: Target) -> list[Problem]:
    """A problem unless closures are left for the last stage, when those before it have taken all that they may."""
    if before < target.closures:
        return []
    required, hint = (
        f"more than the {before} that earlier stages may take",
        "raise it, or lower strategy.closures or the number of stages",
    )
    return [Problem("optimizer.closures", required, str(target.closures), hint)]
