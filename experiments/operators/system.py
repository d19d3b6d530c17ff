"""What a system of the operator half is: a family of linear PDEs with constant coefficients on the periodic unit
square, (operator) u = f. One file each in `systems/`; its constant is SYSTEM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api import Broken, Problem, SpecError, discover

if TYPE_CHECKING:
    import numpy as np
    import torch

    from experiments.operators.spectral import Modes

PACKAGE = "experiments.operators.systems"


class System(msgspec.Struct, frozen=True, kw_only=True):
    """A system as data and functions. All quantities are dimensionless but for the units named.

    equation: as a person reads it. label: a format string over a run's parameters.
    conditions: what else holds of every sample and is to be stated in the data.
    zero_mean: whether the mean of a source is taken off, as an equation without a term in u itself requires.
    range: JSON Schema of the parameter `range`, whose two ends bound what is varied.
    stands_for: coefficients that are also, each, all of these channels of a model trained on other systems.
    cases: {name: (low, high, what it is for)}, published ranges by name.
    drawn: {name: meaning} of the random parameters of a sample. coefficients: {name: meaning} of what the operator
    consists of, in the order of a model's input channels. units: of those of both that are not dimensionless.

    draw(rng, count, low, high): the random parameters of `count` samples by name, each (count,).
    coefficients_of(drawn, spectrum, modes): the operators of these samples, (count, coefficients), float64; a system
        may need the spectrum of the sources, (count, kx, ky), to meet its range.
    symbol(coefficients, modes): what the operator multiplies each mode with, (count, kx, ky), real or complex;
        coefficients are (count, coefficients, 1, 1). Where it is zero, f and u have no such mode.
    accepted(solution): which samples are kept, (count,), others being drawn again; None: all.
    bounds(low, high): between what each of `drawn` is, for a range; None: not known.
    unfit(low, high): what is wrong with a range that its schema cannot say; None: nothing.
    """

    title: str
    summary: str
    equation: str
    source: str = ""
    label: str
    conditions: str = ""
    zero_mean: bool = True
    range: Mapping[str, Any]
    cases: Mapping[str, tuple[float, float, str]] = {}
    drawn: Mapping[str, str]
    coefficients: Mapping[str, str]
    units: Mapping[str, str] = {}
    stands_for: Mapping[str, tuple[str, ...]] = {}
    draw: Callable[[np.random.Generator, int, float, float], dict[str, np.ndarray]]
    coefficients_of: Callable[[Mapping[str, np.ndarray], torch.Tensor, Modes], np.ndarray]
    symbol: Callable[[torch.Tensor, Modes], torch.Tensor]
    accepted: Callable[[torch.Tensor], torch.Tensor] | None = None
    bounds: Callable[[float, float], dict[str, tuple[float, float]]] | None = None
    unfit: Callable[[float, float], list[Problem]] | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of a model's input channels: the source, then the coefficients."""
        return ("source", *self.coefficients)


def between(low: float, high: float, description: str, symbol: str, **each: Any) -> dict[str, Any]:
    """A System's `range` of numbers above 0, by default from low to high; each: what else its schema asks of an end."""
    return {
        "type": "array",
        "items": {"type": "number", "exclusiveMinimum": 0, **each},
        "minItems": 2,
        "maxItems": 2,
        "default": [low, high],
        "description": description,
        "x-range": True,
        "x-symbol": symbol,
    }


def systems() -> tuple[dict[str, System], list[Broken]]:
    return discover(PACKAGE, "SYSTEM")


def find(key: str) -> System:
    """Raises SpecError where there is no such system."""
    found, broken = systems()
    if key not in found:
        fault = next((f"its file is broken: {file.error}" for file in broken if file.key == key), "")
        raise SpecError([Problem("system", "one of " + ", ".join(found), key, fault)])
    return found[key]
