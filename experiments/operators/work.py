"""What a run of the task `operator` does: samples, weights to begin with, training, evaluation, what is kept."""

from __future__ import annotations

import functools
import shutil
from typing import NamedTuple

import msgspec
import numpy as np
import torch

from engine.api import Params, Reporter, TaskError, settings
from experiments import device
from experiments.operators import (
    batches,
    channels,
    compiled,
    data,
    evaluation,
    generate,
    mixture,
    models,
    normalise,
    weights,
)
from experiments.operators.batches import Examples, Gathered, Held, Way
from experiments.operators.freezing import frozen
from experiments.operators.generate import Samples
from experiments.operators.gradients import Forward, Parameters
from experiments.operators.mixture import Mixture, Part
from experiments.operators.normalise import Inputs
from experiments.operators.recipe import SPLITS, Recipe, Split, mismatches
from experiments.operators.sweep import Sweep
from experiments.operators.system import find
from experiments.operators.train import Trainer, on_device
from experiments.operators.training import Fresh, Training, Tuning
from experiments.operators.weights import Card

Sets = dict[str, dict[Split, Samples]]
"""By system, the run's own first."""


class Start(NamedTuple):
    """What a run begins with. rates: multiples of the learning rate for some of the parameters, entry by entry."""

    card: Card
    parameters: dict[str, np.ndarray]
    rates: dict[str, np.ndarray] = {}


def run(params: Params, reporter: Reporter) -> None:
    device.prepare(reporter)
    parts = mixture.parts_of(params)
    own = parts[0].recipe
    loaded = _loaded(str(params["init"]), own, reporter) if params.get("init") else None
    room = batches.free(reporter.device)
    way = batches.way(sum(part.recipe.size(part.sizes.total) for part in parts), *room)
    sets = {
        part.recipe.system: _samples(part, str(params["data"]) if part is parts[0] else "", way, reporter)
        for part in parts
    }
    card, parameters, rates = (
        _adapted(loaded, own, sets[own.system].get("train"), params) if loaded else _fresh(params, sets, reporter.seed)
    )
    tests = {key: found.pop("test") for key, found in sets.items()}
    model, spec = weights.model_of(card)
    forward = functools.partial(model.forward, spec)
    dtype = getattr(torch, own.dtype)
    tensors = on_device(parameters, dtype, reporter.device)
    count = sum(tensor.numel() for tensor in tensors.values())
    reporter.summary(parameters=count, samples=int(params["samples"]))  # type: ignore[arg-type]
    if params["mode"] == "zeroshot":
        reporter.summary(steps=0, stop_reason="evaluated")
        _evaluate(forward, tensors, card, tests, 0, reporter)
        return
    examples = _examples(sets, card, way, reporter)
    judged = _inputs(_joined(sets, "validation", card.channels), card, reporter)
    del sets
    held = frozen(settings(Tuning, params).freeze, tensors)
    if shut := sorted(held & rates.keys()):
        raise TaskError(f"freeze: required {', '.join(shut)} to be trained, where new inputs start at zero weight")
    individual = on_device(rates, dtype, reporter.device)

    training = settings(Training, params)
    stepping = compiled.for_training(model, spec, reporter.device, training.length * len(training.rates), reporter.warn)

    def trainer(training: Training) -> Trainer:
        return Trainer(forward, tensors, training, examples, judged, reporter.seed, held, individual, stepping)

    sweep = Sweep(trainer, training)
    if _trained(sweep, training, reporter):
        _evaluate(forward, sweep.best, card, tests, sweep.step, reporter)
        _keep(card, sweep, parts, params, reporter)
        for file in reporter.folder.glob("samples-*.h5"):  # made here, where memory did not hold them
            file.unlink()


def _trained(sweep: Sweep, training: Training, reporter: Reporter) -> bool:
    """Trains, from where an earlier attempt stopped; False where a stop was asked for."""
    if state := reporter.resume():
        sweep.restore(state)
    finished = sweep.run(reporter)
    chosen = sweep.chosen
    reporter.summary(
        loss=chosen.loss,
        steps=training.length if finished else sweep.step,
        seconds=sweep.seconds,
        validation_rel_l2=chosen.error,
        best_step=chosen.step,
        stop_reason="all steps done" if finished else "stopped",
    )
    if training.lr_sweep:
        reporter.summary(chosen_lr=chosen.lr)
    return finished


def _loaded(run: str, recipe: Recipe, reporter: Reporter) -> Start:
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
    trained = int(card.trained[-1]["grid"]) if card.trained else recipe.grid
    for problem in (*model.unfit(spec, recipe.grid), *models.misplaced(model, trained, recipe.grid)):
        raise TaskError(f"init: the model of {run}: {problem}")
    return Start(card, parameters)


def _adapted(start: Start, recipe: Recipe, samples: Samples | None, params: Params) -> Start:
    """With inputs for all coefficients of the system, the new ones with a learning rate of their own."""
    card, parameters = channels.widened(start.card, start.parameters, find(recipe.system), samples)
    rate = settings(Tuning, params).lr_new
    return Start(card, parameters, channels.rates(start.card, start.parameters, len(card.channels), rate))


def _fresh(params: Params, sets: Sets, seed: int) -> Start:
    key, spec = models.chosen(params)
    names = channels.of_mixture([find(system) for system in sets])
    parameters = models.find(key).initialise(spec, len(names), np.random.default_rng([seed, 0]))
    parts = [channels.fitted(found["train"], find(key), names) for key, found in sets.items()]
    scales = normalise.scales_of(parts[0], settings(Fresh, params).normalisation, *parts[1:])
    return Start(Card(model=key, spec=msgspec.to_builtins(spec), channels=names, scales=scales), parameters)


def _samples(part: Part, dataset: str, way: Way, reporter: Reporter) -> dict[Split, Samples]:
    """The samples of each split that this run needs, from a dataset or made here: the same ones.

    Where memory does not hold them, they are made into a file, and those to train on stay in it.
    """
    recipe, sizes = part
    wanted = [(split, sizes.of(split)) for split in SPLITS if sizes.train or split == "test"]
    if dataset:
        path = reporter.dataset(dataset).path
        if wrong := mismatches(dataset, data.header(path).recipe, recipe):
            raise TaskError("; ".join(map(str, wrong)))
    elif way == "memory" or not sizes.train:
        return {split: generate.make(recipe, split, count, reporter.device) for split, count in wanted}
    else:
        path = data.made(reporter.folder / f"samples-{recipe.system}.h5", recipe, sizes, reporter.device)
    mapped = way != "memory"
    return {split: data.read(path, split, count, mapped=mapped and split == "train") for split, count in wanted}


def _joined(sets: Sets, split: Split, names: tuple[str, ...]) -> Samples:
    return channels.joined([find(key) for key in sets], [found[split] for found in sets.values()], names)


def _examples(sets: Sets, card: Card, way: Way, reporter: Reporter) -> Examples:
    """The training samples of all systems, one after another."""
    if way == "memory":
        return Held(_inputs(_joined(sets, "train", card.channels), card, reporter))
    reporter.summary(samples_are=way)
    parts = [channels.fitted(found["train"], find(key), card.channels) for key, found in sets.items()]
    return Gathered(parts, card.scales, reporter.device, ahead=way == "streamed")


def _inputs(samples: Samples, card: Card, reporter: Reporter) -> Inputs:
    inputs = normalise.inputs_of(samples, card.scales)
    return Inputs(*(tensor.to(reporter.device) for tensor in inputs))


def _evaluate(
    forward: Forward, parameters: Parameters, card: Card, tests: dict[str, Samples], step: int, reporter: Reporter
) -> None:
    """All figures and fields of the run's own system, the first; of a mixture the error on each of its systems too."""
    for place, (key, test) in enumerate(tests.items()):
        found = evaluation.evaluate(forward, parameters, test, card, find(key), reporter.device)
        if place == 0:
            evaluation.report(found, test.solution, step, reporter)
        if len(tests) > 1:
            reporter.summary(**{f"rel_l2_{key}": float(found.errors["rel_l2"].mean())})


def _keep(card: Card, sweep: Sweep, parts: list[Part], params: Params, reporter: Reporter) -> None:
    """The best weights as the artifact `weights`; those of a pretraining on the shelf of models as well."""
    recipe, mode = parts[0].recipe, str(params["mode"])
    training = msgspec.structs.replace(settings(Training, params), lr=sweep.chosen.lr)
    history = {"mode": mode, "seed": reporter.seed}
    for part in (recipe, training, settings(Tuning, params), settings(Mixture, params)):
        history |= msgspec.to_builtins(part)
    card = msgspec.structs.replace(card, trained=(*card.trained, history))
    path = reporter.folder / "weights.safetensors"
    weights.save(path, card, {name: tensor.cpu().numpy() for name, tensor in sweep.best.items()})
    facts = {
        "model": card.model,
        **card.spec,
        "parameters": sum(tensor.numel() for tensor in sweep.best.values()),
        "system": recipe.system,
        "range": list(recipe.range),
        "grid": recipe.grid,
        "samples": training.samples,
        "steps": training.length,
        "lr": training.lr,
        "seed": reporter.seed,
        "channels": list(card.channels),
        **({"mix": list(settings(Mixture, params).mix)} if len(parts) > 1 else {}),
        "validation_rel_l2": sweep.chosen.error,
    }
    reporter.artifact(path, name="weights", **facts)
    if mode == "pretrain":
        copy = reporter.folder / "model.safetensors"
        shutil.copyfile(path, copy)
        size = "-".join(str(value) for value in card.spec.values())
        name = f"{card.model}-{size}-{mixture.name(parts)}" + (f"-init{reporter.seed}" if reporter.seed else "")
        reporter.publish("model", copy, name=name, **facts)
