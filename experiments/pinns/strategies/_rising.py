"""Coefficients that rise from stage to stage, shared by the curricula: which, from where, and by how much.

The first of them leads; where there are several, the others keep to it in the proportion that they have at the target.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from engine.api import Problem, Spec, SpecError
from experiments.pinns.strategies import Target

MOST = 1000
"""Stages of one run: a slip in the step is refused."""


class Line(Spec, frozen=True, kw_only=True):
    coefficient: Annotated[
        str,
        Meta(
            description="Coefficient that rises, by its name; several, as nu,rho, rise in proportion, start and step "
            "being those of the first; empty: the system's main one"
        ),
    ] = ""
    start: Annotated[float | None, Meta(description="Its value in the first stage; none: what the system advises")] = (
        None
    )
    step: Annotated[float | None, Meta(description="Its rise from stage to stage; none: what the system advises")] = (
        None
    )


class Rising(NamedTuple):
    """names: the coefficients that rise, the first in the lead. start, step, end: of the first."""

    target: Target
    names: tuple[str, ...]
    start: float
    step: float
    end: float

    def at(self, value: float) -> Any:
        """The coefficients where the first of those that rise has this value; those of the target itself at its end."""
        if value == self.end:
            return self.target.coefficients
        ends = [getattr(self.target.coefficients, name) for name in self.names]
        values = [value, *(end * (value / self.end) for end in ends[1:])]
        return msgspec.structs.replace(self.target.coefficients, **dict(zip(self.names, values, strict=True)))

    def name(self, value: float) -> str:
        """As "β=30", or "ν=2 ρ=5"."""
        return " ".join(self.target.system.name_of(self.at(value), name) for name in self.names)

    def unfit(self, value: float) -> list[Problem]:
        """Coefficients that are out of bounds there, by their names."""
        try:
            self.target.system.coefficients_of(msgspec.structs.asdict(self.at(value)))
        except SpecError as error:
            return list(error.problems)
        return []


def rising(line: Line, target: Target) -> Rising:
    """Settings are as `check_names` wants them."""
    names = _names(line, target)
    end = getattr(target.coefficients, names[0])
    start, step = line.start, line.step
    if start is None and names[0] == target.system.main:
        start = target.system.start
    if step is None:
        step = math.copysign(target.system.step, end - (start or 0.0))
    if start is None:
        start = math.copysign(min(abs(step), abs(end)), end)
    return Rising(target, names, start, step, end)


def _names(line: Line, target: Target) -> tuple[str, ...]:
    return tuple(name.strip() for name in line.coefficient.split(",")) if line.coefficient else (target.system.main,)


def check_names(line: Line, target: Target) -> list[Problem]:
    fields, names = msgspec.structs.asdict(target.coefficients), _names(line, target)
    for name in names:
        if name not in fields:
            return [Problem("strategy.coefficient", f"one of {', '.join(fields)}", name or "nothing")]
    if len(set(names)) < len(names):
        return [Problem("strategy.coefficient", "each coefficient once", line.coefficient)]
    if len(names) > 1 and fields[names[0]] == 0:
        return [Problem("strategy.coefficient", "a first one that is not 0 at the target", f"{names[0]}=0")]
    return []


def check_line(line: Line, target: Target) -> list[Problem]:
    chosen = rising(line, target)
    start, step, end, name = chosen.start, chosen.step, chosen.end, chosen.names[0]
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


def check_bounds(field: str, chosen: Rising, values: tuple[float, ...]) -> list[Problem]:
    for value in values:
        if problems := chosen.unfit(value):
            return [Problem(field, f"{problem.field} {problem.required}", problem.got) for problem in problems]
    return []
