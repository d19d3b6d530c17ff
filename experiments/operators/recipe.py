"""What decides a set of samples, and the parameters of a run that say it: the same for making, for training on a
dataset and for training on samples made on the spot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from engine.api import Params, Problem, Spec, describe_struct, settings
from experiments.operators.system import System, find, systems

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Recipe(Spec, frozen=True, kw_only=True):
    """Samples are a function of this, the split and their index, and of nothing else."""

    system: str
    range: tuple[float, float]
    grid: int
    dtype: Literal["float32", "float64"]
    seed: int

    @property
    def name(self) -> str:
        """`poisson-1-5-32x32`; what is not the default is added."""
        low, high = self.range
        name = f"{self.system}-{low:g}-{high:g}-{self.grid}x{self.grid}"
        if self.dtype != "float32":
            name += f"-{self.dtype}"
        return f"{name}-seed{self.seed}" if self.seed else name

    def size(self, count: int) -> int:
        """Bytes of the fields of so many samples."""
        return count * 2 * self.grid**2 * (4 if self.dtype == "float32" else 8)


class Sizes(Spec, frozen=True, kw_only=True):
    """How many samples of each split."""

    train: int
    validation: int
    test: int

    def of(self, split: Split) -> int:
        count: int = getattr(self, split)
        return count

    @property
    def total(self) -> int:
        return self.train + self.validation + self.test


class _Common(Spec, frozen=True, kw_only=True):
    grid: Annotated[int, Meta(ge=8, le=4096, description="Points along each side")] = 128
    dtype: Annotated[Literal["float32", "float64"], Meta(description="Precision of the data and of what uses it")] = (
        "float32"
    )
    validation: Annotated[int, Meta(ge=1, description="Samples that choose the best weights")] = 256
    test: Annotated[int, Meta(ge=1, description="Held-out samples that the error is measured on")] = 256


class _Data(Spec, frozen=True, kw_only=True):
    seed: Annotated[
        int, Meta(ge=0, description="Another seed, other samples; the run's own seed does not touch them")
    ] = 0


def properties() -> dict[str, dict[str, Any]]:
    """Those of the parameters that make a recipe and the sizes, but for `samples`."""
    choices = {key: _choice(system) for key, system in systems()[0].items()}
    system = {"type": "string", "description": "Family of PDEs", "default": "poisson", "x-choices": choices}
    return {"system": system, **describe_struct(_Common), **describe_struct(_Data, "data.")}


def presets() -> dict[str, dict[str, Any]]:
    """`case`: published ranges by name, each with the parameters that it stands for."""
    return {
        "case": {
            name: {"summary": summary, "params": {"system": key, "range": _written(low, high)}}
            for key, system in systems()[0].items()
            for name, (low, high, summary) in system.cases.items()
        }
    }


def _written(low: float, high: float) -> str:
    return f"{low:g}:{high:g}"


def _choice(system: System) -> dict[str, Any]:
    named = {_written(low, high): f"{name}, {what}" for name, (low, high, what) in system.cases.items()}
    return {
        "title": system.title,
        "summary": system.summary,
        "equation": system.equation,
        "source": system.source,
        "label": system.label,
        "facts": {"coefficients": dict(system.coefficients)},
        "properties": {"range": {**system.range, "x-named": named}},
    }


def problems_of(recipe: Recipe) -> list[Problem]:
    """What is wrong with the range and cannot be said by a schema."""
    unfit = find(recipe.system).unfit
    return unfit(*recipe.range) if unfit else []


def recipe_of(params: Params) -> Recipe:
    common = settings(_Common, params)
    return Recipe(
        system=params["system"],  # type: ignore[arg-type]
        range=tuple(map(float, params["range"])),  # type: ignore[arg-type]
        grid=common.grid,
        dtype=common.dtype,
        seed=settings(_Data, params, "data.").seed,
    )


def facts(recipe: Recipe, sizes: Sizes) -> dict[str, Any]:
    """What a list shows of a dataset of these samples."""
    own = {**msgspec.structs.asdict(recipe), "range": list(recipe.range)}
    return own | {COUNTS[split]: sizes.of(split) for split in SPLITS}


def published(facts: Mapping[str, Any]) -> tuple[Recipe, Sizes]:
    """Turns `facts` back. Raises KeyError or ValidationError where they are not of a dataset of operators."""
    recipe = msgspec.convert({field: facts[field] for field in FIELDS}, Recipe)
    return recipe, msgspec.convert({split: facts[COUNTS[split]] for split in SPLITS}, Sizes)


FIELDS = {"system": "system", "range": "range", "grid": "grid", "dtype": "dtype", "seed": "data.seed"}
"""The parameter that says each field of a recipe."""
COUNTS: dict[Split, str] = {"train": "samples", "validation": "validation", "test": "test"}
"""The parameter that says how many there are of each split."""


def mismatches(dataset: str, there: Recipe, recipe: Recipe) -> list[Problem]:
    """What keeps samples of this recipe from being read from a dataset: its record would say what is not so."""
    return [
        Problem(parameter, f"{_text(there, field)}, as the dataset {dataset} has", _text(recipe, field))
        for field, parameter in FIELDS.items()
        if getattr(there, field) != getattr(recipe, field)
    ]


def shortages(dataset: str, there: Sizes, sizes: Sizes) -> list[Problem]:
    """What a dataset has too few samples for."""
    return [
        Problem(parameter, f"at most the {there.of(split)} that the dataset {dataset} has", str(sizes.of(split)))
        for split, parameter in COUNTS.items()
        if sizes.of(split) > there.of(split)
    ]


def _text(recipe: Recipe, field: str) -> str:
    value = getattr(recipe, field)
    return _written(*value) if field == "range" else str(value)


def sizes_of(params: Params) -> Sizes:
    common = settings(_Common, params)
    return Sizes(train=params["samples"], validation=common.validation, test=common.test)  # type: ignore[arg-type]
