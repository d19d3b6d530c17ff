"""Random Fourier features: sines and cosines of random waves, against the bias of networks to low frequencies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from engine.api import Problem, Spec, lazy_import
from experiments.pinns.embeddings import Embedding, periodic
from experiments.pinns.embeddings._lines import lines
from experiments.pinns.problem import System

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    torch = lazy_import("torch")


class Settings(Spec, frozen=True, kw_only=True):
    waves: Annotated[int, Meta(ge=1, le=4096, description="Random waves, each of which makes a sine and a cosine")] = 32
    scale: Annotated[
        float,
        Meta(
            gt=0,
            le=1000,
            description="Standard deviation of their wave numbers, over axes scaled to [-1, 1]",
            extra_json_schema={"x-symbol": "σ"},
        ),
    ] = 1.0
    periodic: Annotated[
        bool, Meta(description="Waves over the sine and cosine of each periodic axis, so that u is periodic")
    ] = False


def _base(settings: Settings, system: System) -> dict[str, np.ndarray]:
    """What the random waves run over: scaled axes, or sine and cosine in place of those that are periodic."""
    axes = periodic.others(system) if settings.periodic else list(system.axes)
    return {
        "waves": periodic.waves(system, 1 if settings.periodic else 0),
        "lines": lines(system.axes, axes, scaled=True),
    }


def draw(settings: Settings, system: System, rng: np.random.Generator) -> dict[str, np.ndarray]:
    base = _base(settings, system)
    dimensions = 2 * len(base["waves"]) + len(base["lines"])
    return {**base, "random": settings.scale * rng.standard_normal((settings.waves, dimensions))}


def features(arrays: Mapping[str, torch.Tensor], points: torch.Tensor) -> torch.Tensor:
    phases = periodic.features(arrays, points) @ arrays["random"].T
    return torch.cat([phases.sin(), phases.cos()], dim=1)


def check(settings: Settings, system: System) -> list[Problem]:
    if system.periodic_axes or not settings.periodic:
        return []
    hint = "leave embedding.periodic at false"
    return [Problem("embedding.periodic", "false, of a system without a periodic axis", "true", hint)]


EMBEDDING = Embedding(
    title="Random Fourier features",
    summary="Sines and cosines of waves drawn from the run's seed, for solutions of high frequency",
    source="Tancik et al. 2020 (NeurIPS); for PINNs Wang, Wang and Perdikaris 2021 (CMAME 384)",
    settings=Settings,
    count=lambda settings, system: 2 * settings.waves,
    draw=draw,
    features=features,
    is_periodic=lambda settings: settings.periodic,
    check=check,
)
