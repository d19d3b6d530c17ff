"""The task `operator`: learns the solution operator of a system, from random weights or from those of another run."""

from __future__ import annotations

import functools
import shutil
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api import (
    Estimate,
    Params,
    Problem,
    Reporter,
    SpecError,
    TaskDescription,
    TaskError,
    describe_struct,
    lazy_import,
    settings,
)
from experiments.operators import metrics, mixture, models
from experiments.operators import recipe as recipes
from experiments.operators.freezing import frozen
from experiments.operators.mixture import Mixture, Part
from experiments.operators.recipe import SPLITS, Recipe, Sizes, Split
from experiments.operators.system import System, find, systems
from experiments.operators.training import Fresh, Training, Tuning

if TYPE_CHECKING:
    import numpy as np
    import torch

    from experiments.operators import channels, data, evaluation, generate, normalise, train, weights
else:
    np = lazy_import("numpy")
    torch = lazy_import("torch")
    channels = lazy_import("experiments.operators.channels")
    data = lazy_import("experiments.operators.data")
    evaluation = lazy_import("experiments.operators.evaluation")
    generate = lazy_import("experiments.operators.generate")
    normalise = lazy_import("experiments.operators.normalise")
    train = lazy_import("experiments.operators.train")
    weights = lazy_import("experiments.operators.weights")

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
            schema={"type": "object", "properties": properties},
            label="{system} {mode} N={samples}",
            metrics={
                **metrics.MEANINGS,
                **{f"rel_l2_{key}": f"of a mixture: rel_l2 on {s.title}" for key, s in systems()[0].items()},
                "validation_rel_l2": "relative L2 error, mean over the validation samples",
                "loss": "what is minimised, on the examples of a step",
                "lr": "learning rate",
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

    def estimate(self, params: Params, /) -> Estimate:
        if params["mode"] not in FRESH:
            return Estimate()
        key, spec = models.chosen(params)
        training, grid = settings(Training, params), recipes.recipe_of(params).grid
        model, width = models.find(key), 4 if recipes.recipe_of(params).dtype == "float32" else 8
        operations = model.work(spec, grid) * training.examples * training.length
        numbers = (
            4 * recipes.sizes_of(params).total * grid**2
            + model.kept(spec, grid) * training.examples
            + 5 * model.size(spec, len(find(str(params["system"])).channels))
        )
        return Estimate(seconds=4 + operations / OPERATIONS_PER_SECOND, memory_gb=0.6 + 1e-9 * width * numbers)

    def run(self, params: Params, reporter: Reporter, /) -> None:
        torch.set_num_threads(reporter.cpus)
        parts = mixture.parts_of(params)
        recipe, mixed = parts[0].recipe, [find(part.recipe.system) for part in parts]
        start = _loaded(str(params["init"]), recipe, reporter) if params["mode"] in FROM_INIT else None
        sets = [_samples("" if i else str(params["data"]), *part, reporter) for i, part in enumerate(parts)]
        if start:
            card, parameters = channels.widened(*start, mixed[0], sets[0].get("train"))
        else:
            card, parameters = _fresh(params, mixed, [found["train"] for found in sets], reporter.seed)
        tests = [found.pop("test") for found in sets]
        inputs = {
            split: _inputs(channels.joined(mixed, [found[split] for found in sets], card.channels), card, reporter)
            for split in sets[0]
        }
        model, spec = weights.model_of(card)
        del sets
        forward = functools.partial(model.forward, spec)
        tensors = train.on_device(parameters, getattr(torch, recipe.dtype), reporter.device)
        reporter.summary(parameters=sum(tensor.numel() for tensor in tensors.values()), samples=int(params["samples"]))  # type: ignore[arg-type]
        if params["mode"] == "zeroshot":
            reporter.summary(steps=0, stop_reason="evaluated")
            _evaluate(forward, tensors, card, parts, tests, 0, reporter)
            return
        training, held = settings(Training, params), frozen(settings(Tuning, params).freeze, tensors)
        if start and (shut := sorted(name for name in held if start[1][name].shape != parameters[name].shape)):
            raise TaskError(f"freeze: required {', '.join(shut)} to be trained, where new inputs start at zero weight")
        trainer = train.Trainer(
            forward,
            tensors,
            training,
            inputs["train"],
            inputs["validation"],
            reporter.seed,
            held,
        )
        if state := reporter.resume():
            trainer.restore(state)
        finished = trainer.run(reporter)
        reporter.summary(
            loss=trainer.loss,
            steps=trainer.step,
            seconds=trainer.seconds,
            validation_rel_l2=trainer.best_error,
            best_step=trainer.best_step,
            stop_reason="all steps done" if finished else "stopped",
        )
        if finished:
            _evaluate(forward, trainer.best, card, parts, tests, trainer.step, reporter)
            _keep(card, trainer, parts, params, reporter)


def _loaded(run: str, recipe: Recipe, reporter: Reporter) -> tuple[weights.Card, dict[str, np.ndarray]]:
    """The weights that another run left. Raises TaskError where they do not fit this run's grid."""
    left = reporter.input(run)
    if "weights" not in left:
        names = ", ".join(left) or "nothing"
        raise TaskError(f"init: required an operator run that left weights, got {run}, which left {names}")
    card, parameters = weights.load(left["weights"].path)
    if new := channels.lacking(find(recipe.system), card.channels):
        words = ", ".join(new)
        reporter.warn(f"the model of {run} has no input for {words} of {recipe.system}: new ones start at zero weight")
    model, spec = weights.model_of(card)
    for problem in model.unfit(spec, recipe.grid):
        raise TaskError(f"init: the model of {run}: {problem}")
    return card, parameters


def _fresh(
    params: Params, mixed: list[System], samples: list[generate.Samples], seed: int
) -> tuple[weights.Card, dict[str, np.ndarray]]:
    key, spec = models.chosen(params)
    names = channels.of_mixture(mixed)
    parameters = models.find(key).initialise(spec, len(names), np.random.default_rng([seed, 0]))
    scales = normalise.scales_of(channels.joined(mixed, samples, names), settings(Fresh, params).normalisation)
    return weights.Card(model=key, spec=msgspec.to_builtins(spec), channels=names, scales=scales), parameters


def _samples(dataset: str, recipe: Recipe, sizes: Sizes, reporter: Reporter) -> dict[Split, generate.Samples]:
    """The samples of each split that this run needs, from a dataset or made here: the same ones."""
    wanted = [(split, sizes.of(split)) for split in SPLITS if sizes.train or split == "test"]
    if not dataset:
        return {split: generate.make(recipe, split, count, reporter.device) for split, count in wanted}
    path = reporter.dataset(dataset).path
    _require_same(dataset, recipe, data.header(path).recipe)
    return {split: data.read(path, split, count) for split, count in wanted}


def _require_same(dataset: str, recipe: Recipe, found: Recipe) -> None:
    """The run's record must say what it was trained on, so its parameters are to agree with the dataset."""
    keys = {"system": "system", "range": "range", "grid": "grid", "dtype": "dtype", "seed": "data.seed"}
    wrong = [
        f"{key}: required {getattr(found, field)}, got {getattr(recipe, field)}"
        for field, key in keys.items()
        if getattr(found, field) != getattr(recipe, field)
    ]
    if wrong:
        raise TaskError(f"data: the dataset {dataset} is another than these parameters say; {'; '.join(wrong)}")


def _inputs(samples: generate.Samples, card: weights.Card, reporter: Reporter) -> normalise.Inputs:
    inputs = normalise.inputs_of(samples, card.scales)
    return normalise.Inputs(*(tensor.to(reporter.device) for tensor in inputs))


def _evaluate(
    forward: train.Forward,
    parameters: train.Parameters,
    card: weights.Card,
    parts: list[Part],
    tests: list[generate.Samples],
    step: int,
    reporter: Reporter,
) -> None:
    """All figures and fields of the run's own system; of a mixture the error on each of its systems as well."""
    for (recipe, _), test in zip(parts, tests, strict=True):
        found = evaluation.evaluate(forward, parameters, test, card, find(recipe.system), reporter.device)
        if recipe is parts[0].recipe:
            evaluation.report(found, test.solution, step, reporter)
        if len(parts) > 1:
            reporter.summary(**{f"rel_l2_{recipe.system}": float(found.errors["rel_l2"].mean())})


def _keep(card: weights.Card, trainer: train.Trainer, parts: list[Part], params: Params, reporter: Reporter) -> None:
    """The best weights as the artifact `weights`; those of a pretraining on the shelf of models as well."""
    recipe, training, mode = parts[0].recipe, settings(Training, params), str(params["mode"])
    history = {"mode": mode, "seed": reporter.seed}
    for part in (recipe, training, settings(Tuning, params), settings(Mixture, params)):
        history |= msgspec.to_builtins(part)
    card = msgspec.structs.replace(card, trained=(*card.trained, history))
    path = reporter.folder / "weights.safetensors"
    weights.save(path, card, {name: tensor.cpu().numpy() for name, tensor in trainer.best.items()})
    facts = {
        "model": card.model,
        **card.spec,
        "parameters": sum(tensor.numel() for tensor in trainer.best.values()),
        "system": recipe.system,
        "range": list(recipe.range),
        "grid": recipe.grid,
        "samples": training.samples,
        "validation_rel_l2": trainer.best_error,
    }
    reporter.artifact(path, name="weights", **facts)
    if mode == "pretrain":
        copy = reporter.folder / "model.safetensors"
        shutil.copyfile(path, copy)
        size = "-".join(str(value) for value in card.spec.values())
        name = f"{card.model}-{size}-{mixture.name(parts)}" + (f"-init{reporter.seed}" if reporter.seed else "")
        reporter.publish("model", copy, name=name, **facts)


TASK = OperatorTask()
