"""A line search for the strong Wolfe conditions, by bracketing and cubic interpolation.

Nocedal and Wright, Numerical Optimization, 2nd ed., algorithms 3.5 and 3.6, with the safeguards that torch.optim.LBFGS
uses, so that both take the same steps. A trial whose loss is not finite is a step too far, and is shortened.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from experiments.pinns.optimizers import Evaluation, Steps

if TYPE_CHECKING:
    import torch

DECREASE, CURVATURE = 1e-4, 0.9
"""The constants of the sufficient decrease and the curvature condition, as usual for quasi-Newton directions."""

MOST = 25
"""Evaluations of one search."""


class Trial(NamedTuple):
    """A step along the direction, the evaluation there and the slope of the loss along the direction."""

    step: float
    at: Evaluation
    slope: float

    @property
    def loss(self) -> float:
        return self.at.loss


def strong_wolfe(
    x: torch.Tensor, direction: torch.Tensor, start: Trial, step: float, budget: int, tolerance: float
) -> Steps[Trial]:
    """The best trial that was found; `start` itself where none is lower, one that is not finite where all are.

    start: the trial of step 0. step: the first to try. budget: evaluations allowed. tolerance: a bracket that moves no
    parameter by more is left.
    """
    search = _Search(x, direction, start, min(budget, MOST), tolerance)
    bracket = yield from search.bracket(step)
    return (yield from search.zoom(*bracket)) if len(bracket) == 2 else bracket[0]


class _Search:
    def __init__(self, x: torch.Tensor, direction: torch.Tensor, start: Trial, budget: int, tolerance: float) -> None:
        self._x, self._direction, self._start = x, direction, start
        self._left, self._tolerance = budget, tolerance

    def _try(self, step: float) -> Steps[Trial]:
        self._left -= 1
        at = yield self._x.add(self._direction, alpha=step)
        return Trial(step, at, float(at.gradient.dot(self._direction)))

    def _finite(self, step: float, low: float) -> Steps[Trial]:
        """A trial at `step`, or nearer to `low` until its loss is finite."""
        trial = yield from self._try(step)
        while self._left and not math.isfinite(trial.loss):
            trial = yield from self._try(low + 0.1 * (trial.step - low))
        return trial

    def _too_high(self, trial: Trial) -> bool:
        return not trial.loss <= self._start.loss + DECREASE * trial.step * self._start.slope

    def _flat_enough(self, trial: Trial) -> bool:
        return abs(trial.slope) <= -CURVATURE * self._start.slope

    def bracket(self, step: float) -> Steps[tuple[Trial, ...]]:
        """Two trials with an acceptable step between them, or one that is acceptable."""
        before, count = self._start, 0
        trial = yield from self._finite(step, 0.0)
        if not math.isfinite(trial.loss):
            return (trial,)
        while self._left:
            if self._too_high(trial) or (count > 1 and trial.loss >= before.loss):
                return before, trial
            if self._flat_enough(trial):
                return (trial,)
            if trial.slope >= 0:
                return before, trial
            low, high = trial.step + 0.01 * (trial.step - before.step), trial.step * 10
            step = _cubic(before, trial, low, high)
            before, count = trial, count + 1
            trial = yield from self._finite(step, before.step)
        return self._start, trial

    def zoom(self, first: Trial, second: Trial) -> Steps[Trial]:
        """Narrows a bracket to an acceptable step; the lower end where that cannot be had."""
        low, high = (second, first) if second.loss < first.loss else (first, second)
        reach, hesitant = float(self._direction.abs().max()), False
        while self._left and abs(high.step - low.step) * reach >= self._tolerance:
            left, right = min(low.step, high.step), max(low.step, high.step)
            step = _cubic(first, second, left, right)
            step, hesitant = _inside(step, left, right, hesitant)
            trial = yield from self._finite(step, low.step)
            if self._too_high(trial) or trial.loss >= low.loss:
                high = trial
                if high.loss < low.loss:
                    low, high = high, low
            else:
                if self._flat_enough(trial):
                    return trial
                if trial.slope * (high.step - low.step) >= 0:
                    high = low
                low = trial
            first, second = low, high
        return low


def _inside(step: float, left: float, right: float, hesitant: bool) -> tuple[float, bool]:
    """A step that makes progress: one near an end of the bracket twice in a row is moved a tenth inwards."""
    margin = 0.1 * (right - left)
    if min(right - step, step - left) >= margin:
        return step, False
    if hesitant or step >= right or step <= left:
        return (right - margin if abs(step - right) < abs(step - left) else left + margin), False
    return step, True


def _cubic(a: Trial, b: Trial, low: float, high: float) -> float:
    """The minimum, within [low, high], of the cubic through two trials and their slopes (Nocedal and Wright, 3.59)."""
    if a.step == b.step:
        return a.step
    if a.step > b.step:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.step - b.step)
    square = d1 * d1 - a.slope * b.slope
    d2 = math.sqrt(square) if square >= 0 else math.nan
    bend = b.slope - a.slope + 2 * d2
    if not bend:
        return (low + high) / 2
    step = b.step - (b.step - a.step) * ((b.slope + d2 - d1) / bend)
    return (low + high) / 2 if math.isnan(step) else min(max(step, low), high)
