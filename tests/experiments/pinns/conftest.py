"""Small problems and runs, shared by the tests of PINNs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine import schema
from engine.recorder import Recorder
from experiments.models import mlp
from experiments.pinns.network import Network
from experiments.pinns.problem import Problem, System, pose
from experiments.pinns.task import TASK

QUICK = {"points": 60, "n_initial": 16, "n_boundary": 8, "model.width": 8, "model.depth": 2, "optimizer.target": 0}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def complete() -> Callable[..., dict[str, Any]]:
    """Complete parameters of a small run, from those that a test cares for."""

    def make(**given: Any) -> dict[str, Any]:
        return schema.complete(TASK.describe().schema, {**QUICK, **given})

    return make


@pytest.fixture
def run(complete: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[..., Recorder]:
    """Runs the task with these parameters; `reporter` are arguments of the Recorder."""

    def make(params: Mapping[str, Any], **reporter: Any) -> Recorder:
        recorder = Recorder(tmp_path, **reporter)
        TASK.run(complete(**params), recorder)
        return recorder

    return make


@pytest.fixture
def network_of() -> Callable[..., Network]:
    def make(dtype: torch.dtype = torch.float64, axes: int = 2, **settings: Any) -> Network:
        spec = mlp.MLP(**{"width": 9, "depth": 3, **settings})
        return Network(mlp.MODEL, spec, axes, dtype, torch.device("cpu"))

    return make


@pytest.fixture
def weights_of() -> Callable[..., torch.Tensor]:
    """Weights that are large enough for every term of the derivatives to matter."""

    def make(network: Network, seed: int = 0) -> torch.Tensor:
        return network.tensor(1.5 * mlp.initialise(network.spec, network.inputs, 1, np.random.default_rng(seed)))

    return make


@pytest.fixture
def problem_of() -> Callable[..., Problem]:
    def make(system: System, coefficients: Any, points: int = 150, **options: Any) -> Problem:
        rng = np.random.default_rng(7)
        low, high = np.array(list(system.axes.values())).T
        sizes = {"n_initial": 20, "n_boundary": 11, "residual_weight": 0.7, **options}
        return pose(system, coefficients, low + (high - low) * rng.random((points, len(low))), **sizes)

    return make
