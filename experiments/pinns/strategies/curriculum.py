"""Curriculum regularisation: a coefficient rises stage by stage, each stage starting from the weights of the last."""

from __future__ import annotations

import math
from typing import Annotated

from msgspec import Meta

from engine.api import Problem
from experiments.pinns.strategies import Stage, Stages, Strategy, Target, check_closures
from experiments.pinns.strategies._rising import Line, check_bounds, check_line, check_names, rising


class Settings(Line, frozen=True, kw_only=True):
    values: Annotated[
        list[float], Meta(description="Its value in every stage, in place of start and step; ends at the target")
    ] = []
    target: Annotated[float, Meta(ge=0, description="A stage before the last ends once the loss is at most this")] = (
        1e-4
    )
    closures: Annotated[int, Meta(ge=1, description="Evaluations that each stage before the last may take")] = 500


def values(settings: Settings, target: Target) -> tuple[float, ...]:
    """The (first) coefficient in every stage; settings are as `check` wants them."""
    if settings.values:
        return tuple(settings.values)
    _, _, start, step, end = rising(settings, target)
    count = math.ceil((end - start) / step * (1 - 1e-12))
    return (*(start + i * step for i in range(count)), end)


def check(settings: Settings, target: Target) -> list[Problem]:
    if found := check_names(settings, target):
        return found
    chosen = rising(settings, target)
    if settings.values:
        found = _check_values(settings.values, chosen.names[0], chosen.end)
    else:
        found = check_line(settings, target)
    field = "strategy.values" if settings.values else "strategy.start"
    if found or (found := check_bounds(field, chosen, values(settings, target))):
        return found
    return check_closures((len(values(settings, target)) - 1) * settings.closures, target)


def _check_values(given: list[float], name: str, end: float) -> list[Problem]:
    required = ""
    if given[-1] != end:
        required = f"values that end at the target, {name}={end:g}"
    elif len(set(given)) < len(given) or given not in (sorted(given), sorted(given, reverse=True)):
        required = "values that rise, or fall, from stage to stage"
    return [Problem("strategy.values", required, ",".join(f"{value:g}" for value in given))] if required else []


def stages(settings: Settings, target: Target) -> Stages:
    chosen = rising(settings, target)
    *before, last = values(settings, target)
    for value in before:
        yield Stage(
            name=chosen.name(value),
            coefficients=chosen.at(value),
            target=settings.target,
            closures=settings.closures,
        )
    yield Stage(name=chosen.name(last), coefficients=chosen.at(last), target=target.loss)


STRATEGY = Strategy(
    title="Curriculum",
    summary="Coefficients rise in stages, each starting from the weights (and the curvature) of the one before",
    source="Krishnapriyan et al. 2021 (NeurIPS), Sec. 5.1",
    settings=Settings,
    check=check,
    stages=stages,
)
