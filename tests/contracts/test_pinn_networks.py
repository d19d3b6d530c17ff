"""Every system with every embedding, soft and hard constraints, plain and factorised weights, found by discovery.

The fast passes give the gradient of automatic differentiation in float64, and that of finite differences; and runs
resume in their middle bit for bit.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from engine import schema
from engine.recorder import Recorder
from experiments.models import mlp
from experiments.pinns import ansatz, problem
from experiments.pinns import network as network_module
from experiments.pinns.configuration import EMBEDDING, SYSTEM, Configuration, read
from experiments.pinns.network import Network
from experiments.pinns.objective import Automatic, Fused, Objective, moved, objective
from experiments.pinns.problem import Problem, pose
from experiments.pinns.task import TASK

SCHEMA = TASK.describe().schema
SYSTEMS, EMBEDDINGS = SYSTEM.components()[0], EMBEDDING.components()[0]
PERIODIC = {"fourier": {"embedding.periodic": True}}
"""Settings that make an embedding periodic, where it is not so by itself."""

Choice = tuple[str, str, str, bool]


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, and errors on few points."""
    torch.set_num_threads(1)
    monkeypatch.setattr(problem, "GRID_X", 32)
    monkeypatch.setattr(problem, "GRID_T", 12)
    monkeypatch.setattr(problem, "GRID_ALONE", 100)


def complete(system: str, embedding: str, constraints: str, factorised: bool, **more: Any) -> dict[str, Any]:
    given = {"system": system, "embedding": embedding, "constraints": constraints, "model.factorised": factorised}
    if constraints == "hard" and SYSTEMS[system].periodic_axes:
        given |= PERIODIC.get(embedding, {})
    return schema.complete(SCHEMA, {**given, "model.width": 7, "model.depth": 3, "points": 40, **more})


def choices() -> list[Choice]:
    """All that are sound; what `check` refuses is tested elsewhere."""
    every = product(SYSTEMS, EMBEDDINGS, ("soft", "hard"), (False, True))
    return [choice for choice in every if TASK.check(complete(*choice)) == []]


def posed(job: Configuration) -> tuple[Network, Problem]:
    network = Network(
        job.model,
        job.model_settings,
        len(job.system.axes),
        torch.float64,
        torch.device("cpu"),
        job.features(np.random.default_rng(3)),
        ansatz.of_system(job.system, job.coefficients) if job.is_hard else None,
    )
    collocation = job.sampler.points(job.system.axes, 40, np.random.default_rng(4))
    sizes = {"n_initial": 12, "n_boundary": 7, "residual_weight": 0.7}
    return network, pose(job.system, job.coefficients, collocation, hard=job.is_hard, **sizes)


def has_passes(solved: Problem) -> bool:
    """Whether the passes know all its derivatives: those of at most second order, along one axis. Others are found by
    automatic differentiation.
    """
    names = [*solved.system.derivatives(solved.coefficients), *(each.derivative for each in solved.conditions)]
    return all(len(name) <= len("u_xx") and len(set(name[len("u_") :])) <= 1 for name in names)


def by_differences(function: Objective, flat: torch.Tensor, direction: torch.Tensor, h: float = 1e-5) -> float:
    """The derivative along a direction, to the fourth order."""

    def slope(h: float) -> float:
        return (function(flat + h * direction).loss - function(flat - h * direction).loss) / (2 * h)

    return (4 * slope(h) - slope(2 * h)) / 3


def test_nothing_is_refused_that_has_all_it_needs() -> None:
    sound = {choice[:3] for choice in choices()}
    assert {(system, "none", "soft") for system in SYSTEMS} <= sound
    for name, system in SYSTEMS.items():
        if system.ansatz:
            assert (name, "periodic" if system.periodic_axes else "none", "hard") in sound


@pytest.mark.parametrize("choice", choices(), ids=lambda choice: "-".join(map(str, choice)))
def test_gradients_are_exact(choice: Choice) -> None:
    network, solved = posed(read(complete(*choice)))
    rng = np.random.default_rng(5)
    flat = network.tensor(1.3 * mlp.initialise(network.spec, network.inputs, 1, rng))
    fast, slow = objective(network, solved), Automatic(network, solved)
    assert isinstance(fast, Fused) == has_passes(solved)
    ours, theirs = fast(flat), slow(flat)
    assert float((ours.gradient - theirs.gradient).norm() / theirs.gradient.norm()) < 1e-13
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-13)
    direction = network.tensor(rng.standard_normal(len(flat)))
    direction /= direction.norm()
    expected = float(ours.gradient @ direction)
    scale = float(ours.gradient.norm())
    assert by_differences(slow, flat, direction) == pytest.approx(expected, rel=1e-6, abs=1e-6 * scale)


@pytest.mark.parametrize("choice", choices(), ids=lambda choice: "-".join(map(str, choice)))
def test_a_function_that_is_moved_to_other_points_is_one_made_for_them(
    choice: Choice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit, block by block, with weights of points or without."""
    monkeypatch.setattr(network_module, "BLOCK", 8)
    network, solved = posed(read(complete(*choice)))
    rng = np.random.default_rng(6)
    flat = network.tensor(mlp.initialise(network.spec, network.inputs, 1, rng))
    for weights in (None, rng.random(40)):
        whole = msgspec.structs.replace(solved, point_weights=weights)
        function = objective(network, whole.part(np.arange(13)))
        for start in (13, 26):
            part = whole.part(np.arange(start, start + 13))
            function = moved(function, network, part)
            assert isinstance(function, Fused) == has_passes(part)
            assert not isinstance(function, Fused) or function.problem is part
            found, expected = function(flat), objective(network, part)(flat)
            assert (found.loss, found.terms) == (expected.loss, expected.terms)
            assert torch.equal(found.gradient, expected.gradient)


RUNS = [
    ("convection", embedding, constraints, embedding == "periodic")
    for embedding in EMBEDDINGS
    for constraints in ("soft", "hard")
]


@pytest.mark.parametrize("choice", [choice for choice in RUNS if choice in choices()], ids=str)
@pytest.mark.parametrize("strategy", ["regular", "seq2seq"])
def test_a_run_resumes_in_the_middle_bit_for_bit(choice: Choice, strategy: str, tmp_path: Path) -> None:
    windows = {"strategy.window": 0.5, "strategy.closures": 6, "strategy.target": 0} if strategy == "seq2seq" else {}
    params = complete(*choice, strategy=strategy, **windows, **{"optimizer.closures": 12, "optimizer.target": 0})

    def parameters(**options: Any) -> tuple[Recorder, dict[str, np.ndarray]]:
        recorder = Recorder(tmp_path, seed=5, **options)
        TASK.run(params, recorder)
        return recorder, load_file(recorder.artifacts["network.safetensors"].path)

    whole, expected = parameters(every=0.0)
    _, found = parameters(state=whole.checkpoints[len(whole.checkpoints) // 2][1])
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
