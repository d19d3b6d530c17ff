"""How an operator is trained, as settings."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from engine.api import Spec


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
    lr: Annotated[float, Meta(gt=0, description="Learning rate of Adam at the start; a cosine takes it to 0")] = 1e-3
    loss: Annotated[
        Literal["squared", "relative"],
        Meta(description="Of an example, averaged over the batch: sum of squared errors, or relative L2 error"),
    ] = "squared"
    validations: Annotated[int, Meta(ge=1, description="How often the weights are judged on the validation set")] = 20

    @property
    def examples(self) -> int:
        """Of one step."""
        return min(self.batch, self.samples)

    @property
    def length(self) -> int:
        """Optimiser steps in all."""
        return self.steps or -(-self.epochs * self.samples // self.examples)
