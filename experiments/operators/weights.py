"""A trained operator as a file: safetensors, with all that is needed to use it again in its metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import safetensors
import safetensors.numpy

from engine.api import Spec, SpecError, TaskError
from experiments.models._fields import FieldModel
from experiments.operators.models import find
from experiments.operators.normalise import Scales

FORMAT, VERSION = "sciml-tui operator weights", "1"


class Card(Spec, frozen=True, kw_only=True):
    """What a model is and what it was trained on. channels: names of the inputs, the source first.

    trained: the recipe and the number of the samples of each training, the first being the pretraining.
    """

    model: str
    spec: dict[str, Any]
    channels: tuple[str, ...]
    scales: Scales
    trained: tuple[dict[str, Any], ...] = ()


def save(path: Path, card: Card, parameters: dict[str, np.ndarray]) -> None:
    metadata = {"format": FORMAT, "version": VERSION, "card": msgspec.json.encode(card).decode()}
    safetensors.numpy.save_file(parameters, path, metadata)


def load(path: Path) -> tuple[Card, dict[str, np.ndarray]]:
    """Raises TaskError where the file is truncated or foreign, or its parameters are not those of its model."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            parameters = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
    except (OSError, safetensors.SafetensorError) as error:
        raise TaskError(f"{path}: required a safetensors file, got one that cannot be read: {error}") from None
    if (metadata.get("format"), metadata.get("version")) != (FORMAT, VERSION):
        raise TaskError(f"{path}: required {FORMAT!r} of version {VERSION}, got a foreign safetensors file")
    try:
        card = msgspec.json.decode(metadata["card"], type=Card)
        model, spec = model_of(card)
        required = model.shapes(spec, len(card.channels))
    except (KeyError, msgspec.MsgspecError, SpecError) as error:
        raise TaskError(f"{path}: required a card that this version can read, got: {error}") from None
    for name in required.keys() | parameters.keys():
        got = parameters[name].shape if name in parameters else "none"
        if got != required.get(name):
            raise TaskError(
                f"{path}: {name}: required the shape {required.get(name, 'none')} of {card.model}, got {got}"
            )
    return card, parameters


def model_of(card: Card) -> tuple[FieldModel, Any]:
    """The model and its spec. Raises SpecError or msgspec.ValidationError where they are not known here."""
    model = find(card.model)
    return model, msgspec.convert(card.spec, model.settings)
