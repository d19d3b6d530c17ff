"""Sequence-to-sequence: time in windows, each starting from what was predicted at the end of the last.

An error at the end of a window is in all that follow, so windows before the last are to be trained well: of
reaction-diffusion at ν = ρ = 5, with SSBFGS and 1000 points, three seeds end at 2e-2 to 3e-2 if each window may take
300 evaluations, and at 2e-4 to 4e-4 if each may take 1500.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from msgspec import Meta

from engine.api import Problem, Spec
from experiments.pinns.strategies import Stage, Stages, Strategy, Target, check_closures

MOST = 1000
"""Windows of one run: a slip in their length is refused."""


class Settings(Spec, frozen=True, kw_only=True):
    window: Annotated[
        float,
        Meta(
            gt=0,
            description="Length of a window, of which a whole number makes the time; collocation points are shared out",
            extra_json_schema={"x-symbol": "Δt", "x-unit": "time"},
        ),
    ] = 0.1
    target: Annotated[float, Meta(ge=0, description="A window before the last ends once the loss is at most this")] = (
        1e-8
    )
    closures: Annotated[int, Meta(ge=1, description="Evaluations that each window before the last may take")] = 500


def count(settings: Settings, target: Target) -> float:
    """Of windows; whole, up to rounding, where settings are as `check` wants them."""
    start, end = target.system.axes["t"]
    return (end - start) / settings.window


def check(settings: Settings, target: Target) -> list[Problem]:
    start, end = target.system.axes["t"]
    windows = count(settings, target)
    if windows > MOST:
        least = f"at least {(end - start) / MOST:g}, for at most {MOST} windows"
        return [Problem("strategy.window", least, f"{settings.window:g}")]
    whole = max(1, round(windows))
    if abs(windows - whole) > 1e-9 * whole:
        required = f"a length that divides the time, {end - start:g}, into whole windows"
        return [Problem("strategy.window", required, f"{settings.window:g}", f"such as {(end - start) / whole:.12g}")]
    return check_closures((whole - 1) * settings.closures, target)


def stages(settings: Settings, target: Target) -> Stages:
    start, end = target.system.axes["t"]
    windows = round(count(settings, target))
    edges = [start + (end - start) * i / windows for i in range(windows + 1)]
    for i, window in enumerate(pairwise(edges)):
        last = i == windows - 1
        yield Stage(
            name=f"t={window[0]:g}..{window[1]:g}",
            coefficients=target.coefficients,
            target=target.loss if last else settings.target,
            closures=None if last else settings.closures,
            window=window,
        )


STRATEGY = Strategy(
    title="Sequence to sequence",
    summary="Time in windows, one after another: each starts from the prediction at the end of the one before",
    source="Krishnapriyan et al. 2021 (NeurIPS), Sec. 5.2, Tab. 2, E.1 and E.2",
    settings=Settings,
    check=check,
    stages=stages,
)
