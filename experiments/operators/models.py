"""The models that learn operators, as choices of a parameter; `experiments.models` holds them beside those of PINNs."""

from __future__ import annotations

from typing import Any

from engine.api import Broken, Params, Problem, SpecError, describe_struct, discover, settings
from experiments.models._fields import FieldModel
from experiments.operators.system import systems


def models() -> tuple[dict[str, FieldModel], list[Broken]]:
    found, broken = discover("experiments.models", "MODEL")
    return {key: model for key, model in found.items() if isinstance(model, FieldModel)}, broken


def find(key: str) -> FieldModel:
    """Raises SpecError where there is no such model."""
    found, broken = models()
    if key not in found:
        fault = next((f"its file is broken: {file.error}" for file in broken if file.key == key), "")
        raise SpecError([Problem("model", "one of " + ", ".join(found), key, fault)])
    return found[key]


def properties() -> dict[str, dict[str, Any]]:
    """`model`: each by its key with its settings, and each published size as `fno-64K`, with nothing to set."""
    choices: dict[str, Any] = {}
    for key, model in models()[0].items():
        about = {"title": model.title, "summary": model.summary, "source": model.source}
        choices[key] = {**about, "properties": describe_struct(model.settings, "model.")}
        for size, spec in model.sizes.items():
            choices[f"{key}-{size}"] = {**about, "title": f"{model.title}, {size}", "facts": _facts(model, spec)}
    return {"model": {"type": "string", "description": "Network", "default": "fno", "x-choices": choices}}


def _facts(model: FieldModel, spec: Any) -> dict[str, Any]:
    poisson = systems()[0]["poisson"]
    return {**_fields(spec), "parameters": model.size(spec, len(poisson.channels))}


def _fields(spec: Any) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in spec.__struct_fields__}


def misplaced(model: FieldModel, trained: int, grid: int) -> list[Problem]:
    """What keeps weights that were trained on one grid from being taken up on another."""
    if model.any_grid or trained == grid:
        return []
    hint = f"what a {model.title} learns holds on its own grid alone"
    return [Problem("grid", f"{trained}, on which the weights were trained", str(grid), hint)]


def chosen(params: Params) -> tuple[str, Any]:
    """The key of the model and its spec. Raises SpecError."""
    name = str(params["model"])
    key, _, size = name.partition("-")
    model = find(key)
    if not size:
        return key, settings(model.settings, params, "model.")
    if size not in model.sizes:
        raise SpecError([Problem("model", "one of " + ", ".join(properties()["model"]["x-choices"]), name)])
    return key, model.sizes[size]
