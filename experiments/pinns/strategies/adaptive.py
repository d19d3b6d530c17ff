"""A curriculum that finds its own steps: a coefficient rises as far as training keeps track of it.

A stage has kept track if its loss ends at no more than `lost` times its target, also with the residual at points that
it was not trained on: a low loss alone may be that of a network which meets the equation at the points only. If it has
not, training goes back to the weights of the last stage that had, and tries half the step from there; after a stage
that reached its target the step grows again, up to its first length. The target's own coefficients are approached like
any other; only then the last stage trains on them with all the evaluations that are left.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from msgspec import Meta

from engine.api import Problem
from experiments.pinns.strategies import START, LostTrack, Stage, Stages, Strategy, Target
from experiments.pinns.strategies._rising import Line, check_bounds, check_line, check_names, rising

HALVINGS = 5
"""Of the step, before it is too small, where no smallest step is given."""


class Settings(Line, frozen=True, kw_only=True):
    smallest: Annotated[
        float, Meta(ge=0, description="A step below this ends the run: track is lost; 0: a 32nd of the first step")
    ] = 0.0
    growth: Annotated[
        float, Meta(ge=1, le=10, description="The step after a stage that reached its target, in multiples of its own")
    ] = 1.5
    target: Annotated[float, Meta(gt=0, description="A stage before the last ends once the loss is at most this")] = (
        1e-4
    )
    lost: Annotated[
        float,
        Meta(
            ge=1,
            description="A stage has lost track if its loss, or that on fresh points, ends above so many targets",
        ),
    ] = 10.0
    closures: Annotated[int, Meta(ge=1, description="Evaluations that each stage before the last may take")] = 1000


def _smallest(settings: Settings, step: float) -> float:
    return settings.smallest or abs(step) / 2**HALVINGS


def check(settings: Settings, target: Target) -> list[Problem]:
    if found := check_names(settings, target) or check_line(settings, target):
        return found
    chosen = rising(settings, target)
    if settings.smallest > abs(chosen.step):
        required = f"at most the step, {abs(chosen.step):g}"
        return [Problem("strategy.smallest", required, f"{settings.smallest:g}")]
    return check_bounds("strategy.start", chosen, (chosen.start, chosen.end))


def stages(settings: Settings, target: Target) -> Stages:
    """Raises LostTrack."""
    chosen = rising(settings, target)
    end, step, smallest = chosen.end, chosen.step, _smallest(settings, chosen.step)
    good, kept_by = chosen.start - step, START  # the last value that was kept track of, and the stage that did
    if chosen.start == end:
        good = end
    named: Counter[str] = Counter()
    after: int | None = None
    index = 0
    while good != end:
        value = _next(good, step, end, smallest)
        named[chosen.name(value)] += 1
        again = named[chosen.name(value)]
        trained = yield Stage(
            name=chosen.name(value) + (f" ({again})" if again > 1 else ""),
            coefficients=chosen.at(value),
            target=settings.target,
            closures=settings.closures,
            after=after,
        )
        most = settings.lost * settings.target
        if trained.loss <= most and trained.fresh_loss <= most:
            if trained.loss <= settings.target:
                step = min(step * settings.growth, chosen.step, key=abs)
            good, kept_by, after = value, index, None
        else:
            step, after = (value - good) / 2, kept_by
            if abs(step) < smallest * (1 - 1e-12) or chosen.unfit(good + step):
                raise LostTrack(f"track is lost at {chosen.name(value)}: steps below {smallest:g} are not tried")
        index += 1
    name = f"{chosen.name(end)} to the end" if index else chosen.name(end)
    yield Stage(name=name, coefficients=target.coefficients, target=target.loss)


def _next(good: float, step: float, end: float, smallest: float) -> float:
    """One step on; the end itself where it is no further, or less than the smallest step beyond."""
    value = good + step
    return end if (end - value) / step * abs(step) < smallest * (1 - 1e-12) else value


STRATEGY = Strategy(
    title="Adaptive curriculum",
    summary="Coefficients rise as far as training keeps track: half the step from the last good weights where it fails",
    source="Krishnapriyan et al. 2021 (NeurIPS), Sec. 5.1, with the step control of continuation methods",
    settings=Settings,
    check=check,
    stages=stages,
)
