"""Trains a model from fields to a field on minibatches: Adam, a rate that rises and then falls as a cosine,
gradients clipped, parts frozen, the best weights by validation.

Everything is a function of the settings, the seed and the number of the step, so a run that is stopped and resumed at
any step goes on to the same weights, bit for bit on a CPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import numpy as np
import torch

from engine.api import Diverged, Reporter, State
from experiments.operators.adam import Adam
from experiments.operators.batches import Batches, Examples
from experiments.operators.gradients import Forward, Gradients, Loss, Parameters
from experiments.operators.metrics import geometric_mean, relative_l2, squared_error
from experiments.operators.normalise import Inputs
from experiments.operators.training import Training

AT_ONCE = 64
"""Samples that are predicted at a time."""

LOSSES: dict[str, Loss] = {
    "squared": lambda predicted, target: squared_error(predicted, target).mean(),
    "relative": lambda predicted, target: relative_l2(predicted, target).mean(),
    "geometric": lambda predicted, target: geometric_mean(relative_l2(predicted, target)),
}


@torch.no_grad()
def predict(forward: Forward, parameters: Parameters, inputs: Inputs) -> torch.Tensor:
    """The predicted fields of all samples."""
    parts = zip(inputs.varying.split(AT_ONCE), inputs.constant.split(AT_ONCE), strict=True)
    return torch.cat([forward(parameters, *part) for part in parts])


class Course(NamedTuple):
    """Where a training stands in its run: `before` steps come before it, of `total`; `state` is the whole run's."""

    before: int
    total: int
    state: Callable[[], State]


class Trainer:
    """The state of a training: parameters, Adam's moments, the best weights so far, the step.

    start: the parameters to begin with, real tensors by name, on the device to train on. frozen: those of them that
    stay as they are. rates: of some parameters, multiples of the learning rate entry by entry. stepping: what computes
    `forward` in the steps, where that is another program.
    """

    def __init__(
        self,
        forward: Forward,
        start: Parameters,
        training: Training,
        examples: Examples,
        judged: Inputs,
        seed: int,
        frozen: Collection[str] = (),
        rates: Mapping[str, torch.Tensor] | None = None,
        stepping: Forward | None = None,
    ) -> None:
        self._forward, self._training, self._judged = forward, training, judged
        self._batches = Batches(examples, training.examples, seed)
        self.parameters = {
            name: tensor.detach().clone().requires_grad_(name not in frozen) for name, tensor in start.items()
        }
        self._trained = {name: tensor for name, tensor in self.parameters.items() if name not in frozen}
        self._gradients = Gradients(stepping or forward, LOSSES[training.loss], self.parameters, self._trained)
        self._adam = Adam(self._trained, training.weight_decay, rates)
        self.step, self.seconds, self.loss = 0, 0.0, math.nan
        self.best, self.best_error, self.best_step = _copied(self.parameters), math.inf, 0

    def run(self, reporter: Reporter, course: Course | None = None) -> bool:
        """Trains to the last step; False where a stop was asked for (a checkpoint is then written).

        course: of the run, where it consists of more than this training. Raises Diverged.
        """
        length = self._training.length
        before, total, state = course or Course(0, length, self.state)
        every = max(1, length // self._training.validations)
        started = time.monotonic() - self.seconds
        if self.step == 0:
            reporter.metrics(before, validation_rel_l2=self._judge())
        while self.step < length:
            lr = self._one_step()
            values = {"loss": self.loss, "lr": lr}
            if self.step % every == 0 or self.step == length:
                values["validation_rel_l2"] = self._judge()
            self.seconds = time.monotonic() - started
            now = before + self.step
            reporter.metrics(now, **values, seconds=self.seconds)
            reporter.progress(now, total, what="steps")
            if not math.isfinite(self.loss):
                raise Diverged("loss", self.step)
            stopping = reporter.stopping and now < total
            reporter.checkpoint(now, state, now=stopping or self.step == length)
            if stopping:
                return False
        return True

    def _one_step(self) -> float:
        lr = self._training.rate(self.step)
        varying, constant, target, _ = self._batches.of(self.step)
        loss = self._gradients(varying, constant, target)
        if self._training.clip:
            torch.nn.utils.clip_grad_norm_(self._trained.values(), self._training.clip)
        self.step, self.loss = self.step + 1, loss.item()
        self._adam.step(self.step, lr)
        return lr

    def _judge(self) -> float:
        predicted = predict(self._forward, self.parameters, self._judged)
        error = relative_l2(predicted, self._judged.target).double().mean().item()
        if not math.isfinite(error):
            raise Diverged("validation error", self.step)
        if error < self.best_error:
            self.best, self.best_error, self.best_step = _copied(self.parameters), error, self.step
        return error

    def state(self) -> State:
        return {
            "step": self.step,
            "seconds": self.seconds,
            "loss": self.loss,
            "best": {"error": self.best_error, "step": self.best_step},
            **{
                name: {key: tensor.detach().cpu().numpy().copy() for key, tensor in group.items()}
                for name, group in self._groups().items()
            },
        }

    def restore(self, state: State) -> None:
        self.step, self.seconds, self.loss = int(state["step"]), float(state["seconds"]), float(state["loss"])
        self.best_error, self.best_step = float(state["best"]["error"]), int(state["best"]["step"])
        with torch.no_grad():
            for name, group in self._groups().items():
                for key, tensor in group.items():
                    tensor.copy_(torch.from_numpy(np.array(state[name][key])))

    def _groups(self) -> dict[str, Parameters]:
        """All tensors that a checkpoint holds."""
        return {
            "parameters": self.parameters,
            "first_moments": self._adam.first,
            "second_moments": self._adam.second,
            "best_parameters": self.best,
        }


def on_device(parameters: Mapping[str, np.ndarray], dtype: torch.dtype, device: str) -> Parameters:
    return {name: torch.as_tensor(array).to(device, dtype) for name, array in parameters.items()}


def _copied(parameters: Parameters) -> Parameters:
    return {name: tensor.detach().clone() for name, tensor in parameters.items()}
