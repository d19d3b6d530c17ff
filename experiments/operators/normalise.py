"""How samples become a model's inputs and target.

The operators are linear: (f, K) has the solution u, (f / s, K) has u / s, and (f / s, K / s) has u again. So the size s
of a source, ‖f‖ over the median ‖f‖, need not be learned. Two ways to take it out:

linear      f and u of each sample are divided by s; a prediction is multiplied by it. The model sees sources of one
            size and the coefficients as they are.
published   f and the coefficients are divided by s, u is left as it is (Subramanian et al. 2023). The model sees
            coefficients of a wide range of sizes: from 128 examples it then errs by twice as much.

In both the coefficients are also divided by the medians of their sizes. ‖f‖ is the root mean square over the grid, the
same on any grid. The scales are those of the data that a model was trained on first, and go with its weights:
fine-tuning and zero-shot use the scales of the pretraining data, training from scratch those of its own examples.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
import torch
from msgspec import Meta

from engine.api import Spec
from experiments.operators.generate import Samples

AT_ONCE = 64
"""Samples that are measured at a time: of a file that is mapped into memory, no more is there at once."""


class Scales(Spec, frozen=True, kw_only=True):
    """source: median ‖f‖. coefficients: medians of |k| where k is not 0, in the order of the channels."""

    normalisation: Literal["linear", "published"]
    source: Annotated[float, Meta(gt=0)]
    coefficients: tuple[float, ...]


class Inputs(NamedTuple):
    """What a `FieldModel` is given, and what it is to give. varying: (samples, n, n, 1). constant: (samples,
    coefficients). target: (samples, n, n), the solution divided by `size`, (samples, 1, 1)."""

    varying: torch.Tensor
    constant: torch.Tensor
    target: torch.Tensor
    size: torch.Tensor


def norm(source: torch.Tensor) -> torch.Tensor:
    """‖f‖ of each sample, (samples, 1, 1), float64."""
    return torch.cat([part.double().square().mean((1, 2), keepdim=True) for part in source.split(AT_ONCE)]).sqrt()


def scales_of(samples: Samples, normalisation: Literal["linear", "published"], *others: Samples) -> Scales:
    """Of all samples together; `others` have the same columns of coefficients."""
    parts = (samples, *others)
    sizes = np.abs(np.concatenate([part.coefficients for part in parts])).T
    return Scales(
        normalisation=normalisation,
        source=float(torch.cat([norm(part.source) for part in parts]).median()),
        coefficients=tuple(float(np.median(size[size > 0])) if size.any() else 1.0 for size in sizes),
    )


def inputs_of(samples: Samples, scales: Scales, norms: torch.Tensor | None = None) -> Inputs:
    """norms: `norm(samples.source)`, where it is known."""
    source = samples.source
    s = ((norm(source) if norms is None else norms) / scales.source).to(source)
    relative = torch.as_tensor(samples.coefficients / np.array(scales.coefficients)).to(source)
    varying = (source / s)[..., None]
    if scales.normalisation == "published":
        return Inputs(varying, relative / s[:, 0], samples.solution, torch.ones_like(s))
    return Inputs(varying, relative, samples.solution / s, s)
