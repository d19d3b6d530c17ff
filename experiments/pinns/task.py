"""The task `pinn`: trains a network to meet a PDE and its conditions, and judges it by the PDE's solution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.api import Estimate, Params, Problem, Reference, Reporter, SpecError, TaskDescription, lazy_import
from experiments import device
from experiments.pinns import configuration, observations
from experiments.pinns.configuration import Configuration, Points
from experiments.pinns.samplers import Sampler

if TYPE_CHECKING:
    import numpy as np

    from experiments.pinns import pack, train, weights
else:
    np = lazy_import("numpy")
    weights = lazy_import("experiments.pinns.weights")
    pack = lazy_import("experiments.pinns.pack")
    train = lazy_import("experiments.pinns.train")

MOST_MEMORY = 8e9
"""Bytes of an optimiser's state; beyond, the choice is refused before it takes the machine down."""

METRICS = {
    "rel_l2": "relative L2 error against the target's solution, on part of the grid; at the end on all of it",
    "loss": "mean square residual, errors of conditions and of observations, summed by the weights of the settings",
    "rel_l2_stage": "relative L2 error against the solution at the stage's own coefficients",
    "loss_residual": "mean square residual of the PDE at the collocation points",
    "loss_initial": "mean square error of the initial condition",
    "loss_boundary": "mean square error of the boundary conditions",
    "loss_data": "mean square error of the observations",
    "abs_err": "mean absolute error on the grid: 256 x 100, or 1,000 of an ODE",
    "linf": "largest error on the grid",
    "loss_batch": "what is minimised, on the batch of the last evaluation",
    "weight_residual": "weight of the residual, where it is balanced",
    "weight_initial": "weight of the initial condition, where it is balanced",
    "weight_boundary": "weight of the boundary conditions, where they are balanced",
    "weight_data": "weight of the observations, where it is balanced",
    "weight_point_min": "least weight of a collocation point, where these are weighed",
    "fresh_residual": "mean square residual at points that were not trained",
    "gradient_norm": "L2 norm of the gradient",
    "closures": "evaluations of loss and gradient so far",
    "iterations": "iterations of the optimiser",
    "seconds": "time spent so far",
    "hessian_1": "largest eigenvalue of the Hessian of the loss, in magnitude; hessian_2 and on: those that follow",
    "diagnosis_seconds": "time that the look at the trained network took, beside the rest",
    "monitoring_share": "part of the time that went into errors and reports",
}


class Pinn:
    def describe(self) -> TaskDescription:
        return TaskDescription(
            key="pinn",
            title="PINN",
            summary="Trains a network to meet a PDE and its conditions, and judges it by the PDE's solution.",
            schema={"type": "object", "properties": configuration.properties()},
            label="{system} {strategy}",
            metrics=METRICS,
        )

    def check(self, params: Params, /) -> list[Problem]:
        try:
            chosen = configuration.read(params)
        except SpecError as error:
            return list(error.problems)
        return [
            *chosen.strategy.check(chosen.strategy_settings, chosen.target),
            *chosen.embedding.check(chosen.embedding_settings, chosen.system),
            *observations.check(chosen.data, chosen.system, physics=chosen.points.physics),
            *_check_points(chosen.sampler, chosen.points),
            *_check_constraints(chosen),
            *_check_memory(chosen),
        ]

    def check_references(self, params: Params, found: Mapping[str, Sequence[Reference]], /) -> list[Problem]:
        chosen = configuration.read(params)
        return [problem for there in found.get("init", ()) for problem in _unfit_start(there, chosen)]

    def estimate(self, params: Params, /) -> Estimate:
        chosen = configuration.read(params)
        return Estimate(
            seconds=3 + (chosen.limits.closures + chosen.diagnosis.closures) * _seconds_per_closure(chosen),
            memory_gb=0.5 + chosen.optimizer.memory(chosen.optimizer_settings, chosen.size) / 1e9,
        )

    def run(self, params: Params, reporter: Reporter, /) -> None:
        """Raises SpecError, Diverged."""
        chosen = configuration.read(params)
        device.prepare(reporter)
        train.Training(chosen, reporter).run()

    def run_many(
        self, many: Sequence[Params], reporters: Sequence[Reporter], /
    ) -> Iterator[tuple[int, BaseException | None]]:
        """Trains the networks in lock-step, whatever each one's system, strategy and optimiser."""
        trainings = {}
        for i, (params, reporter) in enumerate(zip(many, reporters, strict=True)):
            try:
                device.prepare(reporter)
                trainings[i] = train.Training(configuration.read(params), reporter)
            except Exception as error:  # noqa: BLE001  whatever it is, it is this one's: the others are trained
                yield i, error
        places = list(trainings)
        for place, raised in pack.train(list(trainings.values()), at_once=reporters[0].device != "cpu"):
            yield places[place], raised


def _unfit_start(there: Reference, chosen: Configuration) -> list[Problem]:
    """What keeps a run from beginning with the network of another, as far as that is known before it is read."""
    if there.task != "pinn":
        return [Problem("init", "a run of the task pinn", f"{there.name}, of the task {there.task}")]
    try:
        theirs = configuration.read(there.params)
    except SpecError:  # of another version: its file says what it is
        return []
    different = weights.difference(_built(chosen), _built(theirs))
    if different is None:
        return []
    name, required, got = different
    return [Problem("init", f"a network of {name}={required}, as this run's", f"{there.name} of {got}", weights.HINT)]


def _built(chosen: Configuration) -> weights.Saved:
    """The network of a run, with numbers of no meaning."""
    drawn = chosen.embedding.draw(chosen.embedding_settings, chosen.system, np.random.default_rng(0))
    axes = len(chosen.system.axes)
    return weights.Saved(np.empty(chosen.size), drawn, chosen.model_settings, axes, chosen.points.constraints)


def _check_points(sampler: Sampler, points: Points) -> list[Problem]:
    if sampler.adapt and not points.resample_every:
        hint = "such as 100: new points after so many iterations"
        return [Problem("resample_every", "a number above 0 for a sampler that follows the residual", "0", hint)]
    if points.resample_every and points.resample == "never":
        hint = "give resample=stage, or leave resample_every at 0"
        return [Problem("resample_every", "0 for points that never change", str(points.resample_every), hint)]
    return []


def _check_constraints(chosen: Configuration) -> list[Problem]:
    if not chosen.is_hard:
        return []
    if chosen.system.ansatz is None:
        hint = "its file offers no `ansatz`"
        return [Problem("constraints", f"soft, for {chosen.system.title}", "hard", hint)]
    if chosen.system.periodic_axes and not chosen.embedding.is_periodic(chosen.embedding_settings):
        hint = "set embedding=periodic, or embedding=fourier embedding.periodic=true"
        return [Problem("embedding", "one that is periodic, for constraints=hard", chosen.embedding.title, hint)]
    return []


def _check_memory(chosen: Configuration) -> list[Problem]:
    needed = chosen.optimizer.memory(chosen.optimizer_settings, chosen.size)
    if needed <= MOST_MEMORY:
        return []
    got = f"{needed / 1e9:.0f} GB for {chosen.size:,} parameters"
    hint = "lower model.width or model.depth, or choose optimizer=lbfgs with a shorter history"
    return [Problem("optimizer", f"a state of at most {MOST_MEMORY / 1e9:.0f} GB", got, hint)]


def _seconds_per_closure(chosen: Configuration) -> float:
    """On one CPU core of 2024: about 30 Gflop/s in products, and memory read and written twice for dense methods."""
    batch = chosen.optimizer.batch(chosen.optimizer_settings) or chosen.points.points
    columns = min(batch, chosen.points.points) * (1 + len(chosen.system.derivatives(chosen.coefficients)))
    products = 6 * columns * chosen.size / 3e10
    return 3e-4 + 1.5 * products + chosen.optimizer.memory(chosen.optimizer_settings, chosen.size) / 2e10


TASK = Pinn()
