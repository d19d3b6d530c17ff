"""Curriculum regularisation: a coefficient rises stage by stage, each stage starting from the weights of the last."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from msgspec import Meta

from engine.api import Problem, Spec, SpecError
from experiments.pinns.strategies import Stage, Stages, Strategy, Target, check_closures

MOST = 1000
"""Stages of one run: a slip in the step is refused."""


class Settings(Spec, frozen=True, kw_only=True):
    coefficient: Annotated[
        str, Meta(description="Coefficient that rises, by its name; empty: the system's main one")
    ] = ""
    start: Annotated[float | None, Meta(description="Its value in the first stage; none: one step away from 0")] = None
    step: Annotated[float | None, Meta(description="Its rise from stage to stage; none: what the system advises")] = (
        None
    )
    values: Annotated[
        list[float], Meta(description="Its value in every stage, in place of start and step; ends at the target")
    ] = []
    target: Annotated[float, Meta(ge=0, description="A stage before the last ends once the loss is at most this")] = (
        1e-4
    )
    closures: Annotated[int, Meta(ge=1, description="Evaluations that each stage before the last may take")] = 500


def chosen(settings: Settings, target: Target) -> str:
    return settings.coefficient or target.system.main


def values(settings: Settings, target: Target) -> tuple[float, ...]:
    """The coefficient in every stage; settings are as `check` wants them."""
    if settings.values:
        return tuple(settings.values)
    start, step, end = _line(settings, target)
    count = math.ceil((end - start) / step * (1 - 1e-12))
    return (*(start + i * step for i in range(count)), end)


def _line(settings: Settings, target: Target) -> tuple[float, float, float]:
    end = getattr(target.coefficients, chosen(settings, target))
    step = settings.step
    if step is None:
        step = math.copysign(target.system.step, end - (settings.start or 0.0))
    if settings.start is not None:
        return settings.start, step, end
    return math.copysign(min(abs(step), abs(end)), end), step, end


def check(settings: Settings, target: Target) -> list[Problem]:
    name = chosen(settings, target)
    fields = msgspec.structs.asdict(target.coefficients)
    if name not in fields:
        return [Problem("strategy.coefficient", f"one of {', '.join(fields)}", name)]
    found = _check_values(settings.values, name, fields[name]) if settings.values else _check_line(settings, target)
    if found or (found := _check_bounds(settings, target)):
        return found
    return check_closures((len(values(settings, target)) - 1) * settings.closures, target)


def _check_values(given: list[float], name: str, end: float) -> list[Problem]:
    required = ""
    if given[-1] != end:
        required = f"values that end at the target, {name}={end:g}"
    elif len(set(given)) < len(given) or given not in (sorted(given), sorted(given, reverse=True)):
        required = "values that rise, or fall, from stage to stage"
    return [Problem("strategy.values", required, ",".join(f"{value:g}" for value in given))] if required else []


def _check_line(settings: Settings, target: Target) -> list[Problem]:
    start, step, end = _line(settings, target)
    name = chosen(settings, target)
    if start == end:
        return []
    if step == 0 or (end - start) / step < 0:
        side = "above" if end > start else "below"
        return [
            Problem("strategy.step", f"a number {side} 0, from {start:g} to the target {name}={end:g}", f"{step:g}")
        ]
    if (end - start) / step > MOST:
        least = abs(end - start) / MOST
        return [Problem("strategy.step", f"at least {least:g}, for at most {MOST} stages", f"{step:g}")]
    return []


def _check_bounds(settings: Settings, target: Target) -> list[Problem]:
    name = chosen(settings, target)
    field = "strategy.values" if settings.values else "strategy.start"
    for value in values(settings, target):
        try:
            target.system.coefficients_of({**msgspec.structs.asdict(target.coefficients), name: value})
        except SpecError as error:
            return [Problem(field, f"{name} {problem.required}", problem.got) for problem in error.problems]
    return []


def stages(settings: Settings, target: Target) -> Stages:
    name = chosen(settings, target)
    *before, last = values(settings, target)
    for value in before:
        coefficients = msgspec.structs.replace(target.coefficients, **{name: value})
        yield Stage(
            name=target.system.name_of(coefficients, name),
            coefficients=coefficients,
            target=settings.target,
            closures=settings.closures,
        )
    coefficients = msgspec.structs.replace(target.coefficients, **{name: last})
    yield Stage(name=target.system.name_of(coefficients, name), coefficients=coefficients, target=target.loss)


STRATEGY = Strategy(
    title="Curriculum",
    summary="The coefficient rises in stages, each starting from the weights (and the curvature) of the one before",
    source="Krishnapriyan et al. 2021 (NeurIPS), Sec. 5.1",
    settings=Settings,
    check=check,
    stages=stages,
)
