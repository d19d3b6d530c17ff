"""Sines and cosines of the periodic axes: whatever the network, u and all its derivatives are periodic in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from engine.api import Problem, Spec, lazy_import
from experiments.pinns.embeddings import Embedding
from experiments.pinns.embeddings._lines import along, lines
from experiments.pinns.problem import System

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    np = lazy_import("numpy")
    torch = lazy_import("torch")


class Settings(Spec, frozen=True, kw_only=True):
    harmonics: Annotated[
        int, Meta(ge=1, le=100, description="Of each periodic axis: sines and cosines of 1 to so many waves")
    ] = 1
    scaled: Annotated[bool, Meta(description="The other axes are scaled to [-1, 1]")] = False


def waves(system: System, harmonics: int) -> np.ndarray:
    """Wave vectors, (periodic axes · harmonics, axes): phases are their products with a point."""
    rows = []
    for i, (name, (low, high)) in enumerate(system.axes.items()):
        if name in system.periodic_axes:
            for k in range(1, harmonics + 1):
                row = np.zeros(len(system.axes))
                row[i] = 2 * math.pi * k / (high - low)
                rows.append(row)
    return np.array(rows).reshape(-1, len(system.axes))


def others(system: System) -> list[str]:
    return [name for name in system.axes if name not in system.periodic_axes]


def draw(settings: Settings, system: System, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "waves": waves(system, settings.harmonics),
        "lines": lines(system.axes, others(system), scaled=settings.scaled),
    }


def count(settings: Settings, system: System) -> int:
    return 2 * settings.harmonics * len(system.periodic_axes) + len(others(system))


def features(arrays: Mapping[str, torch.Tensor], points: torch.Tensor) -> torch.Tensor:
    phases = points @ arrays["waves"].T
    return torch.cat([phases.sin(), phases.cos(), along(arrays["lines"], points)], dim=1)


def check(settings: Settings, system: System) -> list[Problem]:
    if system.periodic_axes:
        return []
    return [Problem("embedding", "a system with a periodic axis", system.title, "choose another embedding")]


EMBEDDING = Embedding(
    title="Periodic",
    summary="Sines and cosines of the periodic axes, the others as they are: u is periodic, exactly",
    source="Dong and Ni 2021 (J. Comput. Phys. 435)",
    settings=Settings,
    count=count,
    draw=draw,
    features=features,
    is_periodic=lambda settings: True,
    check=check,
)
