"""Training: stages of a strategy, iterations of an optimiser, and a report of every one of them.

A training does not evaluate what it minimises: it asks, and whoever drives it answers, so that many can run in
lock-step. A run can be stopped after any iteration and resumed from its state to the same weights, bit for bit on a
CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from engine.api import Diverged, Reporter, TaskError, lazy_import
from experiments.pinns import diagnosis, observations, weights
from experiments.pinns.configuration import Configuration
from experiments.pinns.monitor import Monitor, doubts
from experiments.pinns.network import Network, derivatives
from experiments.pinns.objective import Objective, objective
from experiments.pinns.optimizers import Evaluation, Steps, Stop, to_array
from experiments.pinns.problem import Problem, System, pose
from experiments.pinns.strategies import START, LostTrack, Stage, Stages, Trained
from experiments.pinns.weights import Saved

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    np = lazy_import("numpy")
    torch = lazy_import("torch")

WEIGHTS, TRAINING_POINTS, FRESH_POINTS, FEATURES, OBSERVATIONS, DIAGNOSIS = range(6)
"""Purposes of random numbers, each with generators of its own."""

LARGE = 64e6
"""Bytes of an optimiser's state from which on it is saved when time allows, and not at the end of every stage."""


class Asked(NamedTuple):
    """An evaluation that a training waits for: of which function, and where."""

    function: Objective
    point: torch.Tensor

    def answer(self) -> Evaluation:
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


class Training:
    """One run of a configuration."""

    def __init__(self, configuration: Configuration, reporter: Reporter) -> None:
        self._job, self._reporter = configuration, reporter
        self._network = Network(
            configuration.model,
            configuration.model_settings,
            len(configuration.system.axes),
            getattr(torch, configuration.points.dtype),
            torch.device(reporter.device),
            configuration.features(self._rng(FEATURES)),
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
            configuration.system, configuration.coefficients, configuration.data, self._rng(OBSERVATIONS)
        )
        self._monitor = Monitor(
            self._network,
            configuration.system,
            configuration.coefficients,
            self._observed.table if configuration.data.points else None,
        )
        self._done: list[Trained] = []
        self._settled: list[tuple[float, np.ndarray]] = []
        """Of windows of time that are done: their end, and the parameters that predict u up to there."""
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
        """The run as the evaluations that it asks for, one at a time. Raises Diverged."""
        if state := self._reporter.resume():
            self._restore(state)
        self._monitor.start(self._counts.seconds, self._counts.monitored)
        stages = self._job.strategy.stages(self._job.strategy_settings, self._job.target)
        stage: Stage | None = next(stages)
        assert stage is not None
        last = stage
        for trained in self._done:
            last, stage = stage or last, self._following(stages, trained)
        while stage is not None and self._counts.closures < self._job.limits.closures:
            last, now = stage, (yield from self._train(stage))
            if now is None:
                self._reporter.summary(stop_reason="stopped", **self._figures())
                return
            self._done.append(now)
            self._counts.begun = False
            self._save(now=self._saves_stages)
            stage = self._following(stages, now)
        if self._job.diagnosis.wanted and not self._diagnose(last):
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
        return stage

    # One stage

    def _train(self, stage: Stage) -> Evaluations[Trained | None]:
        """A stage from where it was left. None if the run was asked to stop."""
        drawn = len(self._done) if self._job.points.resample == "stage" else 0
        problem = self._pose(stage, TRAINING_POINTS, drawn)
        function = objective(self._network, problem)
        self._monitor.judge_by(stage.coefficients, stage.window)
        every = self._monitor.every(problem)
        begins = not self._counts.begun
        if begins:
            yield from self._begin(stage, function)
        stop = self._ended(stage, None)
        if begins:
            self._report(stage, errors=True)
        while stop is None:
            if self._reporter.stopping:
                self._save(now=True)
                return None
            stop = yield from self._counted(self._minimiser.iterate(self._left(stage)), function)
            self._counts.step += 1
            self._counts.iterations += 1
            self._counts.stage_iterations += 1
            stop = self._ended(stage, stop)
            self._report(stage, errors=stop is not None or self._counts.stage_iterations % every == 0)
            if stop is None:
                self._save()
        return self._end(stage, stop)

    def _pose(self, stage: Stage, purpose: int, number: int) -> Problem:
        """A window of time gets its share of the points."""
        points, system = self._job.points, self._part(stage)
        (start, end), (first, last) = system.axes["t"], self._job.system.axes["t"]
        share = (end - start) / (last - first)
        count = max(1, round(points.points * share))
        problem = pose(
            system,
            stage.coefficients,
            self._job.sampler.points(system.axes, count, self._rng(purpose, number)),
            n_initial=points.n_initial,
            n_boundary=min(points.n_boundary, max(2, round(points.n_boundary * share))),
            residual_weight=points.residual_weight,
        )
        return observations.added(problem, self._observed, self._job.data, physics=points.physics)

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

    def _rng(self, purpose: int, number: int = 0) -> np.random.Generator:
        return np.random.default_rng([self._reporter.seed, purpose, number])

    def _counted(self, steps: Steps[T], function: Objective) -> Evaluations[T]:
        """The steps of the optimiser on a function."""
        try:
            point = next(steps)
            while True:
                self._counts.closures += 1
                self._counts.stage_closures += 1
                point = steps.send((yield Asked(function, point)))
        except StopIteration as end:
            result: T = end.value
            return result

    def _begin(self, stage: Stage, function: Objective) -> Evaluations[None]:
        counts = self._counts
        counts.stage_closures = counts.stage_iterations = 0
        if self._done:
            counts.step += 1
        yield from self._counted(self._minimiser.begin(self._start(stage)), function)
        counts.begun = True
        coefficients = msgspec.structs.asdict(stage.coefficients)
        self._reporter.stage(stage.name, step=counts.step, index=len(self._done), **coefficients)

    def _start(self, stage: Stage) -> torch.Tensor:
        """The weights that the stage starts from."""
        if stage.after is None and self._done:
            return self._minimiser.x
        if stage.after is not None and stage.after != START:
            return self._network.tensor(self._done[stage.after].parameters)
        if self._initial is not None:
            return self._network.tensor(self._initial)
        job, network = self._job, self._network
        return network.tensor(job.model.initialise(job.model_settings, network.inputs, 1, self._rng(WEIGHTS)))

    def _left(self, stage: Stage) -> int:
        """Evaluations that the stage may still take."""
        left = self._job.limits.closures - self._counts.closures
        return left if stage.closures is None else min(left, stage.closures - self._counts.stage_closures)

    def _ended(self, stage: Stage, stop: Stop | None) -> Stop | None:
        """Why the stage is over, if it is; `stop` is what the optimiser says. Raises Diverged for a loss not finite."""
        loss = self._minimiser.at.loss
        if stop is Stop.NOT_FINITE or not math.isfinite(loss):
            raise Diverged("loss", self._counts.step)
        if loss <= stage.target:
            return Stop.TARGET
        return Stop.CLOSURES if self._left(stage) <= 0 else stop

    def _report(self, stage: Stage, *, errors: bool) -> None:
        at, counts = self._minimiser.at, self._counts
        with self._monitor.timed():
            self._reporter.metrics(
                counts.step,
                loss=at.loss,
                **{f"loss_{term}": value for term, value in at.terms.items()},
                **(self._monitor.errors(self._minimiser.x) if errors else {}),
                **msgspec.structs.asdict(stage.coefficients),
                gradient_norm=float(at.gradient.norm()),
                closures=counts.closures,
                seconds=self._monitor.elapsed(),
            )
            self._reporter.progress(counts.closures, self._job.limits.closures, stage.name)

    def _end(self, stage: Stage, stop: Stop) -> Trained:
        at, counts = self._minimiser.at, self._counts
        with self._monitor.timed():
            judgement = self._monitor.judge(self._minimiser.x, stage.coefficients, stage.window)
            self._reporter.stage(
                stage.name,
                step=counts.step,
                ended=counts.step,
                stop_reason=str(stop),
                loss=at.loss,
                iterations=counts.stage_iterations,
                closures=counts.stage_closures,
                fresh_residual=self._fresh_residual(stage, len(self._done)),
                **judgement.figures,
            )
            self._reporter.fields(counts.step, **self._monitor.fields(judgement))
        return Trained(
            loss=at.loss, closures=counts.stage_closures, stop=str(stop), parameters=to_array(self._minimiser.x)
        )

    def _fresh_residual(self, stage: Stage, number: int) -> float:
        """The mean square residual at points that the stage of this number was not trained on."""
        fresh = objective(self._network, self._pose(stage, FRESH_POINTS, number))
        return fresh(self._minimiser.x).terms["residual"]

    def _diagnose(self, last: Stage) -> bool:
        """Looks at the loss that was minimised last, in float64; False if the run was asked to stop meanwhile."""
        self._save(now=True)
        drawn = len(self._done) - 1 if self._job.points.resample == "stage" else 0
        network = self._network._replace(dtype=torch.float64)
        with self._monitor.paused() as clock:
            found = diagnosis.diagnose(
                objective(network, self._pose(last, TRAINING_POINTS, drawn)),
                self._minimiser.x.double(),
                self._job.diagnosis,
                self._rng(DIAGNOSIS),
                stopping=lambda: self._reporter.stopping,
            )
        if found is None:
            return False
        self._reporter.fields(self._counts.step, **found.arrays)
        self._reporter.summary(**found.figures, diagnosis_seconds=clock.seconds)
        return True

    # The run as a whole

    def _finish(self, last: Stage) -> None:
        at = self._minimiser.at
        # what was cut short is not lost
        lost = self._lost if self._counts.closures < self._job.limits.closures else ""
        with self._monitor.timed():
            judgement = self._monitor.judge(self._minimiser.x, self._job.coefficients)
            fresh = self._fresh_residual(last, len(self._done) - 1)
            physics = self._job.points.physics
            for doubt in doubts(at.loss, at.terms["residual"], fresh, judgement.rel_l2, physics=physics):
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
        return Saved(parameters, arrays, network.spec, network.axes)

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
            "loss": self._minimiser.at.loss,
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
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._counts = Counts(**state["counts"])
        self._done = [Trained(**trained) for trained in state["done"]]
        self._minimiser.restore(state["minimiser"], self._network.tensor(np.zeros(1)))
