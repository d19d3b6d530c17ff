"""The learning rate is chosen on the validation set, as published: each of a few rates is trained in full from the same
weights on the same examples in the same order, and the weights of the lowest validation error are kept.

What is chosen depends on the number of examples and on where the weights come from; so runs that are compared are to
have the same rates to choose from. A rate at which the training diverges has lost; where all do, the run has diverged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np
import torch

from engine.api import Diverged, Reporter, State
from experiments.operators.gradients import Parameters
from experiments.operators.train import Course, Trainer
from experiments.operators.training import Training


class Trial(NamedTuple):
    """A training at a rate: its lowest validation error (infinite where it diverged), the step of it, the last loss."""

    lr: float
    error: float
    step: int
    loss: float


class Sweep:
    """The trainings of a run, one for each of its rates, in turn.

    make: a trainer at its first step, of these settings, always with the same weights.
    trials: those that have ended. best: the weights of the best of them, so that at most two sets are held.
    """

    def __init__(self, make: Callable[[Training], Trainer], training: Training) -> None:
        self._make, self._training = make, training
        self.trials: list[Trial] = []
        self.best: Parameters = {}
        self._begin()

    def _begin(self, seconds: float = 0.0) -> None:
        self._lr = self._training.rates[len(self.trials)]
        self._before = len(self.trials) * self._training.length
        self._trainer = self._make(msgspec.structs.replace(self._training, lr=self._lr))
        self._trainer.seconds = seconds

    @property
    def step(self) -> int:
        """Steps that were taken in all; a training that diverged counts as whole."""
        return self._before + self._trainer.step

    @property
    def seconds(self) -> float:
        return self._trainer.seconds

    @property
    def chosen(self) -> Trial:
        """The best of those that have ended, the first of equals; before any has, the one that is going on."""
        return min(self.trials or [self._trial()], key=lambda trial: trial.error)

    def _trial(self) -> Trial:
        trainer = self._trainer
        return Trial(self._lr, trainer.best_error, trainer.best_step, trainer.loss)

    def run(self, reporter: Reporter) -> bool:
        """Trains at each rate to the last step; False where a stop was asked for (a checkpoint is then written).

        Raises Diverged where every rate does.
        """
        rates = self._training.rates
        total = len(rates) * self._training.length
        while len(self.trials) < len(rates):
            several = reporter if len(rates) > 1 else None
            if several:
                several.stage(_name(self._lr), step=self._before, lr=self._lr)
            try:
                if not self._trainer.run(reporter, Course(self._before, total, self.state)):
                    return False
            except Diverged:
                if len(self.trials) == len(rates) - 1 and all(math.isinf(trial.error) for trial in self.trials):
                    raise
                self._end(self._trial()._replace(error=math.inf), "diverged", several)
            else:
                self._end(self._trial(), "all steps done", several)
        return True

    def _end(self, trial: Trial, reason: str, reporter: Reporter | None) -> None:
        """Notes how a trial ended, keeps its weights if they are the best, and goes on to the next."""
        if not self.trials or trial.error < self.chosen.error:
            self.best = self._trainer.best
        self.trials.append(trial)
        if reporter:
            figures = {"loss": trial.loss, "validation_rel_l2": trial.error, "best_step": trial.step}
            reporter.stage(_name(trial.lr), step=self._before, **figures, stop_reason=reason)
        if len(self.trials) < len(self._training.rates):
            self._begin(self._trainer.seconds)

    def state(self) -> State:
        """That of the training that is going on, with what ended before it."""
        kept = {name: tensor.cpu().numpy() for name, tensor in self.best.items()}
        return {**self._trainer.state(), "trials": [list(trial) for trial in self.trials], "kept": kept}

    def restore(self, state: State) -> None:
        self.trials = [Trial(*trial) for trial in state.get("trials", ())]
        self._begin()
        self._trainer.restore(state)
        kept, like = state.get("kept", {}), self._trainer.best
        self.best = {name: torch.from_numpy(np.array(array)).to(like[name]) for name, array in kept.items()}


def _name(lr: float) -> str:
    return f"lr {lr:g}"
