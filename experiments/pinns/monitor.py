"""What is known of a network while it trains: errors against references, the residual between the points, and the cost.

How often errors are computed follows from the number of points alone, never from a clock, so that the same run reports
the same curve.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api import lazy_import
from experiments.metrics import maximum_error, mean_absolute_error, relative_l2, relative_l2_over_time
from experiments.pinns.field import Field
from experiments.pinns.network import Network
from experiments.pinns.problem import Problem, System, grid_of

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    np = lazy_import("numpy")

SHARE = 0.04
"""Of the arithmetic of training may go into the error curve; in time it is about twice that."""

STRIDES = {"x": 8, "t": 3}
"""The error curve is taken on 32 x 34 points of the grid, or on 334 times."""

LOW_LOSS, LARGE_ERROR, PARTED = 1e-3, 0.1, 10.0
"""A loss below the first is worth a warning if the error is above the second, or if the residual on fresh points is
above the first and so many times the one that was trained."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Errors over the grid, or over its earlier part. predicted, reference: (x, t), or (t,) of an ODE."""

    rel_l2: float
    abs_err: float
    linf: float
    predicted: np.ndarray
    reference: np.ndarray

    @property
    def figures(self) -> dict[str, float]:
        return {"rel_l2": self.rel_l2, "abs_err": self.abs_err, "linf": self.linf}


class Prediction:
    """u at fixed points (n, axes), by parameters that may change with time: what is settled stays."""

    def __init__(self, network: Network, points: np.ndarray) -> None:
        self._points, self._times = points, points[:, -1]
        self.follow(network)
        self._settled = np.zeros(len(points), dtype=bool)
        self._values = np.zeros(len(points))

    def __call__(self, flat: torch.Tensor) -> np.ndarray:
        """(n,), float64."""
        return np.where(self._settled, self._values, self._field(flat))

    def follow(self, network: Network) -> None:
        self._field = Field(network, self._points)

    def settle(self, flat: torch.Tensor, until: float) -> None:
        self._values, self._settled = self(flat), self._times < until


class Clock(msgspec.Struct):
    """How long something took."""

    seconds: float = 0.0


class Monitor:
    """observations: a table of where u was observed and what, (n, axes + 1), to be shown with the fields; or None."""

    def __init__(self, network: Network, system: System, target: Any, observations: np.ndarray | None = None) -> None:
        self._network, self._system, self._target = network, system, target
        self._observations = {} if observations is None else {"observations": observations}
        self.grid = grid_of(system)
        self._some = self.grid.every(**STRIDES)
        self._curve = Prediction(network, self._some.points)
        self._all = Prediction(network, self.grid.points)
        self._reference = self._some.reference(system, target).ravel()
        self.judge_by(target)
        self.seconds = 0.0
        """Of the run's time, how much went into watching it."""
        self.start(0.0, 0.0)

    def start(self, elapsed: float, monitored: float) -> None:
        """The clock runs on from what earlier attempts took."""
        self._began, self.seconds = time.perf_counter() - elapsed, monitored

    def elapsed(self) -> float:
        return time.perf_counter() - self._began

    def share(self) -> float:
        return self.seconds / self.elapsed()

    @contextmanager
    def timed(self) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - start

    @contextmanager
    def paused(self) -> Iterator[Clock]:
        """What is done here is neither training nor monitoring: the run's clock stands still."""
        start, clock = time.perf_counter(), Clock()
        try:
            yield clock
        finally:
            clock.seconds = time.perf_counter() - start
            self._began += clock.seconds

    def every(self, problem: Problem) -> int:
        """Iterations between two errors: as many as make a forward pass here SHARE of a forward and a backward pass."""
        derivatives = 1 + len(self._system.derivatives(problem.coefficients))
        conditions = sum(
            len(condition.points) * (1 if condition.minus is None else 2) for condition in problem.conditions
        )
        trained = len(problem.collocation) * derivatives + conditions
        return max(1, math.ceil(len(self._some.points) / (3 * trained * SHARE)))

    def judge_by(self, coefficients: Any, window: tuple[float, float] | None = None) -> None:
        """From here on, the error is also against the solution at these coefficients, up to the end of the window."""
        self._judged = self._some.points[:, -1] <= (window[1] if window else math.inf)
        self._stage_reference = self._some.reference(self._system, coefficients).ravel()[self._judged]

    def follow(self, network: Network) -> None:
        """From here on u is this network's."""
        for prediction in (self._curve, self._all):
            prediction.follow(network)

    def settle(self, flat: torch.Tensor, until: float) -> None:
        """What these parameters predict before this time is the prediction, whatever is trained later."""
        for prediction in (self._curve, self._all):
            prediction.settle(flat, until)

    def errors(self, flat: torch.Tensor) -> dict[str, float]:
        predicted = self._curve(flat)
        return {
            "rel_l2": relative_l2(predicted, self._reference),
            "rel_l2_stage": relative_l2(predicted[self._judged], self._stage_reference),
        }

    def fields(self, judgement: Judgement) -> dict[str, np.ndarray]:
        """What is looked at, in single precision: predicted, reference, error over the axes; these; the relative L2
        error at every time, of a PDE; observations.
        """
        error = judgement.predicted - judgement.reference
        arrays = {"predicted": judgement.predicted, "reference": judgement.reference, "error": error}
        if error.ndim > 1:
            arrays["rel_l2_t"] = relative_l2_over_time(judgement.predicted, judgement.reference)
        axes = {**self.grid.axes, "t": self.grid.axes["t"][: error.shape[-1]]}
        return {name: array.astype(np.float32) for name, array in {**arrays, **axes, **self._observations}.items()}

    def judge(self, flat: torch.Tensor, coefficients: Any, window: tuple[float, float] | None = None) -> Judgement:
        """Against the solution at these coefficients, on the whole grid or up to the end of a window."""
        grid = self.grid.until(window[1]) if window else self.grid
        reference = grid.reference(self._system, coefficients)
        predicted = self._all(flat).reshape(self.grid.shape)[..., : grid.shape[-1]]
        return Judgement(
            rel_l2=relative_l2(predicted, reference),
            abs_err=mean_absolute_error(predicted, reference),
            linf=maximum_error(predicted, reference),
            predicted=predicted,
            reference=reference,
        )


def doubts(loss: float, residual: float, fresh: float, rel_l2: float, *, physics: bool = True) -> list[str]:
    """Why a low loss is not success here, in words; nothing where there is no doubt.

    residual, fresh: the mean square residual at the training points and at points that were not trained. physics:
    whether it was trained at all.
    """
    found = []
    if loss <= LOW_LOSS and rel_l2 > LARGE_ERROR:
        met = "meets the equation at the points" if physics else "fits the observations"
        found.append(
            f"the loss is low ({loss:.1e}) but the relative L2 error is {rel_l2:.2g}: it {met} and is not the solution"
        )
    if physics and loss <= LOW_LOSS < fresh and fresh > PARTED * residual:
        found.append(
            f"the loss is low ({loss:.1e}) but the mean square residual is {fresh:.1e} on fresh points and "
            f"{residual:.1e} on those trained: the error hides between the points, of which there are too few"
        )
    return found
