"""Training: stages of a strategy, iterations of an optimiser, and a report of every one of them.

A training does not evaluate what it minimises: it asks, and whoever drives it answers, so that many can run in
lock-step. A run can be stopped after any iteration and resumed from its state to the same weights, bit for bit on a
CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from engine.api import Diverged, Reporter, TaskError, lazy_import
from experiments.pinns import ansatz, diagnosis, observations, weights
from experiments.pinns.configuration import Configuration
from experiments.pinns.derivatives import Map
from experiments.pinns.formulation import Formulation
from experiments.pinns.memory import enough_memory
from experiments.pinns.monitor import SHARE, Judgement, Monitor, doubts
from experiments.pinns.network import Network, derivatives
from experiments.pinns.objective import Objective
from experiments.pinns.optimizers import Evaluation, Steps, Stop, to_array
from experiments.pinns.problem import System
from experiments.pinns.seeds import DIAGNOSIS, FEATURES, OBSERVATIONS, WEIGHTS, Seeds
from experiments.pinns.strategies import START, LostTrack, Stage, Stages, Trained
from experiments.pinns.weights import Saved

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    np = lazy_import("numpy")
    torch = lazy_import("torch")

LARGE = 64e6
"""Bytes of an optimiser's state from which on it is saved when time allows, and not at the end of every stage."""

FIRST_FIELDS = 50
"""Iterations after which the fields are first stored; then whenever there are twice as many."""


class Asked(NamedTuple):
    """An evaluation that a training waits for: of which function, and where."""

    function: Objective
    point: torch.Tensor

    def answer(self) -> Evaluation:
        """Raises TaskError where memory does not suffice."""
        with enough_memory():
            return self.function(self.point)


T = TypeVar("T")
Evaluations = Generator[Asked, Evaluation, T]
"""Yields what to evaluate, is sent the evaluation, returns a T."""


class Counts(msgspec.Struct, kw_only=True):
    """How far a run is. `begun`: the stage after those that are done has been evaluated at its start."""

    step: int = 0
    iterations: int = 0
    closures: int = 0
    begun: bool = False
    stage_iterations: int = 0
    stage_closures: int = 0
    seconds: float = 0.0
    monitored: float = 0.0
    """Seconds of those that went into monitoring."""
    fields_from: int = FIRST_FIELDS
    """Iterations from which on the fields are stored next, in the middle of a stage."""


class Training:
    """One run of a configuration."""

    def __init__(self, configuration: Configuration, reporter: Reporter) -> None:
        self._job, self._reporter, self._seeds = configuration, reporter, Seeds(reporter.seed)
        self._network = Network(
            configuration.model,
            configuration.model_settings,
            len(configuration.system.axes),
            getattr(torch, configuration.points.dtype),
            torch.device(reporter.device),
            configuration.features(self._seeds.generator(FEATURES)),
        )
        self._initial: np.ndarray | None = None
        """The parameters of another run's network, where this one begins with them."""
        if configuration.weights.init:
            self._take(configuration.weights.init)
        self._minimiser = configuration.optimizer.make(configuration.optimizer_settings)
        self._saves_stages = (
            configuration.optimizer.memory(configuration.optimizer_settings, configuration.size) < LARGE
        )
        self._observed = observations.observe(
            configuration.system, configuration.coefficients, configuration.data, self._seeds.generator(OBSERVATIONS)
        )
        self._monitor = Monitor(
            self._network,
            configuration.system,
            configuration.coefficients,
            self._observed.table if configuration.data.points else None,
        )
        self._form = Formulation(configuration, self._seeds, self._observed)
        self._whole: dict[str, float] | None = None
        """The terms at the iterate over all points, where the optimiser sees batches; None if not known there."""
        self._done: list[Trained] = []
        self._settled: list[tuple[float, np.ndarray]] = []
        """Of windows of time that are done: their end, and the parameters that predict u up to there."""
        self._before: Map | None = None
        """What the last of them predicts."""
        self._lost = ""
        """Where and why the strategy gave up before the target, if it did."""
        self._counts = Counts()

    def run(self) -> None:
        """All that is left of the run, until it ends or is asked to stop. Raises Diverged."""
        evaluations = self.evaluations()
        try:
            asked = next(evaluations)
            while True:
                asked = evaluations.send(asked.answer())
        except StopIteration:
            return

    def evaluations(self) -> Evaluations[None]:
        """The run as the evaluations that it asks for, one at a time. Raises Diverged, TaskError."""
        with enough_memory():
            yield from self._evaluations()

    def _evaluations(self) -> Evaluations[None]:
        if state := self._reporter.resume():
            self._restore(state)
        self._monitor.start(self._counts.seconds, self._counts.monitored)
        stages = self._job.strategy.stages(self._job.strategy_settings, self._job.target)
        stage: Stage | None = next(stages)
        assert stage is not None
        last = stage
        for trained in self._done:
            last = stage or last
            self._enter(last)
            stage = self._following(stages, trained)
        entered = False
        while stage is not None and self._counts.closures < self._job.limits.closures:
            entered = True
            last, now = stage, (yield from self._train(stage))
            if now is None:
                self._reporter.summary(stop_reason="stopped", **self._figures())
                return
            self._done.append(now)
            self._counts.begun = False
            self._save(now=self._saves_stages)
            stage = self._following(stages, now)
        if not entered:  # all stages were done before
            self._form.enter(self._network, last, self._part(last), len(self._done) - 1)
            self._form.resume()
        if self._job.diagnosis.wanted and not self._diagnose():
            self._reporter.summary(stop_reason="stopped", **self._figures())
            return
        self._finish(last)

    def _following(self, stages: Stages, trained: Trained) -> Stage | None:
        """The next stage; None after the last."""
        try:
            stage = stages.send(trained)
        except StopIteration:
            return None
        except LostTrack as lost:
            self._lost = str(lost)
            return None
        if stage.window and stage.window[0] > self._job.system.axes["t"][0]:
            self._settled.append((stage.window[0], trained.parameters))
            self._monitor.settle(self._network.tensor(trained.parameters), stage.window[0])
            self._before = partial(
                self._network.values, torch.tensor(trained.parameters).double().to(self._network.device)
            )
        return stage

    def _enter(self, stage: Stage) -> None:
        """From here on u is the network of this stage."""
        if not self._job.is_hard:
            return
        system, coefficients = self._job.system, stage.coefficients
        if self._before is None:
            made = ansatz.of_system(system, coefficients)
        else:
            made = ansatz.of_window(system, coefficients, self._settled[-1][0], self._before)
        self._network = self._network._replace(ansatz=made)
        self._monitor.follow(self._network)

    # One stage

    def _train(self, stage: Stage) -> Evaluations[Trained | None]:
        """A stage from where it was left. None if the run was asked to stop."""
        self._enter(stage)
        self._form.enter(self._network, stage, self._part(stage), len(self._done))
        self._monitor.judge_by(stage.coefficients, stage.window)
        begins = not self._counts.begun
        if begins:
            yield from self._begin(stage)
        else:
            self._form.resume()
        every = self._every()
        if begins:
            self._look()
        stop = self._ended(stage, None)
        if begins:
            self._report(stage, errors=True)
        while stop is None:
            if self._reporter.stopping:
                self._save(now=True)
                return None
            stop = yield from self._stepped(self._minimiser.iterate(self._left(stage)))
            self._counts.step += 1
            self._counts.iterations += 1
            self._counts.stage_iterations += 1
            looks = self._counts.stage_iterations % every == 0
            self._whole = None
            if looks:
                self._look()
            stop = self._ended(stage, stop)
            self._report(stage, errors=looks or stop is not None)
            if stop is None:
                if looks:
                    self._store_fields(stage)
                yield from self._renew(stage)
                self._save()
        return self._end(stage, stop)

    def _every(self) -> int:
        """Iterations between two looks at the errors; of batches, also at the loss over all points."""
        posed, batch = self._form.posed, self._form.batch
        if not batch:
            return self._monitor.every(posed)
        passes = math.ceil(len(posed.collocation) / batch / SHARE)
        return passes + self._monitor.every(posed.part(np.arange(batch)))

    def _look(self) -> dict[str, float]:
        """The terms at the iterate, over all points."""
        if not self._form.batch:
            return dict(self._minimiser.at.terms)
        if self._whole is None:
            with self._monitor.timed():
                self._whole = dict(self._form.function(self._minimiser.x).terms)
        return self._whole

    def _part(self, stage: Stage) -> System:
        """The system over the stage's window, which starts from what is predicted there."""
        system = stage.part(self._job.system)
        if not self._settled:
            return system
        start, parameters = self._settled[-1]

        def predicted(name: str) -> Callable[..., np.ndarray]:
            def value(c: Any, *space: np.ndarray) -> np.ndarray:
                points = self._network.tensor(np.stack(np.broadcast_arrays(*space, [start]), axis=-1))
                flat = self._network.tensor(parameters)
                return to_array(derivatives(self._network, tuple(system.axes), flat, points, [name])[name])

            return value

        return msgspec.structs.replace(system, initial={name: predicted(name) for name in system.initial})

    def _asked(self, function: Objective, point: torch.Tensor) -> Evaluations[Evaluation]:
        self._counts.closures += 1
        self._counts.stage_closures += 1
        return (yield Asked(function, point))

    def _stepped(self, steps: Steps[T]) -> Evaluations[T]:
        """The steps of the optimiser on what is minimised."""
        try:
            point = next(steps)
            while True:
                function = self._form.evaluated(self._counts.stage_closures)
                point = steps.send((yield from self._asked(function, point)))
        except StopIteration as end:
            result: T = end.value
            return result

    def _begin(self, stage: Stage) -> Evaluations[None]:
        counts = self._counts
        counts.stage_closures = counts.stage_iterations = 0
        if self._done:
            counts.step += 1
        start, is_trained = self._start(stage), bool(self._done) or self._initial is not None
        self._form.begin(start, is_trained=is_trained)
        if self._form.is_balanced(0) and self._form.cost(0) <= self._left(stage):
            yield from self._balance(start)
        yield from self._stepped(self._minimiser.begin(start))
        self._whole = None
        counts.begun = True
        coefficients = msgspec.structs.asdict(stage.coefficients)
        self._reporter.stage(stage.name, step=counts.step, index=len(self._done), **coefficients)

    def _renew(self, stage: Stage) -> Evaluations[None]:
        """What is minimised, where it is due to change and evaluations are left to go on."""
        iteration, x = self._counts.stage_iterations, self._minimiser.x
        cost = self._form.cost(iteration)
        if not cost or cost >= self._left(stage):
            return
        self._form.renew(iteration, x)
        if self._form.is_balanced(iteration):
            yield from self._balance(x)
        yield from self._stepped(self._minimiser.renew())

    def _balance(self, x: torch.Tensor) -> Evaluations[None]:
        alone: dict[str, Evaluation] = {}
        for term, function in self._form.alone().items():
            alone[term] = yield from self._asked(function, x)
        self._form.balance(alone)

    def _start(self, stage: Stage) -> torch.Tensor:
        """The weights that the stage starts from."""
        if stage.after is None and self._done:
            return self._minimiser.x
        if stage.after is not None and stage.after != START:
            return self._network.tensor(self._done[stage.after].parameters)
        if self._initial is not None:
            return self._network.tensor(self._initial)
        job, network = self._job, self._network
        return network.tensor(
            job.model.initialise(job.model_settings, network.inputs, 1, self._seeds.generator(WEIGHTS))
        )

    def _left(self, stage: Stage) -> int:
        """Evaluations that the stage may still take."""
        left = self._job.limits.closures - self._counts.closures
        return left if stage.closures is None else min(left, stage.closures - self._counts.stage_closures)

    def _ended(self, stage: Stage, stop: Stop | None) -> Stop | None:
        """Why the stage is over, if it is; `stop` is what the optimiser says. Raises Diverged for a loss not finite."""
        if stop is Stop.NOT_FINITE or not math.isfinite(self._minimiser.at.loss):
            raise Diverged("loss", self._counts.step)
        is_known = not self._form.batch or self._whole is not None
        if is_known and self._form.loss(self._look()) <= stage.target:
            return Stop.TARGET
        if self._left(stage) <= 0:
            return Stop.CLOSURES
        iteration = self._counts.stage_iterations
        if stop is None and iteration and self._form.is_settled(iteration, self._minimiser.x):
            return Stop.SETTLED
        return stop

    def _report(self, stage: Stage, *, errors: bool) -> None:
        at, counts = self._minimiser.at, self._counts
        with self._monitor.timed():
            self._reporter.metrics(
                counts.step,
                **(self._losses() if errors or not self._form.batch else {}),
                **({"loss_batch": at.loss} if self._form.batch else {}),
                **(self._monitor.errors(self._minimiser.x) if errors else {}),
                **msgspec.structs.asdict(stage.coefficients),
                **self._form.weights,
                gradient_norm=float(at.gradient.norm()),
                closures=counts.closures,
                seconds=self._monitor.elapsed(),
            )
            self._reporter.progress(counts.closures, self._job.limits.closures, stage.name)

    def _losses(self) -> dict[str, float]:
        terms = self._look()
        return {"loss": self._form.loss(terms), **{f"loss_{term}": value for term, value in terms.items()}}

    def _store_fields(self, stage: Stage) -> None:
        """What is predicted, where the run is twice as far as when it was stored last."""
        counts = self._counts
        if counts.iterations < counts.fields_from:
            return
        counts.fields_from = 2 * counts.iterations
        with self._monitor.timed():
            self._judged(stage)

    def _judged(self, stage: Stage) -> Judgement:
        """Against the stage's own solution; what was compared is stored."""
        judgement = self._monitor.judge(self._minimiser.x, stage.coefficients, stage.window)
        self._reporter.fields(self._counts.step, **self._monitor.fields(judgement))
        return judgement

    def _end(self, stage: Stage, stop: Stop) -> Trained:
        loss, counts = self._form.loss(self._look()), self._counts
        with self._monitor.timed():
            fresh = self._fresh_residual(stage, len(self._done))
            judgement = self._judged(stage)
            self._reporter.stage(
                stage.name,
                step=counts.step,
                ended=counts.step,
                stop_reason=str(stop),
                loss=loss,
                iterations=counts.stage_iterations,
                closures=counts.stage_closures,
                fresh_residual=fresh,
                **judgement.figures,
            )
        return Trained(
            loss=loss,
            fresh_loss=self._form.loss({**self._look(), "residual": fresh}),
            closures=counts.stage_closures,
            stop=str(stop),
            parameters=to_array(self._minimiser.x),
        )

    def _fresh_residual(self, stage: Stage, number: int) -> float:
        """The mean square residual at points that the stage of this number was not trained on."""
        fresh = self._form.fresh(stage, self._part(stage), number)
        return fresh(self._minimiser.x).terms["residual"]

    def _diagnose(self) -> bool:
        """Looks at the loss that was minimised last, in float64; False if the run was asked to stop meanwhile."""
        self._save(now=True)
        network = self._network._replace(dtype=torch.float64)
        with self._monitor.paused() as clock:
            found = diagnosis.diagnose(
                self._form.minimised_by(network),
                self._minimiser.x.double(),
                self._job.diagnosis,
                self._seeds.generator(DIAGNOSIS),
                stopping=lambda: self._reporter.stopping,
            )
        if found is None:
            return False
        self._reporter.fields(self._counts.step, **found.arrays)
        self._reporter.summary(**found.figures, diagnosis_seconds=clock.seconds)
        return True

    # The run as a whole

    def _finish(self, last: Stage) -> None:
        terms = self._look()
        # what was cut short is not lost
        lost = self._lost if self._counts.closures < self._job.limits.closures else ""
        with self._monitor.timed():
            judgement = self._monitor.judge(self._minimiser.x, self._job.coefficients)
            fresh = self._fresh_residual(last, len(self._done) - 1)
            loss, physics = self._form.loss(terms), self._job.points.physics
            for doubt in doubts(loss, terms["residual"], fresh, judgement.rel_l2, physics=physics):
                self._reporter.warn(doubt)
            if lost:
                self._reporter.warn(lost)
            elif last.coefficients != self._job.coefficients:
                hint = "before the target: raise optimizer.closures"
                self._reporter.warn(f"the evaluations were used up at {last.name}, {hint}")
        self._reporter.summary(
            **judgement.figures,
            fresh_residual=fresh,
            stop_reason=Stop.TRACK.value if lost else self._done[-1].stop,
            parameters=self._job.size,
            **self._figures(),
        )
        self._reporter.artifact(self._network_file(), parameters=self._job.size)

    def _built(self, parameters: np.ndarray) -> Saved:
        """The network with these parameters, as it is stored."""
        network = self._network
        arrays = dict(network.features.arrays) if network.features else {}
        return Saved(parameters, arrays, network.spec, network.axes, self._job.points.constraints)

    def _take(self, run: str) -> None:
        """Another run's network, its embedding's numbers too. Raises TaskError where it is not one like this."""
        artifacts = self._reporter.input(run)
        if weights.NAME not in artifacts:
            raise TaskError(f"init: required a run of the task pinn, got {run}, which left no trained network")
        taken = weights.load(artifacts[weights.NAME].path, self._built(np.empty(self._job.size)))
        self._initial = taken.parameters
        if self._network.features:
            self._network = self._network._replace(features=self._network.features.having(taken.embedding))

    def _network_file(self) -> Path:
        path = self._reporter.folder / weights.NAME
        weights.save(path, self._built(to_array(self._minimiser.x)), self._settled)
        return path

    def _figures(self) -> dict[str, Any]:
        """What is known of a run wherever it is."""
        return {
            "loss": self._form.loss(self._look()),
            "closures": self._counts.closures,
            "iterations": self._counts.iterations,
            "stages": len(self._done),
            "monitoring_share": self._monitor.share(),
        }

    def _save(self, *, now: bool = False) -> None:
        self._reporter.checkpoint(self._counts.step, self._state, now=now)

    def _state(self) -> dict[str, Any]:
        self._counts.seconds, self._counts.monitored = self._monitor.elapsed(), self._monitor.seconds
        return {
            "counts": msgspec.structs.asdict(self._counts),
            "done": [msgspec.structs.asdict(trained) for trained in self._done],
            "minimiser": self._minimiser.state(),
            "form": self._form.state(),
            "whole": self._whole,
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._counts = Counts(**state["counts"])
        self._done = [Trained(**trained) for trained in state["done"]]
        if "form" in state:
            self._form.restore(state["form"])
            self._whole = state["whole"]
        self._minimiser.restore(state["minimiser"], self._network.tensor(np.zeros(1)))
