"""A model's input channels and a system's coefficients, brought together by name.

A model may have been trained on another system, or on several. A channel of the system's own name gets that
coefficient; one that the coefficient `stands_for` gets it too (the diffusion of Helmholtz is a tensor of that times the
identity); any other gets 0, which for a term of the operator says that there is none. A coefficient that has no channel
gets a new one whose weights start at zero: before it is trained the model predicts what it did without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from experiments.operators.generate import Samples
from experiments.operators.normalise import scales_of
from experiments.operators.system import System
from experiments.operators.weights import Card, model_of


def fitted(samples: Samples, system: System, channels: tuple[str, ...]) -> Samples:
    """The samples with a column of coefficients for each channel but the source, (count, channels - 1); of what was
    drawn only the sparsity, which all systems have."""
    columns = np.zeros((len(samples.coefficients), len(channels) - 1))
    for name, values in zip(system.coefficients, samples.coefficients.T, strict=True):
        for channel in _heard(name, system, channels):
            columns[:, channels.index(channel) - 1] = values
    return samples._replace(coefficients=columns, drawn=samples.drawn[:, -1:])


def joined(systems: Sequence[System], samples: Sequence[Samples], channels: tuple[str, ...]) -> Samples:
    """The samples of all systems, one after another, fitted to the channels."""
    return Samples.joined([fitted(own, system, channels) for own, system in zip(samples, systems, strict=True)])


def of_mixture(systems: Sequence[System]) -> tuple[str, ...]:
    """The channels of a model of all these systems: no coefficient has one where others that it stands for do."""
    names = dict.fromkeys(name for system in systems for name in system.coefficients)
    known = set(names)
    for system in systems:
        for name, others in system.stands_for.items():
            if set(others) <= known:
                names.pop(name, None)
    return ("source", *names)


def lacking(system: System, channels: tuple[str, ...]) -> tuple[str, ...]:
    """The coefficients that none of the channels is told of."""
    return tuple(name for name in system.coefficients if not _heard(name, system, channels))


def _heard(name: str, system: System, channels: tuple[str, ...]) -> tuple[str, ...]:
    """The channels that are told of this coefficient."""
    if name in channels:
        return (name,)
    others = system.stands_for.get(name, ())
    return others if set(others) <= set(channels) else ()


def widened(
    card: Card, parameters: dict[str, np.ndarray], system: System, samples: Samples | None
) -> tuple[Card, dict[str, np.ndarray]]:
    """The model with channels for all coefficients of the system, the new ones at zero weight.

    Old channels keep their scales; those of the new ones are of `samples`, or 1 where no training is to follow.
    """
    new = lacking(system, card.channels)
    if not new:
        return card, parameters
    model, spec = model_of(card)
    channels = (*card.channels, *new)
    scales = card.scales
    medians = (1.0,) * len(new)
    if samples is not None:
        medians = scales_of(fitted(samples, system, channels), scales.normalisation).coefficients[-len(new) :]
    scales = msgspec.structs.replace(scales, coefficients=(*scales.coefficients, *medians))
    return msgspec.structs.replace(card, channels=channels, scales=scales), model.widen(spec, parameters, len(new))


def rates(card: Card, parameters: dict[str, np.ndarray], channels: int, rate: float) -> dict[str, np.ndarray]:
    """`rate` for the entries that are new where the model of this card is widened to so many channels, 1 for the others
    of the same parameters; those that stay as they were are left out."""
    model, spec = model_of(card)
    ones = {name: np.ones_like(array) for name, array in parameters.items()}
    wide = model.widen(spec, ones, channels - len(card.channels))  # new entries are the zeros
    return {
        name: np.where(array == 0, rate, 1.0).astype(array.dtype)
        for name, array in wide.items()
        if array.shape != parameters[name].shape
    }
