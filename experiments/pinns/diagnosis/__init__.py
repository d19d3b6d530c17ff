"""What a trained network's loss looks like around it: its sharpest directions, and the landscape along them.

One concept a file, pure over an objective and a point: `hessian` (products with vectors), `spectrum` (the dominant
eigenpairs), `landscape` (the loss over a plane).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from engine.api import Spec, lazy_import

if TYPE_CHECKING:
    import numpy as np
    import torch

    from experiments.pinns.diagnosis import hessian, landscape, spectrum
    from experiments.pinns.objective import Objective
else:
    np = lazy_import("numpy")
    hessian = lazy_import("experiments.pinns.diagnosis.hessian")
    landscape = lazy_import("experiments.pinns.diagnosis.landscape")
    spectrum = lazy_import("experiments.pinns.diagnosis.spectrum")


class Diagnosis(Spec, frozen=True, kw_only=True):
    """What is looked at once a run is trained."""

    wanted: Annotated[
        list[Literal["landscape", "spectrum"]],
        Meta(
            description="At the end, of the loss: spectrum (the largest eigenvalues of its Hessian), landscape (the "
            "loss along the two dominant eigenvectors)"
        ),
    ] = msgspec.field(default=[], name="diagnosis")
    eigenvalues: Annotated[int, Meta(ge=2, le=50, description="Eigenvalues of the Hessian that are sought")] = (
        msgspec.field(default=2, name="diagnosis.eigenvalues")
    )
    resolution: Annotated[int, Meta(ge=3, le=501, description="Points of the landscape along each direction")] = (
        msgspec.field(default=31, name="diagnosis.resolution")
    )
    span: Annotated[
        float, Meta(gt=0, description="The landscape reaches so far from the trained network, in units of the weights")
    ] = msgspec.field(default=1.0, name="diagnosis.span")

    @property
    def closures(self) -> int:
        """Evaluations that it is expected to take: Lanczos rarely needs more than 50 products, of two each."""
        if not self.wanted:
            return 0
        return 100 + (self.resolution**2 if "landscape" in self.wanted else 0)


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """eigenvalues: (k,), the largest in magnitude first. directions: (2, parameters), unit vectors.

    axis: (n,). landscape: (n, n), the loss at the point + axis[i] · directions[0] + axis[j] · directions[1].
    """

    eigenvalues: np.ndarray
    axis: np.ndarray | None = None
    landscape: np.ndarray | None = None

    @property
    def figures(self) -> dict[str, float]:
        return {f"hessian_{i}": float(value) for i, value in enumerate(self.eigenvalues, 1)}

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """What is stored to be looked at."""
        found = {"hessian": self.eigenvalues}
        if self.landscape is not None and self.axis is not None:
            found |= {"landscape": self.landscape, "direction_1": self.axis, "direction_2": self.axis}
        return found


def diagnose(
    objective: Objective,
    flat: torch.Tensor,
    settings: Diagnosis,
    rng: np.random.Generator,
    stopping: Callable[[], bool] = lambda: False,
) -> Findings | None:
    """Of an objective in float64 at a point. None where it was asked to stop meanwhile."""
    values, vectors = spectrum.dominant(
        hessian.product(objective, flat), len(flat), settings.eigenvalues, rng, stopping=stopping
    )
    if stopping():
        return None
    if "landscape" not in settings.wanted:
        return Findings(eigenvalues=values)
    axis = np.linspace(-settings.span, settings.span, settings.resolution)
    found = landscape.plane(objective, flat, vectors[:2], axis, stopping=stopping)
    return None if found is None else Findings(eigenvalues=values, axis=axis, landscape=found)
