"""How an operator is trained, as settings."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from msgspec import Meta

from engine.api import Problem, Spec


class Fresh(Spec, frozen=True, kw_only=True):
    """What is settled by the first training and goes with the weights."""

    normalisation: Annotated[
        Literal["linear", "published"],
        Meta(description="Where the size of a source goes: into the solution, or as published into the coefficients"),
    ] = "linear"


class Training(Spec, frozen=True, kw_only=True):
    samples: Annotated[int, Meta(ge=1, description="Training examples: the first N of the training set")] = 1024
    epochs: Annotated[int, Meta(ge=1, description="Passes over the training examples, where steps is 0")] = 20
    steps: Annotated[int, Meta(ge=0, description="Optimiser steps; 0: as many as the epochs make")] = 0
    batch: Annotated[int, Meta(ge=1, description="Examples of a step; all of them where there are fewer")] = 64
    lr: Annotated[float, Meta(gt=0, description="Largest learning rate of Adam; a cosine takes it to 0")] = 1e-3
    lr_sweep: Annotated[
        tuple[Annotated[float, Meta(gt=0)], ...],
        Meta(
            description="Learning rates to choose from, in place of lr: each is trained in full from the same weights, "
            "and the one of the lowest validation error is kept"
        ),
    ] = ()
    warmup: Annotated[int, Meta(ge=0, description="Steps in which the rate first rises to lr")] = 0
    clip: Annotated[float, Meta(ge=0, description="Gradients are scaled to at most this norm in all; 0: never")] = 0.0
    weight_decay: Annotated[float, Meta(ge=0, description="Decoupled weight decay: above 0 it is AdamW")] = 0.0
    loss: Annotated[
        Literal["squared", "relative", "geometric"],
        Meta(
            description="Of the examples of a step: mean sum of squared errors, mean relative L2 error, or the "
            "geometric mean of the latter, in which hard examples drown easy ones no more"
        ),
    ] = "squared"
    validations: Annotated[int, Meta(ge=1, description="How often the weights are judged on the validation set")] = 20

    def unfit(self) -> list[Problem]:
        found = []
        if self.warmup >= self.length:
            required = f"fewer than the {self.length} steps of the training"
            found.append(Problem("warmup", required, str(self.warmup)))
        if len(set(self.lr_sweep)) < len(self.lr_sweep):
            found.append(Problem("lr_sweep", "each rate once", ", ".join(f"{rate:g}" for rate in self.lr_sweep)))
        return found

    def rate(self, step: int) -> float:
        """The learning rate of the step, counted from 0."""
        if step < self.warmup:
            return self.lr * (step + 1) / (self.warmup + 1)
        share = (step - self.warmup) / (self.length - self.warmup)
        return self.lr * 0.5 * (1 + math.cos(math.pi * share))

    @property
    def rates(self) -> tuple[float, ...]:
        """The largest learning rates to try, in turn."""
        return self.lr_sweep or (self.lr,)

    @property
    def examples(self) -> int:
        """Of one step."""
        return min(self.batch, self.samples)

    @property
    def length(self) -> int:
        """Optimiser steps of a training, at each rate."""
        return self.steps or -(-self.epochs * self.samples // self.examples)


class Tuning(Spec, frozen=True, kw_only=True):
    """What only fine-tuning has."""

    freeze: Annotated[
        tuple[str, ...],
        Meta(description="Parts of the model that stay as they are, such as lift,blocks.0; blocks are all of them"),
    ] = ()
    lr_new: Annotated[
        float, Meta(gt=0, description="Rate of inputs that the model did not have, in multiples of lr")
    ] = 1.0
