"""A trained network as a file: its parameters, what it was built from, and the numbers of its embedding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import safetensors
import safetensors.numpy

from engine.api import TaskError

NAME = "network.safetensors"
EMBEDDING = "embedding."
HINT = "give this run the network of the other, or leave init empty"


class Saved(NamedTuple):
    """parameters: the flat vector. embedding: the arrays of what the model is fed by. spec: settings of the model.
    constraints: whether the network is u ("soft") or is under an ansatz ("hard").
    """

    parameters: np.ndarray
    embedding: dict[str, np.ndarray]
    spec: Any
    axes: int
    constraints: str = "soft"


def save(path: Path, saved: Saved, settled: Sequence[tuple[float, np.ndarray]] = ()) -> None:
    """settled: of time in windows, the parameters of each window before the last, with its end."""
    arrays = {"parameters": saved.parameters}
    if settled:
        ends, parameters = zip(*settled, strict=True)
        arrays |= {"earlier_ends": np.array(ends), "earlier_parameters": np.stack(parameters)}
    arrays |= {EMBEDDING + name: array for name, array in saved.embedding.items()}
    built = {
        "settings": msgspec.json.encode(saved.spec).decode(),
        "axes": str(saved.axes),
        "constraints": saved.constraints,
    }
    safetensors.numpy.save_file(arrays, path, metadata=built)


def load(path: Path, like: Saved) -> Saved:
    """The network in a file, which is to be built as `like` is.

    Raises TaskError where the file cannot be read or holds a network of another shape, embedding or nonlinearity.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
        spec = msgspec.json.decode(metadata["settings"], type=type(like.spec))
        parameters, axes = arrays["parameters"], int(metadata["axes"])
    except (OSError, safetensors.SafetensorError, KeyError, ValueError, msgspec.MsgspecError) as error:
        raise TaskError(f"init: required a trained network, got {path.name} that cannot be read: {error}") from None
    embedding = {name.removeprefix(EMBEDDING): array for name, array in arrays.items() if name.startswith(EMBEDDING)}
    saved = Saved(parameters, embedding, spec, axes, metadata.get("constraints", "soft"))
    if found := difference(like, saved):
        name, required, got = found
        raise TaskError(f"init: required a network of {name}={required}, as this run's, got {name}={got} ({HINT})")
    return saved


def difference(required: Saved, got: Saved) -> tuple[str, Any, Any] | None:
    """The first thing in which the second is not built as the first is: its setting, and the values of both."""
    if type(required.spec) is not type(got.spec):
        return "model", type(required.spec).__name__, type(got.spec).__name__
    theirs = _shape(got)
    return next(
        ((name, value, theirs[name]) for name, value in _shape(required).items() if theirs[name] != value), None
    )


def _shape(saved: Saved) -> dict[str, Any]:
    """What two networks must have in common, by the names of the settings that decide it."""
    return {
        **{f"model.{name}": value for name, value in msgspec.structs.asdict(saved.spec).items()},
        "axes": saved.axes,
        "constraints": saved.constraints,
        "embedding": {name: array.shape for name, array in saved.embedding.items()} or "none",
        "parameters": saved.parameters.size,
    }
