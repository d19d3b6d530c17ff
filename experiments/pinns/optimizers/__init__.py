"""One file each: an optimiser that advances one iteration at a time, on a flat vector of parameters.

An optimiser never calls the function that it minimises. Its methods are generators: they yield points, and are sent the
evaluation at each. Whoever drives them counts the evaluations, and may drive many at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import msgspec

from engine.api import lazy_import

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    torch = lazy_import("torch")


class Evaluation(NamedTuple):
    """A loss, its gradient (a tensor of its own, never overwritten) and the parts that the loss is made of."""

    loss: float
    gradient: torch.Tensor
    terms: Mapping[str, float] = {}


class Stop(StrEnum):
    """Why a stage of training ended."""

    TARGET = "loss target"
    CLOSURES = "closures"  # the cap on evaluations is reached
    GRADIENT = "gradient tolerance"
    CHANGE = "change tolerance"
    SETTLED = "weights settled"  # those of the collocation points
    LINE_SEARCH = "line search failed"
    NOT_FINITE = "not finite"
    TRACK = "lost track"  # of a run: its strategy gave up before the target


T = TypeVar("T")
Steps = Generator["torch.Tensor", Evaluation, T]
"""Yields points to evaluate, is sent the evaluations, returns a T."""


class Minimiser(Protocol):
    """The state of one minimisation. `x` is the iterate and `at` its evaluation; both are set by `begin`."""

    @property
    def x(self) -> torch.Tensor: ...

    @property
    def at(self) -> Evaluation: ...

    def begin(self, x: torch.Tensor) -> Steps[None]:
        """Starts from x on a function that may be new; what was learnt of the curvature is kept."""
        ...

    def renew(self) -> Steps[None]:
        """The function has changed within a stage: it is evaluated anew at x, and all that was learnt is kept."""
        ...

    def iterate(self, budget: int) -> Steps[Stop | None]:
        """One iteration of at most `budget` evaluations. Returns why no further one makes sense, or None."""
        ...

    def state(self) -> dict[str, Any]:
        """All that the next iterations depend on, as arrays and scalars."""
        ...

    def restore(self, state: Mapping[str, Any], like: torch.Tensor) -> None:
        """The inverse of `state`; tensors get the dtype and device of `like`."""
        ...


class Optimizer(msgspec.Struct, frozen=True, kw_only=True):
    """An optimiser as data. `make(settings)` is a Minimiser; memory(n) the bytes it keeps for n parameters.

    batch(settings): collocation points of an evaluation; 0: all. Only for one that bears a function which is another at
    every evaluation.
    """

    title: str
    summary: str
    source: str = ""
    settings: type[msgspec.Struct]
    make: Callable[[Any], Minimiser]
    memory: Callable[[Any, int], float]
    batch: Callable[[Any], int] = lambda settings: 0


def to_array(tensor: torch.Tensor) -> np.ndarray:
    """A copy that later iterations do not change."""
    return tensor.detach().cpu().numpy().copy()


def to_tensor(array: Any, like: torch.Tensor) -> torch.Tensor:
    """The inverse of `to_array`, with the dtype and device of `like`."""
    return torch.tensor(array, dtype=like.dtype, device=like.device)


def drive(steps: Steps[T], evaluate: Callable[[torch.Tensor], Evaluation]) -> T:
    """Runs a generator of steps to its end, on one function."""
    try:
        point = next(steps)
        while True:
            point = steps.send(evaluate(point))
    except StopIteration as end:
        return end.value
