"""The task `operator`: learns the solution operator of a system, from random weights or from those of another run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api import (
    Estimate,
    Params,
    Problem,
    Reference,
    Reporter,
    SpecError,
    TaskDescription,
    describe_struct,
    lazy_import,
    settings,
)
from experiments.operators import metrics, mixture, models
from experiments.operators import recipe as recipes
from experiments.operators.mixture import Mixture, Part
from experiments.operators.system import find, systems
from experiments.operators.training import Fresh, Training, Tuning

if TYPE_CHECKING:
    from experiments.operators import work
else:
    work = lazy_import("experiments.operators.work")

FRESH, FROM_INIT = ("pretrain", "scratch"), ("finetune", "zeroshot")
OPERATIONS_PER_SECOND = 3e10
"""Of one CPU core, as measured on training steps."""


def _mode() -> dict[str, Any]:
    """The parameter `mode`, with the parameters that each mode brings."""
    init = {
        "init": {
            "type": "string",
            "minLength": 1,
            "description": "Run whose weights to begin with",
            "x-ref": "run",
        }
    }
    none = {"samples": {"type": "integer", "enum": [0], "default": 0, "description": "Examples seen: none"}}
    training = describe_struct(Training)
    fresh = {**training, **describe_struct(Fresh), **models.properties()}
    choices = {
        "pretrain": ("Train from random weights and publish the model", {**fresh, **describe_struct(Mixture)}),
        "scratch": ("Train from random weights, to compare with", fresh),
        "finetune": ("Train another run's model on new data", {**init, **training, **describe_struct(Tuning)}),
        "zeroshot": ("Another run's model on new data, as it is", {**init, **none}),
    }
    described = {
        key: {"title": key, "summary": text, "properties": brought} for key, (text, brought) in choices.items()
    }
    return {
        "type": "string",
        "description": "Where the weights come from",
        "default": "scratch",
        "x-choices": described,
    }


class OperatorTask:
    def describe(self) -> TaskDescription:
        common = recipes.properties()
        dataset = {
            "type": "string",
            "default": "",
            "description": "Dataset to read the samples from; empty: the same samples are made on the spot",
            "x-ref": "dataset",
        }
        properties = {"system": common.pop("system"), "mode": _mode(), "data": dataset, **common}
        return TaskDescription(
            key="operator",
            title="Neural operator",
            summary="Learns the map from a PDE's source and coefficients to its solution.",
            schema={"type": "object", "properties": properties, "x-presets": recipes.presets()},
            label="{system} {mode} N={samples}",
            metrics={
                **metrics.MEANINGS,
                **{f"rel_l2_{key}": f"of a mixture: rel_l2 on {s.title}" for key, s in systems()[0].items()},
                "validation_rel_l2": "relative L2 error, mean over the validation samples",
                "loss": "what is minimised, on the examples of a step",
                "lr": "learning rate",
                "chosen_lr": "of a sweep: the largest learning rate of the training that is kept",
                "seconds": "time spent so far",
            },
        )

    def check(self, params: Params, /) -> list[Problem]:
        mode, recipe = params["mode"], recipes.recipe_of(params)
        problems = recipes.problems_of(recipe)
        if mode != "zeroshot":
            problems += settings(Training, params).unfit()
        try:
            mixture.parts_of(params)
        except SpecError as error:
            problems += error.problems
        if mode in FROM_INIT:
            if not params.get("init"):
                missing = Problem("init", "a run whose weights to begin with", "nothing", f"mode={mode} needs one")
                problems.append(missing)
            return problems
        try:
            key, spec = models.chosen(params)
        except SpecError as error:
            return [*problems, *error.problems]
        own = params["model"] == key  # of a published size, it is the choice that does not fit
        for p in models.find(key).unfit(spec, recipe.grid):
            problems.append(Problem(f"model.{p.field}" if own else "model", p.required, p.got, p.hint))
        return problems

    def check_references(self, params: Params, found: Mapping[str, Sequence[Reference]], /) -> list[Problem]:
        own = mixture.parts_of(params)[0]
        problems = []
        for there in found.get("data", ()):
            problems += _unfit_data(there, own)
        for there in found.get("init", ()):
            problems += _unfit_start(there, own)
        return problems

    def estimate(self, params: Params, /) -> Estimate:
        if params["mode"] not in FRESH:
            return Estimate()
        key, spec = models.chosen(params)
        training, grid = settings(Training, params), recipes.recipe_of(params).grid
        model, width = models.find(key), 4 if recipes.recipe_of(params).dtype == "float32" else 8
        operations = model.work(spec, grid) * training.examples * training.length * len(training.rates)
        numbers = (
            4 * recipes.sizes_of(params).total * grid**2
            + model.kept(spec, grid) * training.examples
            + 5 * model.size(spec, len(find(str(params["system"])).channels))
        )
        return Estimate(seconds=4 + operations / OPERATIONS_PER_SECOND, memory_gb=0.6 + 1e-9 * width * numbers)

    def run(self, params: Params, reporter: Reporter, /) -> None:
        work.run(params, reporter)


def _unfit_data(there: Reference, own: Part) -> list[Problem]:
    """What keeps the run's own samples from being read from a dataset that is there or is yet to be made."""
    if there.facts:
        try:
            recipe, sizes = recipes.published(there.facts)
        except (KeyError, msgspec.ValidationError):
            hint = "data import takes a file that the task dataset made"
            return [Problem("data", "a dataset of operators", f"{there.name}, which is of another kind", hint)]
    elif there.task == "dataset":
        recipe, sizes = recipes.recipe_of(there.params), recipes.sizes_of(there.params)
    else:
        return [Problem("data", "a run of the task dataset", f"{there.name}, of the task {there.task}")]
    return [
        *recipes.mismatches(there.name, recipe, own.recipe),
        *recipes.shortages(there.name, sizes, own.sizes),
    ]


def _unfit_start(there: Reference, own: Part) -> list[Problem]:
    """What keeps a run from beginning with the weights of another, as far as that is known before they are read."""
    if there.task != "operator":
        return [Problem("init", "an operator run", f"{there.name}, of the task {there.task}")]
    if there.params["mode"] not in FRESH:  # the size of the model is said by the first in the chain
        return []
    try:
        key, spec = models.chosen(there.params)
    except SpecError as error:
        return list(error.problems)
    model, grid = models.find(key), own.recipe.grid
    unfit = model.unfit(spec, grid)
    return [
        *(Problem("init", f"a model of {p.required}", f"{there.name} with {p.got} {p.field}", p.hint) for p in unfit),
        *models.misplaced(model, recipes.recipe_of(there.params).grid, grid),
    ]


TASK = OperatorTask()
